"""From one neuron to attention: every partial derivative written down, and equal to what `grad` gives.

Four steps, each a few lines of NumPy and the chain rule beside them: a neuron, a layer, softmax with its loss, and one head of
attention over three words. Where the derivative of a matrix is meant, dM has the entries ∂L/∂M[i, j]. All are compared with
`wg.grad`, those of values within the program too; at the end the head is `wg.nn.MultiHeadAttention`.

    python examples/learning/attention.py
    python examples/learning/attention.py --plot attention.png
"""

import argparse

import numpy as np

import wengert as wg

EPS = np.finfo(float).eps

# ---------------------------------------------------------------- 1. one neuron


def neuron(w1, w2, b, x1=0.5, x2=-1.0, t=1.0):
    """Half the squared error of y = tanh(w1 x1 + w2 x2 + b)."""
    z = w1 * x1 + w2 * x2 + b
    y = np.tanh(z)
    return 0.5 * (y - t) ** 2


def neuron_by_hand(w1, w2, b, x1=0.5, x2=-1.0, t=1.0):
    y = np.tanh(w1 * x1 + w2 * x2 + b)
    dy = y - t  # L = (y - t)²/2
    dz = dy * (1 - y**2)  # y = tanh z
    return dz * x1, dz * x2, dz  # z = w1 x1 + w2 x2 + b


# ---------------------------------------------------------------- 2. a layer: many neurons with the same input


def layer(W, b, x, t):
    y = np.tanh(x @ W + b)
    return 0.5 * np.sum((y - t) ** 2)


def layer_by_hand(W, b, x, t):
    y = np.tanh(x @ W + b)
    dz = (y - t) * (1 - y**2)  # one for each neuron, as before
    return np.outer(x, dz), dz  # ∂z[j]/∂W[i, j] = x[i]


# ---------------------------------------------------------------- 3. softmax, and the loss that belongs to it


def softmax(z):
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def cross_entropy(z, right):
    """-log of the probability of the right class."""
    return -np.log(softmax(z)[right])


def cross_entropy_by_hand(z, right):
    p = softmax(z)
    dp = np.zeros(len(z))
    dp[right] = -1 / p[right]  # L = -log p[right]
    jacobian = np.diag(p) - np.outer(p, p)  # ∂p[i]/∂z[j] = p[i] (1 if i = j, else 0) - p[i] p[j]
    return jacobian.T @ dp  # which is p, less 1 at the right class


# ---------------------------------------------------------------- 4. one head of attention

NAMES = ("Q", "K", "V", "S", "A", "Y")


def head(parameters, X, T, added):
    """Half the squared error of softmax(Q Kᵀ/√d) V; `added` are zeros, by which `grad` gives the adjoints between."""
    Wq, Wk, Wv = parameters
    Q, K, V = X @ Wq + added["Q"], X @ Wk + added["K"], X @ Wv + added["V"]  # what each word asks, offers, says
    S = Q @ K.T / np.sqrt(Q.shape[1]) + added["S"]  # how well question i fits offer j
    A = softmax(S) + added["A"]  # how much word i attends to word j: rows add up to 1
    Y = A @ V + added["Y"]  # the mean of what the words say
    return 0.5 * np.sum((Y - T) ** 2)


def head_by_hand(parameters, X, T):
    """Values of the forward pass, and adjoints of the backward pass in its order."""
    Wq, Wk, Wv = parameters
    root = np.sqrt(Wq.shape[1])
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    S = Q @ K.T / root
    A = softmax(S)
    Y = A @ V
    d = {"Y": Y - T}  # L = Σ (Y - T)²/2
    d["A"] = d["Y"] @ V.T  # Y = A V: each weight by what it let through
    d["V"] = A.T @ d["Y"]
    d["S"] = A * (d["A"] - np.sum(d["A"] * A, axis=1, keepdims=True))  # softmax, row by row: as in step 3
    d["Q"] = d["S"] @ K / root  # S = Q Kᵀ/√d
    d["K"] = d["S"].T @ Q / root
    d["Wq"], d["Wk"], d["Wv"] = X.T @ d["Q"], X.T @ d["K"], X.T @ d["V"]  # Q = X Wq, and so on
    d["X"] = d["Q"] @ Wq.T + d["K"] @ Wk.T + d["V"] @ Wv.T  # X has gone three ways
    return {"X": X, "Wq": Wq, "Wk": Wk, "Wv": Wv, "Q": Q, "K": K, "V": V, "S": S, "A": A, "Y": Y}, d


def head_by_grad(parameters, X, T):
    values, _ = head_by_hand(parameters, X, T)
    zeros = {name: np.zeros(values[name].shape) for name in NAMES}
    of_parameters, of_x, of_values = wg.grad(head, (0, 1, 3))(parameters, X, T, zeros)
    return {"X": of_x, **dict(zip(("Wq", "Wk", "Wv"), of_parameters)), **of_values}


