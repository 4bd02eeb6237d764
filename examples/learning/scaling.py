"""A map from a table of distances: multidimensional scaling of 28 European cities, in four ways.

Given only the distance between every two cities, find points W in the plane that minimize

    L(W) = sum over i, j of (|W_i - W_j|^2 - D_ij)^2,    D_ij the squared distances.

The loss is plain NumPy. It is minimized from a random start by L-BFGS and by gradient descent with a line search, on exact
gradients, and by descent along random directions, on evaluations of L alone (two for each estimate of the gradient). Classical
scaling (Torgerson 1952) needs no iterations: its points are the principal components of points with these distances, from
eigenvectors of the double-centered table; of distances that no plane has it minimizes another loss, and so differs.

The distances are those on a sphere, which no flat map keeps, so a residual remains; how large it may be follows from the
projection of the known coordinates (see `bound_on_the_loss`). Of each map the stress is told, sqrt(sum (|W_i - W_j| - d_ij)^2 /
sum d_ij^2) (Kruskal 1964). The maps are turned so that north is up, and drawn when asked.

    python examples/learning/scaling.py
    python examples/learning/scaling.py --plot map.png
"""

import argparse
import csv
from pathlib import Path

import numpy as np

import wengert as wg

DATA = Path(__file__).parent.parent / "data"
EARTH_RADIUS = 6.3710088  # thousands of kilometers, as are all lengths here


def loss(W, D):
    differences = W[:, None, :] - W[None, :, :]
    squared = np.sum(differences**2, axis=-1)
    return np.sum((squared - D) ** 2)


