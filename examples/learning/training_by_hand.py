"""The loop that `wg.fit` is, in ten lines of one's own: the same numbers, bit for bit.

Two half moons of points that reach into each other; a network with dropout that tells them apart; Adam on minibatches. The
loop (`by_hand`) is a compiled step and two `for`s. `wg.fit` adds validation, early stopping, checkpoints, a progress bar and
messages of what is wrong with the data; it computes nothing else.

    python examples/learning/training_by_hand.py
    python examples/learning/training_by_hand.py --plot training_by_hand.png
"""

import argparse

import numpy as np

import wengert as wg
from wengert import nn

BATCH, SEED = 32, 0


def moons(rng, count=400):
    """Points, and of which half circle each is, 0 or 1."""
    angle, label = rng.uniform(0.0, np.pi, count), np.arange(count) % 2
    x = np.where(label, 1.0 - np.cos(angle), np.cos(angle))
    y = np.where(label, 0.5 - np.sin(angle), np.sin(angle))
    return np.stack([x, y], axis=1) + rng.normal(scale=0.15, size=(count, 2)), label


def network(key):
    first, second, third = wg.random.split(key, 3)
    return nn.Sequential((nn.Linear.init(first, 2, 32), nn.tanh, nn.Dropout(0.1), nn.Linear.init(second, 32, 32), nn.tanh,
                          nn.Linear.init(third, 32, 2)))


def loss(model, x, label, key=None):
    return nn.cross_entropy(model(x, key=key), label)


def by_hand(model, data, optimizer, epochs):
    """What `wg.fit` does: the trained model, and the loss of each update."""
    state, losses = optimizer.init(model), []

    def step(model, state, batch, key, count):
        draw = wg.random.fold_in(key, count)  # what dropout draws depends on the seed and the number of the update
        value, gradient = wg.value_and_grad(loss)(model, *batch, key=draw)
        return value, *optimizer.update(gradient, state, model)

    step = wg.jit(step, at_once=True)  # compiled from the first update on, for interpreted ones may differ in the last bits
    for epoch in range(epochs):
        for batch in wg.minibatches(data, BATCH, seed=SEED, epoch=epoch):
            value, model, state = step(model, state, batch, wg.random.key(SEED), np.uint64(len(losses)))
            losses.append(value)
    return model, np.array(losses)


def draw(model, data, found, losses, file):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    (x, label), colors = data, np.array(["#4477aa", "#cc6677"])
    side, height = np.linspace(-1.6, 2.6, 300), np.linspace(-1.2, 1.7, 300)
    grid = np.stack(np.meshgrid(side, height), axis=-1)
    sure = nn.softmax(model(grid))[..., 1]
    left.contourf(side, height, sure, levels=np.linspace(0, 1, 11), cmap="coolwarm", alpha=0.5)
    left.contour(side, height, sure, levels=[0.5], colors="black", linewidths=1)
    left.scatter(*x.T, c=colors[label], s=8)
    left.set(title="the points, and how sure the network is", xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    updates = np.arange(1, len(losses) + 1) / found.updates_per_epoch
    right.semilogy(updates, found.history.update_loss, color="#bbccdd", lw=3, label="wg.fit, each update")
    right.semilogy(updates, losses, color="black", lw=0.5, label="the loop by hand, each update")
    right.semilogy(np.arange(1, found.epochs + 1), found.history.loss, "o-", ms=3, color="#4477aa", label="wg.fit, each epoch")
    right.set(title="training", xlabel="epoch", ylabel="cross-entropy")
    right.legend(fontsize=8)
    right.grid(alpha=0.3)
    figure.savefig(file, dpi=110)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="wg.fit, and the same by hand.")
    parser.add_argument("--plot", metavar="FILE", help="draw the result into this file (PNG, PDF or SVG)")
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args(arguments)

    data, model, optimizer = moons(np.random.default_rng(0)), network(wg.random.key(1)), wg.optim.Adam(0.01)
    found = wg.fit(model, loss, data, optimizer=optimizer, epochs=options.epochs, batch_size=BATCH, seed=SEED)
    mine, losses = by_hand(model, data, optimizer, options.epochs)
    print(found)
    print(f"accuracy {100 * nn.accuracy(found.model(data[0]), data[1]):.2f} %")
    pairs = list(zip(wg.flatten.flatten(found.model)[0], wg.flatten.flatten(mine)[0]))
    apart = sum(int(np.sum(a != b)) for a, b in pairs if isinstance(a, np.ndarray))
    apart += int(np.sum(found.history.update_loss != losses))
    count = sum(np.size(a) for a, _ in pairs if isinstance(a, np.ndarray)) + len(losses)
    print(f"by hand: {apart} of {count} weights and losses differ from those of wg.fit")
    assert apart == 0
    if options.plot:
        draw(mine, data, found, losses, options.plot)
        print(f"drawn into {options.plot}")


if __name__ == "__main__":
    main()
