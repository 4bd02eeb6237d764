"""A soft edit distance: dynamic programming over two words, with a smooth minimum.

The table is filled in place. With the smooth minimum -g log(sum exp(-c / g)) every alignment counts, the cheap ones
more; as g goes to 0 it becomes Levenshtein's distance. The derivative in the costs of an insertion, a deletion and a
substitution is the expected number of each.

    python examples/programs/soft_edit_distance.py
"""

import numpy as np

import wengert as wg


def soft_minimum(a, b, c, g):
    low = min(a, b, c)
    return low - g * np.log(np.exp((low - a) / g) + np.exp((low - b) / g) + np.exp((low - c) / g))


def distance(costs, first, second, g):
    """costs: of an insertion, a deletion and a substitution; words are arrays of integers."""
    insertion, deletion, substitution = costs
    m, n = len(first), len(second)
    table = np.zeros((m + 1, n + 1))
    for i in range(1, m + 1):
        table[i, 0] = table[i - 1, 0] + deletion
    for j in range(1, n + 1):
        table[0, j] = table[0, j - 1] + insertion
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            keep = table[i - 1, j - 1]
            if first[i - 1] != second[j - 1]:
                keep = keep + substitution
            table[i, j] = soft_minimum(keep, table[i - 1, j] + deletion, table[i, j - 1] + insertion, g)
    return table[m, n]


def letters(word):
    return np.array([ord(letter) for letter in word])


def inputs(first="kitten", second="sitting", g=0.3):
    return np.array([1.0, 1.1, 0.9]), letters(first), letters(second), g


def main():
    costs, *words = inputs()
    value, gradient = wg.value_and_grad(distance)(costs, *words)
    print(f"soft distance from kitten to sitting: {value:.9f}")
    for name, slope in zip(("insertions", "deletions", "substitutions"), gradient):
        print(f"    expected number of {name:14} {slope:.6f}")
    wg.check_grads(lambda costs: distance(costs, *words), (costs,), order=1)
    print("check: forward and reverse mode agree with finite differences")


if __name__ == "__main__":
    main()
