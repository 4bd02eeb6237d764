"""The log-likelihood of a Kalman filter: the flow of the Nile at Aswan, 1871 to 1970.

A local linear trend: level and slope drift by random steps, and the level is measured with noise. The three
standard deviations are what one fits. With no random slope this is the local level model of Durbin and Koopman
(Time Series Analysis by State Space Methods, 2001, section 2.10.3), whose fit is 15099 and 1469.1 (variances).

    python examples/programs/kalman.py
"""

import numpy as np

import wengert as wg

# Annual flow in 10^8 m^3: Cobb, Biometrika 65 (1978), 243-251, table 1.
NILE = np.array([
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
    1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969,
    831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759,
    781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
    744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
], dtype=float)


def log_likelihood(scales, y, state, covariance):
    """scales: the standard deviations of the measurement and of the steps of level and slope."""
    transition = np.array([[1.0, 1.0], [0.0, 1.0]])
    drift = np.diag(scales[1:] ** 2)
    total = 0.0
    for t in range(len(y)):
        innovation = y[t] - state[0]
        variance = covariance[0, 0] + scales[0] ** 2
        total -= 0.5 * (np.log(2.0 * np.pi * variance) + innovation**2 / variance)
        gain = covariance[:, 0] / variance
        state = transition @ (state + gain * innovation)
        covariance = covariance - np.outer(gain, covariance[0])
        covariance = transition @ covariance @ transition.T + drift
    return total


def inputs(years=20, slope=2.0):
    """The published fit, with a random slope, and a vague guess of the first year's level."""
    scales = np.array([np.sqrt(15099.0), np.sqrt(1469.1), slope])
    return scales, NILE[:years], np.array([1000.0, 0.0]), np.diag([1e7, 100.0])


def main():
    scales, *data = inputs()
    value, gradient = wg.value_and_grad(log_likelihood)(scales, *data)
    print(f"log-likelihood of {len(data[0])} years: {value:.6f}")
    print(f"gradient in the three standard deviations: {gradient}")
    wg.check_grads(lambda scales: log_likelihood(scales, *data), (scales,))
    print("check: forward and reverse mode agree with finite differences, to second order")


if __name__ == "__main__":
    main()