def read_distances():
    """The names of the cities, and the distances between them in thousands of kilometers."""
    with open(DATA / "city_distances.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return header[1:], np.array([[float(cell) for cell in row[1:]] for row in rows]) / 1000.0


def read_coordinates():
    """The latitude and longitude of each city, in radians."""
    with open(DATA / "cities.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return np.radians([[float(row["latitude"]), float(row["longitude"])] for row in rows])


def start(distances, seed):
    return np.random.default_rng(seed).normal(size=(len(distances), 2))


def recover(distances, seed=0):
    """The points that minimize the loss, from a random start."""
    D = distances**2
    found = wg.optim.lbfgs(lambda W: loss(W, D), start(distances, seed), tolerance=1e-9)
    return found.x, found


def descend(distances, seed=0, iterations=2000):
    """The same by gradient descent."""
    D = distances**2
    found = wg.optim.gradient_descent(lambda W: loss(W, D), start(distances, seed), tolerance=1e-6, iterations=iterations)
    return found.x, found


def descend_by_evaluations(distances, seed=0, iterations=4_000):
    """The same along random directions, without any derivative."""
    D, rng = distances**2, np.random.default_rng(seed)
    f = wg.jit(lambda W: loss(W, D))

    def estimate(W):
        return wg.numeric.random_gradient(f, W, seed=rng)

    found = wg.optim.gradient_descent(f, start(distances, seed), estimate, iterations=iterations)
    return found.x, found


def classical(distances):
    """Principal components of points with these distances (Torgerson 1952)."""
    n = len(distances)
    center = np.eye(n) - 1.0 / n
    values, vectors = np.linalg.eigh(-0.5 * center @ distances**2 @ center)
    return vectors[:, -2:] * np.sqrt(values[-2:])


def stress(W, distances):
    """How far the distances on the map are from the table (Kruskal 1964)."""
    mapped = np.linalg.norm(W[:, None] - W[None], axis=-1)
    return np.sqrt(np.sum((mapped - distances) ** 2) / np.sum(distances**2))


def project(coordinates):
    """The azimuthal equidistant map around the middle of the cities, and each city's angle from there."""
    latitude, longitude = coordinates.T
    x, y, z = np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)
    unit = np.stack([x, y, z], axis=-1)
    middle = unit.mean(axis=0) / np.linalg.norm(unit.mean(axis=0))
    east = np.cross([0.0, 0.0, 1.0], middle)
    east /= np.linalg.norm(east)
    flat = unit @ np.stack([east, np.cross(middle, east)], axis=-1)
    angle = np.arccos(unit @ middle)
    return EARTH_RADIUS * flat * (angle / np.sin(angle))[:, None], angle


def bound_on_the_loss(distances, angle):
    """What the best map's loss cannot exceed.

    The azimuthal map stretches no direction by more than a / sin a, a the angle from its middle, and shrinks
    none. So it takes a distance d to one between d and d a / sin a, a the angle of the city farther out, and
    the best map can only be better.
    """
    farther = np.maximum.outer(angle, angle)
    stretch = farther / np.sin(farther)
    # The table is rounded to 0.1 km, so that a distance may be off by 0.05 km.
    excess = (distances + 5e-5) ** 2 * stretch**2 - distances**2
    return np.sum(excess**2)


def align(W, target):
    """The rotation, reflection and shift of W that comes closest to the target (Procrustes)."""
    U, _, Vt = np.linalg.svd((W - W.mean(axis=0)).T @ (target - target.mean(axis=0)))
    return (W - W.mean(axis=0)) @ U @ Vt + target.mean(axis=0)


def draw(names, maps, courses, file):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 6.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1.0))
    styles = {"gradient descent": ("o", 52, "none", "C0"), "random directions": ("+", 52, "C1", "C1"),
              "classical scaling": ("x", 26, "C3", "C3")}
    for label, (marker, size, face, edge) in styles.items():
        colors = {"c": edge} if marker in "+x" else {"facecolors": face, "edgecolors": edge}
        left.scatter(*(1000.0 * maps[label]).T, s=size, marker=marker, label=label, **colors)
    for name, (x, y) in zip(names, 1000.0 * maps["gradient descent"]):
        offset = (-38, -11) if name == "Zürich" else (6, 3)
        left.annotate(name, (x, y), xytext=offset, textcoords="offset points", fontsize=8.5)
    left.margins(x=0.14, y=0.08)
    left.set(title="European cities, from their distances alone", xlabel="km", ylabel="km", aspect="equal")
    left.legend(loc="upper left", fontsize=9)
    least = min(found.value for found in courses.values())
    for label, color in (("L-BFGS", "C2"), ("gradient descent", "C0"), ("random directions", "C1")):
        found = courses[label]
        k = np.arange(1, len(found.values))
        right.loglog(k, found.values[1:] - least + 1e-12, color=color, label=label)
    right.set(title="the loss above its least value", xlabel="iteration", ylabel="L − L*  ((1000 km)⁴)")
    right.grid(alpha=0.3)
    right.legend(fontsize=9)
    figure.savefig(file, dpi=110)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Recover a map of European cities from their distances.")
    parser.add_argument("--plot", metavar="FILE", help="draw the maps into this file (PNG, PDF or SVG)")
    file = parser.parse_args(arguments).plot

    names, distances = read_distances()
    target, angle = project(read_coordinates())
    ways = {"L-BFGS": recover, "gradient descent": descend, "random directions": descend_by_evaluations}
    found = {name: way(distances) for name, way in ways.items()}
    maps = {name: align(W, target) for name, (W, _) in found.items()}
    maps["classical scaling"] = align(classical(distances), target)

    print(f"{len(names)} cities{'':<12}iterations  evaluations  gradients   L (1000 km)^4   stress")
    for name, W in maps.items():
        run = found[name][1] if name in found else None
        counts = (run.iterations, run.evaluations, run.gradient_evaluations) if run else (0, 0, 0)
        cells = "".join(f"{count:>{width},}" for count, width in zip(counts, (10, 13, 11)))
        print(f"{name:<21}{cells}{loss(W, distances**2):>16.6f}{stress(W, distances):>9.5f}")
    residual, bound = loss(maps["L-BFGS"], distances**2), bound_on_the_loss(distances, angle)
    print(f"an azimuthal map has L = {loss(target, distances**2):.6f}, and by theory at most {bound:.6f}")
    assert residual <= loss(target, distances**2) <= bound

    mapped = np.linalg.norm(maps["L-BFGS"][:, None] - maps["L-BFGS"][None], axis=-1)
    error = 1000.0 * np.sqrt(np.mean((mapped - distances) ** 2))
    shift = 1000.0 * np.linalg.norm(maps["L-BFGS"] - target, axis=-1)
    print(f"distances on the map differ from the table by {error:.1f} km (root mean square)")
    print(f"cities lie at most {np.max(shift):.0f} km from their place on an azimuthal map")
    apart = {name: 1000.0 * np.max(np.linalg.norm(W - maps["L-BFGS"], axis=-1)) for name, W in maps.items()}
    print("at most so far are cities from their place on the map of L-BFGS:")
    for name, far in list(apart.items())[1:]:
        print(f"    {name:<19}{far:.2g} km")
    assert max(apart[name] for name in ways) < 1e-3
    if file:
        draw(names, maps, {name: run for name, (_, run) in found.items()}, file)
        print(f"drawn into {file}")


if __name__ == "__main__":
    main()
