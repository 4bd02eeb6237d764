"""The temperature of the sea a year ahead, by a recurrent network and a transformer, against forecasts without a network.

The series is the monthly surface temperature of the eastern Pacific (Nino 1+2, 1950 to 2010, of the National Oceanic and
Atmospheric Administration, in the public domain), as statsmodels ships it (BSD-3-Clause). From the last months, each method
forecasts the next twelve. The sizes of the linear forecast and of the networks are chosen by the error in the validation part
alone; the test part is looked at once, at the end.

    python examples/learning/forecast.py
    python examples/learning/forecast.py --plot forecast.png
"""

import argparse
import csv
import time
from dataclasses import dataclass
from importlib.metadata import distribution

import numpy as np

import wengert as wg
from wengert import nn

AHEAD = 12  # months
VALIDATION, TEST = 38 * 12, 48 * 12  # the first months of these parts: January 1988 and 1998
WINDOW = 24  # months that a network sees
EPOCHS, PATIENCE = 60, 10
SIZES = (4, 8, 16)
SEEDS = 3  # runs for each size; the median of their errors decides, their mean forecasts


def read():
    """The months 1950 to 2010, in degrees Celsius."""
    path = distribution("statsmodels").locate_file("statsmodels/datasets/elnino/elnino.csv")
    with open(str(path), newline="", encoding="utf-8") as file:
        return np.array([[float(cell) for cell in row[1:]] for row in list(csv.reader(file))[1:]]).ravel()


def windows(series, length, begin, end):
    """All (months before, months ahead) whose months ahead lie in a part, one a row."""
    starts = np.arange(max(begin, length), end - AHEAD + 1)
    return (series[starts[:, None] + np.arange(-length, 0)], series[starts[:, None] + np.arange(AHEAD)])


# ---------------------------------------------------------------- the networks: anomalies in, anomalies out


@dataclass(frozen=True)
class Recurrent:
    """A gated recurrent unit over the months; its last state tells the months ahead."""

    gru: nn.GRU
    output: nn.Linear

    @classmethod
    def init(cls, key, size):
        first, second = wg.random.split(key)
        return cls(nn.GRU.init(first, 1, size), nn.Linear.init(second, size, AHEAD))

    def __call__(self, x, key=None):
        outputs, _ = self.gru(x[..., None])
        return self.output(outputs[..., -1, :])


@dataclass(frozen=True)
class Attentive:
    """A transformer over the months, each a vector with its place; the last one tells the months ahead."""

    embedding: nn.Linear
    positions: nn.Positions
    encoder: nn.TransformerEncoder
    output: nn.Linear

    @classmethod
    def init(cls, key, size):
        k_embedding, k_positions, k_encoder, k_output = wg.random.split(key, 4)
        return cls(nn.Linear.init(k_embedding, 1, size), nn.Positions.init(k_positions, WINDOW, size, deviation=0.1),
                   nn.TransformerEncoder.init(k_encoder, size, heads=2, layers=1, hidden=2 * size, pre_norm=True, dropout=0.1),
                   nn.Linear.init(k_output, size, AHEAD))

    def __call__(self, x, key=None):
        y = self.encoder(self.positions(self.embedding(x[..., None])), causal=True, key=key)
        return self.output(y[..., -1, :])


def loss(model, x, y, key=None):
    return nn.mean_squared_error(model(x, key=key), y)


def trained(kind, size, seed, anomalies):
    """A network and its error in validation, that of the best epoch."""
    train, validation = (windows(anomalies, WINDOW, *part) for part in ((0, VALIDATION), (VALIDATION, TEST)))
    model = kind.init(wg.random.key(seed), size)
    fit = wg.fit(model, loss, train, optimizer=wg.optim.Adam(1e-2), epochs=EPOCHS, batch_size=64, validation=validation,
                 patience=PATIENCE, seed=seed)
    return fit.model, loss(fit.model, *validation)


def chosen(kind, anomalies):
    """The forecast of the size that is best in validation, and that size."""
    runs = {size: [trained(kind, size, seed, anomalies) for seed in range(SEEDS)] for size in SIZES}
    best = min(SIZES, key=lambda size: np.median([error for _, error in runs[size]]))
    models = [model for model, _ in runs[best]]
    return lambda x: np.mean([model(x[:, -WINDOW:]) for model in models], axis=0), f"size {best}"


# ---------------------------------------------------------------- without a network


