"""Monte Carlo: a down-and-out call in the Heston model, and its derivatives path by path.

Log-Euler paths with full truncation of the variance. A knocked-out path pays nothing; between two dates the path
may have touched the barrier unseen, with the probability exp(-2 (x - b) (y - b) / (variance dt)) of a Brownian
bridge. With this weight the payoff goes to zero continuously at the barrier, so that the derivative of the average
estimates the derivative of the price; with a bare `if spot <= barrier` it would miss the paths that jump.

The draws are arguments in `price`, and are made inside by a generator in `price_seeded`: the same seed gives the
same paths, and so a function that can be differentiated.

    python examples/programs/monte_carlo.py
"""

import numpy as np

import wengert as wg

# Broadie and Kaya, Operations Research 54 (2006), table 1: spot, initial variance, speed and mean of its
# reversion, its volatility, its correlation with the spot, interest rate. Strike 100, one year.
BROADIE_KAYA = np.array([100.0, 0.010201, 6.21, 0.019, 0.61, -0.70, 0.0319])


def step(log_spot, v, alive, first, second, parameters, log_barrier, dt):
    speed, mean, volatility, correlation, rate = parameters[2:]
    positive = v > 0.0
    variance = np.where(positive, v, 0.0)
    # The inner 1 keeps the square root from 0, where its slope is infinite; it is not used.
    scale = np.where(positive, np.sqrt(np.where(positive, v, 1.0) * dt), 0.0)
    moved = log_spot + (rate - 0.5 * variance) * dt + scale * first
    other = correlation * first + np.sqrt(1.0 - correlation**2) * second
    v = v + speed * (mean - variance) * dt + volatility * scale * other
    inside = (log_spot > log_barrier) & (moved > log_barrier)
    distance = (log_spot - log_barrier) * (moved - log_barrier)
    moves = inside & positive
    touched = np.where(moves, np.exp(-2.0 * distance / np.where(moves, variance * dt, 1.0)), 0.0)
    return moved, v, alive * np.where(inside, 1.0 - touched, 0.0)


def payoff(log_spot, alive, strike, years, rate):
    return np.exp(-rate * years) * np.mean(alive * np.maximum(np.exp(log_spot) - strike, 0.0))


def price(parameters, draws, strike=100.0, barrier=90.0, years=1.0):
    """draws: normal numbers of shape (steps, 2, paths)."""
    steps, _, paths = draws.shape
    log_spot = np.full(paths, np.log(parameters[0]))
    v = np.full(paths, parameters[1])
    alive = np.ones(paths)
    for t in range(steps):
        log_spot, v, alive = step(log_spot, v, alive, draws[t, 0], draws[t, 1], parameters, np.log(barrier), years / steps)
    return payoff(log_spot, alive, strike, years, parameters[-1])


def price_seeded(parameters, seed, paths, steps, strike=100.0, barrier=90.0, years=1.0):
    rng = np.random.default_rng(seed)
    log_spot = np.full(paths, np.log(parameters[0]))
    v = np.full(paths, parameters[1])
    alive = np.ones(paths)
    for _ in range(steps):
        first = rng.standard_normal(paths)
        second = rng.standard_normal(paths)
        log_spot, v, alive = step(log_spot, v, alive, first, second, parameters, np.log(barrier), years / steps)
    return payoff(log_spot, alive, strike, years, parameters[-1])


def inputs(paths=200, steps=12, seed=1):
    return BROADIE_KAYA, np.random.default_rng(seed).standard_normal((steps, 2, paths))


def main():
    parameters, draws = inputs()
    value, gradient = wg.value_and_grad(price)(parameters, draws)
    print(f"price over {draws.shape[2]} paths: {value:.6f}")
    for name, slope in zip("spot variance speed mean volatility correlation rate".split(), gradient):
        print(f"    derivative in {name:12} {slope: .6f}")
    seeded, again = wg.value_and_grad(price_seeded)(parameters, 1, draws.shape[2], draws.shape[0])
    assert seeded == value and np.array_equal(again, gradient)
    print("check: drawn inside from the same seed, the same value and gradient")
    wg.check_grads(lambda parameters: price(parameters, draws), (parameters,))
    print("check: forward and reverse mode agree with finite differences, to second order")


if __name__ == "__main__":
    main()
