"""Where neither forward nor reverse mode is the cheapest way to a Jacobian.

Four programs: a network through a narrow waist, a wide-narrow-wide one, the image of a point in a camera (15 inputs,
2 outputs), and Roe's flux between two states of a gas (10 inputs, 5 outputs). For each the multiplications that the
Jacobian takes beside the value: with a direction for each input (forward), with one for each output (reverse), with one
for each group of rows or columns (colored), and mixed: arrays are multiplied where few numbers pass, numbers are
eliminated in a good order. All agree to rounding.

    python examples/modes.py
    python examples/modes.py --plot modes.png    (how the camera's Jacobian is eliminated)
"""

import argparse
from itertools import pairwise

import numpy as np

import wengert as wg

GAMMA = 1.4  # of air


def layers(*sizes, seed=0):
    """The matrices of a network with so many numbers between its layers."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(m, n)) / np.sqrt(n) for n, m in pairwise(sizes)]


def network(x, weights):
    for w in weights:
        x = np.tanh(w @ x)
    return x


def camera(p):
    """The image of a point: rotation vector, translation, point, two focal lengths, center, two coefficients of distortion.

    Rodrigues' rotation and Brown's radial distortion; textbooks of photogrammetry have both.
    """
    a, b, c, tx, ty, tz, x, y, z, fx, fy, cx, cy, k1, k2 = p
    angle = np.sqrt(a * a + b * b + c * c)
    a, b, c = a / angle, b / angle, c / angle
    cos, sin = np.cos(angle), np.sin(angle)
    along = (a * x + b * y + c * z) * (1.0 - cos)
    u = x * cos + (b * z - c * y) * sin + a * along + tx
    v = y * cos + (c * x - a * z) * sin + b * along + ty
    w = z * cos + (a * y - b * x) * sin + c * along + tz
    u, v = u / w, v / w
    r2 = u * u + v * v
    bent = 1.0 + r2 * (k1 + k2 * r2)
    return np.array([fx * bent * u + cx, fy * bent * v + cy])


def euler_flux(rho, u, v, w, p, e):
    """What crosses a face of normal x: mass, momentum, energy."""
    return [rho * u, rho * u * u + p, rho * u * v, rho * u * w, (e + p) * u]


def flux(states):
    """Roe's flux between two states (density, momentum, energy) of a gas.

    P. L. Roe, Approximate Riemann solvers, parameter vectors, and difference schemes, Journal of Computational Physics 43
    (1981), 357-372; the wave strengths as in Toro, Riemann Solvers and Numerical Methods for Fluid Dynamics (2009), chapter 11.
    """
    left, right = states[:5], states[5:]
    sides = []
    for rho, mu, mv, mw, e in (left, right):
        u, v, w = mu / rho, mv / rho, mw / rho
        p = (GAMMA - 1.0) * (e - 0.5 * rho * (u * u + v * v + w * w))
        sides.append((rho, u, v, w, p, e, (e + p) / rho))
    (r0, u0, v0, w0, p0, e0, h0), (r1, u1, v1, w1, p1, e1, h1) = sides
    s0, s1 = np.sqrt(r0), np.sqrt(r1)
    t = s0 / (s0 + s1)
    u, v, w, h = (t * q0 + (1.0 - t) * q1 for q0, q1 in ((u0, u1), (v0, v1), (w0, w1), (h0, h1)))
    kinetic = 0.5 * (u * u + v * v + w * w)
    c2 = (GAMMA - 1.0) * (h - kinetic)
    c, rho = np.sqrt(c2), s0 * s1
    dr, du, dv, dw, dp = r1 - r0, u1 - u0, v1 - v0, w1 - w0, p1 - p0
    first = np.abs(u - c) * (dp - rho * c * du) / (2.0 * c2)
    last = np.abs(u + c) * (dp + rho * c * du) / (2.0 * c2)
    middle, shear = np.abs(u) * (dr - dp / c2), np.abs(u) * rho
    jumps = [first + middle + last,
             first * (u - c) + middle * u + last * (u + c),
             (first + middle + last) * v + shear * dv,
             (first + middle + last) * w + shear * dw,
             first * (h - u * c) + middle * kinetic + shear * (v * dv + w * dw) + last * (h + u * c)]
    there = euler_flux(r0, u0, v0, w0, p0, e0), euler_flux(r1, u1, v1, w1, p1, e1)
    return np.array([0.5 * (a + b) - 0.5 * jump for a, b, jump in zip(*there, jumps)])


CAMERA = np.array([0.1, -0.2, 0.15, 0.3, -0.1, 4.0, 0.5, -0.4, 1.0, 800.0, 810.0, 320.0, 240.0, -0.2, 0.05])
STATES = np.array([1.0, 0.2, 0.1, 0.0, 2.5, 0.9, 0.1, 0.3, 0.1, 2.2])
PROGRAMS = {  # name -> function, point
    "waist, 100-40-3-40-100": (lambda x: network(x, layers(100, 40, 3, 40, 100)), np.linspace(-1.0, 1.0, 100)),
    "wide-narrow-wide, 50-200-4-200-50": (lambda x: network(x, layers(50, 200, 4, 200, 50)), np.linspace(-1.0, 1.0, 50)),
    "camera, 15 -> 2": (camera, CAMERA),
    "Roe's flux, 10 -> 5": (flux, STATES),
}
MODES = ("forward", "reverse", "colored", "mixed")


def table():
    """For each program its plan, and by how much the modes differ."""
    out = {}
    for name, (f, x) in PROGRAMS.items():
        values = [wg.jacobian(f, mode=mode)(x) for mode in MODES]
        scale = np.max(np.abs(values[0]))
        out[name] = wg.plan(wg.jit(f), x), max(np.max(np.abs(v - values[0])) for v in values) / scale
    return out


def draw(file):
    """Left: the numbers of the camera, each with its place in the order. Right: multiplications as the order goes on."""
    from matplotlib.figure import Figure

    from wengert.modes import way
    from wengert.run import Run

    found = way(Run("draw", camera, (CAMERA,), {}, 0), "mixed").elimination
    net = found.network
    depth = [0] * len(net.into)
    for v, before in enumerate(net.into):
        depth[v] = max((depth[u] + 1 for u in before), default=0)
    for v in net.outputs:
        depth[v] = max(depth)
    rows = {}
    place = [(depth[v], rows.setdefault(depth[v], []).append(v) or len(rows[depth[v]])) for v in range(len(net.into))]
    at = np.array([(d, k - 0.5 * len(rows[d])) for d, k in place], float)
    when = {v: k for k, v in enumerate(found.orders[found.taken][0])}

    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for v, before in enumerate(net.into):
        for u in before:
            left.plot(*zip(at[u], at[v]), color="0.8", linewidth=0.6, zorder=1)
    inner = [v for v in net.inner() if net.into[v]]
    dots = left.scatter(*at[inner].T, c=[when[v] for v in inner], cmap="viridis", s=28, zorder=2)
    ends = [*net.inputs, *net.outputs]
    left.scatter(*at[ends].T, color="C3", marker="s", s=28, zorder=2, label="inputs, outputs")
    figure.colorbar(dots, ax=left, label="eliminated as number")
    left.set(title=f"the camera's derivatives, order: {found.taken}", xlabel="depth", yticks=[])
    left.legend(loc="lower right")
    others = {name: order for name, (order, _) in found.orders.items() if name != "search"}
    for name, order in sorted(others.items(), key=lambda item: -found.orders[item[0]][1]):
        current = net.copy()
        costs = np.cumsum([current.eliminate(v)[0] for v in order])
        right.plot(costs, label=f"{name}: {costs[-1]}")
    right.set(title="multiplications of the elimination", xlabel="numbers eliminated")
    right.legend()
    right.grid(alpha=0.3)
    figure.savefig(file, dpi=110)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Multiplications of a Jacobian by mode.")
    parser.add_argument("--plot", metavar="FILE", help="draw the elimination of the camera's Jacobian (PNG, PDF or SVG)")
    file = parser.parse_args(arguments).plot
    print(f"{'multiplications':36}" + "".join(f"{mode:>10}" for mode in MODES) + "   taken under jit")
    found = table()
    for name, (plan, _) in found.items():
        print(f"{name:36}" + "".join(f"{plan[mode].multiplications:>10,.0f}" for mode in MODES) + f"   {plan.chosen}")
    for name, (plan, difference) in found.items():
        print(f"{name}: {plan['mixed'].how}; the modes differ by {difference:.0e}")
    if file:
        draw(file)
        print(f"drawn into {file}")


if __name__ == "__main__":
    main()
