"""The shortest path by Bellman and Ford: the travel time through a road network, and which road matters.

Relaxes every road in turn, in place, until a round changes nothing. The derivative of the time in the speed of a
road is -length / speed^2 on the shortest path, and exactly 0 elsewhere.

    python examples/programs/bellman_ford.py
"""

import numpy as np

import wengert as wg


def travel_time(speed, length, start, end, nodes):
    """Roads go from start[i] to end[i]; the time from node 0 to the last node."""
    time = np.full(nodes, np.inf)
    time[0] = 0.0
    for _ in range(nodes - 1):
        changed = False
        for i in range(len(length)):
            through = time[start[i]] + length[i] / speed[i]
            if through < time[end[i]]:
                time[end[i]] = through
                changed = True
        if not changed:
            break
    return time[nodes - 1]


def inputs(rows=4, columns=5, seed=0):
    """A grid of streets, both ways, with random lengths and speeds; a road of speed v takes length / v."""
    rng = np.random.default_rng(seed)
    node = np.arange(rows * columns).reshape(rows, columns)
    start = np.concatenate([node[:, :-1].ravel(), node[:-1].ravel()])
    end = np.concatenate([node[:, 1:].ravel(), node[1:].ravel()])
    start, end = np.concatenate([start, end]), np.concatenate([end, start])
    order = rng.permutation(len(start))
    speed, length = rng.uniform(30.0, 60.0, len(start)), rng.uniform(0.5, 2.0, len(start))
    return speed, length, start[order], end[order], rows * columns


def main():
    speed, *network = inputs()
    value, gradient = wg.value_and_grad(travel_time)(speed, *network)
    on_path = np.flatnonzero(gradient)
    length, start, end, _ = network
    print(f"shortest travel time: {60.0 * value:.4f} minutes, over {len(on_path)} of {len(speed)} roads")
    for i in on_path:
        print(f"    {start[i]:2} -> {end[i]:2}   derivative in its speed {gradient[i]:.3e}")
    assert np.allclose(gradient[on_path], -length[on_path] / speed[on_path] ** 2, rtol=1e-14, atol=0.0)
    wg.check_grads(lambda speed: travel_time(speed, *network), (speed,), order=1)
    print("check: forward and reverse mode agree with finite differences")


if __name__ == "__main__":
    main()