def as_layer(parameters):
    """The head as a layer: one head, no biases, and what is found is handed out as it is."""
    d = parameters[0].shape[1]
    return wg.nn.MultiHeadAttention(*[wg.nn.Linear(W) for W in (*parameters, np.eye(d))], heads=1)


# ---------------------------------------------------------------- shown


def distance(a, b):
    """The greatest difference, in roundings of the greatest entry."""
    pairs = [(np.asarray(x), np.asarray(y)) for x, y in zip(a, b)]
    return max(float(np.max(np.abs(x - y)) / (EPS * np.max(np.abs(y)))) for x, y in pairs)


def table(names, mine, theirs):
    for name, a, b in zip(names, mine, theirs):
        for k in np.ndindex(np.shape(a)):
            index = f"[{', '.join(map(str, k))}]" if k else ""
            print(f"  ∂L/∂{name + index:10}{np.asarray(a)[k]:22.16f}{np.asarray(b)[k]:22.16f}")


def draw(values, adjoints, file):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = ["X", "Q", "K", "V", "S", "A", "Y"]
    figure, axes = pyplot.subplots(2, len(names), figsize=(13, 4.6), layout="constrained",
                                   width_ratios=[values[name].shape[1] for name in names])
    titles = {"X": "words X", "Q": "Q = X Wq", "K": "K = X Wk", "V": "V = X Wv", "S": "S = Q Kᵀ/√d", "A": "A = softmax S",
              "Y": "Y = A V"}
    for column, name in zip(axes.T, names):
        for cell, entries, title in zip(column, (values[name], adjoints[name]), (titles[name], f"∂L/∂{name}")):
            limit = np.max(np.abs(entries))
            cell.imshow(entries, cmap="RdBu_r", vmin=-1.6 * limit, vmax=1.6 * limit, aspect="auto")
            for (i, j), entry in np.ndenumerate(entries):
                cell.text(j, i, f"{entry:.2f}", ha="center", va="center", fontsize=9)
            cell.set(title=title, xticks=[], yticks=[])
    axes[0, 0].set_ylabel("forward: values")
    axes[1, 0].set_ylabel("backward: derivatives")
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="From one neuron to attention, every partial derivative.")
    parser.add_argument("--plot", metavar="FILE", help="draw both passes of the head into this file (PNG, PDF or SVG)")
    file = parser.parse_args(arguments).plot
    rng = np.random.default_rng(0)
    found = {}

    print("1. One neuron, tanh(w1 x1 + w2 x2 + b), and half its squared error\n")
    print(wg.explain(neuron, 0.8, -0.3, 0.1))
    w = (0.8, -0.3, 0.1)
    mine, theirs = neuron_by_hand(*w), wg.grad(neuron, (0, 1, 2))(*w)
    print(f"\n  {'':14}{'by hand':>22}{'by grad':>22}")
    table(("w1", "w2", "b"), mine, theirs)
    found["neuron"] = distance(mine, theirs)

    print("\n2. A layer of two neurons with three inputs\n")
    given = rng.normal(size=(3, 2)), rng.normal(size=2), rng.normal(size=3), rng.normal(size=2)
    mine, theirs = layer_by_hand(*given), wg.grad(layer, (0, 1))(*given)
    table(("W", "b"), mine, theirs)
    found["layer"] = distance(mine, theirs)

    print("\n3. Softmax and cross-entropy of three classes, the second of them right\n")
    z = rng.normal(size=3)
    mine, theirs = [cross_entropy_by_hand(z, 1)], [wg.grad(cross_entropy)(z, 1)]
    table("z", mine, theirs)
    found["softmax"] = distance(mine, theirs)

    print("\n4. A head of attention: three words of four numbers, d = 2\n")
    X, T, parameters = rng.normal(size=(3, 4)), rng.normal(size=(3, 2)), tuple(rng.normal(size=(3, 4, 2)))
    values, adjoints = head_by_hand(parameters, X, T)
    gradient = head_by_grad(parameters, X, T)
    table(adjoints, adjoints.values(), [gradient[name] for name in adjoints])
    found["attention"] = distance(adjoints.values(), [gradient[name] for name in adjoints])
    assert distance([as_layer(parameters)(X)], [values["Y"]]) <= 8

    print("\nGreatest difference, in roundings of the greatest entry: "
          + ", ".join([f"{name} {ulps:.1f}" for name, ulps in found.items()]))
    assert max(found.values()) <= 32
    if file:
        draw(values, adjoints, file)
        print(f"drawn into {file}")


if __name__ == "__main__":
    main()
