"""The loss curve of a training (the HDF5 file that `harness train` writes) as a picture.

    python3 analysis/plot_training.py TRAINING.h5 PICTURE.svg

Left: loss on the batches, a line of means over 25 steps. Right: accuracy on unseen records of each source, whose
names say what it held. Sources that are longer come in later (from, until in the config).
"""

import sys

import h5py
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from plots import COLOURS, MARKERS, STYLE, frame


def draw(path):
    with h5py.File(path) as f:
        curve, validation = frame(f["curve"]), frame(f["validation"])
        name = f.attrs["training"]
    name = name.decode() if isinstance(name, bytes) else name
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), constrained_layout=True)
        mean = curve.groupby(curve["step"] // 25 * 25)["loss"].mean()
        left.plot(curve["step"], curve["loss"], color="0.85", linewidth=0.5)
        left.plot(mean.index, mean.values, color=COLOURS[0])
        left.set(xlabel="step", ylabel="loss on output tokens (nats)", yscale="log", title=f"{name}: training")
        for i, (source, rows) in enumerate(validation.groupby("source", sort=False)):
            right.plot(rows["step"], 1 - rows["accuracy"], label=source, color=COLOURS[i % len(COLOURS)],
                       marker=MARKERS[i % len(MARKERS)], linestyle="-" if i < len(COLOURS) else "--")
        right.set(xlabel="step", ylabel="wrong output tokens", yscale="log", title="unseen records")
        right.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=1))
        if len(validation):
            right.legend(fontsize=6, ncols=2)
    return figure


def main(arguments):
    if len(arguments) != 2:
        sys.exit(__doc__)
    # Texts stay texts, and the same curve gives the same bytes.
    with plt.rc_context({"svg.hashsalt": "harness", "svg.fonttype": "none"}):
        draw(arguments[0]).savefig(arguments[1], metadata={"Date": None} if arguments[1].endswith(".svg") else None)


if __name__ == "__main__":
    main(sys.argv[1:])
