"""Bisection inside an objective: the yield of a bond from its price, and what the yield depends on.

Take care with the derivative. Bisection returns midpoints of an interval that its comparisons chose: as a program it
is a staircase, and its derivative is 0 everywhere, exactly, whatever the root does. That is the derivative of the
program and not the one that is meant. The remedy: polish the answer by Newton steps, which do depend on the inputs.
One step makes the first derivative right: y - F(y, p) / F'(y, p) has the derivative -F_p / F' where F(y, p) = 0, that of
the implicit function theorem. Every further step doubles the number of right derivatives; two steps (here) are good
for second derivatives.

    python examples/programs/bisection.py
"""

import numpy as np

import wengert as wg


def present_value(rate, coupon, face, years):
    value = 0.0
    for t in range(1, years + 1):
        value = value + coupon / (1.0 + rate) ** t
    return value + face / (1.0 + rate) ** years


def slope(rate, coupon, face, years):
    value = 0.0
    for t in range(1, years + 1):
        value = value - t * coupon / (1.0 + rate) ** (t + 1)
    return value - years * face / (1.0 + rate) ** (years + 1)


def bond_yield(bond, years, polish=2, tolerance=1e-12):
    """bond: price, coupon, face; the rate at which the payments are worth the price."""
    price, coupon, face = bond
    low, high = 0.0, 1.0
    while high - low > tolerance:
        middle = 0.5 * (low + high)
        if present_value(middle, coupon, face, years) > price:
            low = middle
        else:
            high = middle
    rate = 0.5 * (low + high)
    for _ in range(polish):
        excess = present_value(rate, coupon, face, years) - price
        rate = rate - excess / slope(rate, coupon, face, years)
    return rate


def inputs(years=10):
    return np.array([95.0, 4.0, 100.0]), years


def main():
    bond, years = inputs()
    value, gradient = wg.value_and_grad(bond_yield)(bond, years)
    print(f"yield: {100.0 * value:.6f} %")
    print(f"gradient in price, coupon and face: {gradient}")
    print(f"gradient without the Newton steps: {wg.grad(bond_yield)(bond, years, 0)}")
    wg.check_grads(lambda bond: bond_yield(bond, years), (bond,))
    print("check: forward and reverse mode agree with finite differences, to second order")


if __name__ == "__main__":
    main()
