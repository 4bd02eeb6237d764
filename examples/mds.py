"""A map from a table of distances: multidimensional scaling of 28 European cities.

Given only the distance between every two cities, find points W in the plane that minimize

    L(W) = sum over i, j of (|W_i - W_j|^2 - D_ij)^2,    D_ij the squared distances.

The loss is plain NumPy; its gradient feeds L-BFGS. The distances are those on a sphere, which no flat map
keeps, so a residual remains; how large it may be follows from the projection of the known coordinates (see
`bound_on_the_loss`). The map is then turned so that north is up, and drawn when asked.

    python examples/mds.py
    python examples/mds.py --plot map.png
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

import wengert as wg

DATA = Path(__file__).parent / "data"
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


def recover(distances, seed=0):
    """The points that minimize the loss, from a random start."""
    D, shape = distances**2, (len(distances), 2)
    value_and_grad = wg.value_and_grad(lambda w: loss(np.reshape(w, shape), D))
    start = np.random.default_rng(seed).normal(size=shape).ravel()
    options = {"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(value_and_grad, start, jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(shape), found.nit


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


def draw(names, W, file):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 6.5), layout="constrained")
    axes.scatter(*(1000.0 * W).T, s=14)
    for name, (x, y) in zip(names, 1000.0 * W):
        axes.annotate(name, (x, y), xytext=(4, 3), textcoords="offset points", fontsize=9)
    axes.margins(x=0.1)
    axes.set(title="European cities, from their distances alone", xlabel="km", ylabel="km", aspect="equal")
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Recover a map of European cities from their distances.")
    parser.add_argument("--plot", metavar="FILE", help="draw the map into this file (PNG, PDF or SVG)")
    file = parser.parse_args(arguments).plot

    names, distances = read_distances()
    target, angle = project(read_coordinates())
    W, iterations = recover(distances)
    W = align(W, target)

    residual, bound = loss(W, distances**2), bound_on_the_loss(distances, angle)
    print(f"{len(names)} cities, {iterations} iterations of L-BFGS")
    print(f"residual L(W) = {residual:.6f} (1000 km)^4")
    print(f"    an azimuthal map has {loss(target, distances**2):.6f}, and by theory at most {bound:.6f}")
    mapped = np.linalg.norm(W[:, None] - W[None], axis=-1)
    error = 1000.0 * np.sqrt(np.mean((mapped - distances) ** 2))
    shift = 1000.0 * np.linalg.norm(W - target, axis=-1)
    print(f"distances on the map differ from the table by {error:.1f} km (root mean square)")
    print(f"cities lie at most {np.max(shift):.0f} km from their place on an azimuthal map")
    assert residual <= loss(target, distances**2) <= bound

    gradient = wg.grad(loss)(W, distances**2)
    by_hand = 8.0 * np.einsum("ij,ijk->ik", mapped**2 - distances**2, W[:, None] - W[None])
    # Each entry sums 28 terms; none of their factors exceeds the largest distance.
    rounding = 28 * 8.0 * np.finfo(float).eps * 28 * np.max(distances) ** 3
    assert np.max(np.abs(gradient - by_hand)) <= rounding
    if file:
        draw(names, W, file)
        print(f"map drawn into {file}")


if __name__ == "__main__":
    main()