def least_squares(anomalies, order):
    """The autoregression of this order: each month ahead is a linear function of the last months."""
    x, y = windows(anomalies, order, 0, VALIDATION)
    coefficients = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[0]
    return lambda x: x[:, -order:] @ coefficients[:-1] + coefficients[-1]


def linear(anomalies):
    x, y = windows(anomalies, 36, VALIDATION, TEST)
    orders = (1, 2, 3, 6, 12, 24, 36)
    best = min(orders, key=lambda order: np.mean((least_squares(anomalies, order)(x) - y) ** 2))
    return least_squares(anomalies, best), f"order {best}"


def forecasts(series):
    """For each method the forecasts of the test part, and what was chosen; and what came."""
    months = np.arange(len(series)) % 12
    usual = np.array([series[:VALIDATION][months[:VALIDATION] == m].mean() for m in range(12)])[months]
    scale = (series - usual)[:VALIDATION].std()
    anomalies = (series - usual) / scale
    before, _ = windows(series, 36, TEST, len(series))
    x, _ = windows(anomalies, 36, TEST, len(series))
    back, truth = windows(usual, 36, TEST, len(series))[1], windows(series, 36, TEST, len(series))[1]
    methods = {
        "last value": (np.repeat(before[:, -1:], AHEAD, axis=1), ""),
        "same month a year ago": (before[:, -12:], ""),
        "usual for the month": (back, ""),
        "last anomaly stays": (back + scale * x[:, -1:], ""),
    }
    for name, choose in [("linear", linear), ("recurrent", lambda a: chosen(Recurrent, a)),
                         ("transformer", lambda a: chosen(Attentive, a))]:
        forecast, what = choose(anomalies)
        methods[name] = (back + scale * forecast(x), what)
    return methods, truth


def errors(forecast, truth):
    """Root mean square by months ahead, in degrees."""
    return np.sqrt(np.mean((forecast - truth) ** 2, axis=0))


def draw(methods, truth, file):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained", width_ratios=[1, 1.2])
    ahead = np.arange(1, AHEAD + 1)
    shown = {"usual for the month": ("0.6", "--"), "last anomaly stays": ("0.6", ":"), "linear": ("C0", "-"),
             "recurrent": ("C1", "-"), "transformer": ("C2", "-")}
    for name, (color, style) in shown.items():
        left.plot(ahead, errors(methods[name][0], truth), color=color, linestyle=style, label=name)
    left.set(title="Error in the test part, 1998 to 2010", xlabel="months ahead", ylabel="root mean square error, °C")
    left.legend(frameon=False)
    left.set_ylim(0)
    years = 1998 + (np.arange(len(truth)) + 2) / 12
    usual = methods["usual for the month"][0]
    right.axhline(0, color="0.85", linewidth=0.8)
    right.plot(years, (truth - usual)[:, 2], color="0.2", linewidth=1.0, label="measured")
    for name in ("linear", "recurrent", "transformer"):
        right.plot(years, (methods[name][0] - usual)[:, 2], color=shown[name][0], linewidth=1.2, label=name)
    right.set(title="Three months ahead", xlabel="year", ylabel="above the usual for the month, °C")
    right.legend(frameon=False)
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Forecast the temperature of the eastern Pacific a year ahead.")
    parser.add_argument("--plot", metavar="FILE", help="draw errors and forecasts into this file (PNG, PDF or SVG)")
    file = parser.parse_args(arguments).plot
    begin = time.perf_counter()
    methods, truth = forecasts(read())
    print(f"root mean square error in °C, {len(truth)} forecasts, 1998 to 2010\n")
    print(f"{'':24}{'1 month':>9}{'3 months':>10}{'6 months':>10}{'12 months':>11}{'all':>8}")
    total = {name: float(np.sqrt(np.mean((forecast - truth) ** 2))) for name, (forecast, _) in methods.items()}
    for name, (forecast, what) in methods.items():
        one, three, six, twelve = errors(forecast, truth)[[0, 2, 5, 11]]
        print(f"{name:24}{one:9.3f}{three:10.3f}{six:10.3f}{twelve:11.3f}{total[name]:8.3f}  {what}")
    best = min(total, key=lambda name: total[name])
    print(f"\nbest: {best}, {total[best]:.3f} °C; {time.perf_counter() - begin:.0f} s")
    if file:
        draw(methods, truth, file)
        print(f"drawn into {file}")


if __name__ == "__main__":
    main()
