"""The forward algorithm of a hidden Markov model: how likely are these rolls in an occasionally dishonest casino?

The dealer uses a fair die or a loaded one and switches between them unseen. The parameters are logarithms of
weights, which the program normalizes. The probabilities are scaled in every step, and their logarithms summed.

    python examples/programs/hmm.py
"""

import numpy as np

import wengert as wg

# Durbin, Eddy, Krogh and Mitchison, Biological Sequence Analysis (1998), section 3.2.
SWITCH = np.array([[0.95, 0.05], [0.10, 0.90]])
FACES = np.array([[1 / 6] * 6, [0.1] * 5 + [0.5]])


def normalize(weights):
    e = np.exp(weights - np.max(weights, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def log_likelihood(parameters, rolls):
    """parameters: a dict of the weights "switch" (2, 2) and "faces" (2, 6); both dice are as likely at first."""
    switch = normalize(parameters["switch"])
    faces = normalize(parameters["faces"])
    forward = np.array([0.5, 0.5])
    total = 0.0
    for t in range(len(rolls)):
        if t > 0:
            forward = forward @ switch
        forward = forward * faces[:, rolls[t]]
        scale = np.sum(forward)
        total += np.log(scale)
        forward = forward / scale
    return total


def draw(rolls, seed):
    """What the casino would show."""
    rng = np.random.default_rng(seed)
    die, seen = 0, np.zeros(rolls, dtype=int)
    for t in range(rolls):
        seen[t] = rng.choice(6, p=FACES[die])
        die = rng.choice(2, p=SWITCH[die])
    return seen


def inputs(rolls=60, seed=4):
    return {"switch": np.log(SWITCH), "faces": np.log(FACES)}, draw(rolls, seed)


def main():
    parameters, rolls = inputs()
    value, gradient = wg.value_and_grad(log_likelihood)(parameters, rolls)
    print(f"log-likelihood of {len(rolls)} rolls: {value:.9f}")
    for name, slope in gradient.items():
        print(f"gradient in the weights of {name}:\n{slope}")
    wg.check_grads(lambda parameters: log_likelihood(parameters, rolls), (parameters,))
    print("check: forward and reverse mode agree with finite differences, to second order")


if __name__ == "__main__":
    main()
