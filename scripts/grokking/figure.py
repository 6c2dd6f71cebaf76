#!/usr/bin/env python3
"""Draws what `tunegate track --format json` saw of a run, below the accuracies that `train.py` wrote.

    tunegate track 'runs/plain/checkpoint-*' --format json > plain.json
    python figure.py grokking.svg plain.json runs/plain/accuracy.csv decay.json runs/decay/accuracy.csv

Needs matplotlib. One column a run.
"""

import csv
import json
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

plt.rcParams.update({"svg.hashsalt": "tunegate", "font.size": 8, "svg.fonttype": "none"})


def series(flow: dict, name: str, metric: str) -> list[float]:
    found = next(s for s in flow["series"] if s["name"] == name and s["metric"] == metric)
    return [float("nan") if value is None else value for value in found["values"]]


def main() -> None:
    target, *rest = sys.argv[1:]
    runs = list(zip(rest[::2], rest[1::2]))
    figure, rows = plt.subplots(4, len(runs), figsize=(3.6 * len(runs), 6.4), sharex="col", sharey="row", squeeze=False)
    for column, (flow_path, accuracy_path) in enumerate(runs):
        flow = json.load(open(flow_path, encoding="utf-8"))
        accuracy = list(csv.DictReader(open(accuracy_path, encoding="utf-8")))
        # Step 0 stands at the left end of the logarithmic axis.
        steps = [max(int(step["step"]), 50) for step in flow["steps"]]
        axes = [row[column] for row in rows]
        axes[0].set_title(flow_path.rsplit("/", 1)[-1].removesuffix(".json"))
        for kind in ["train", "test"]:
            axes[0].plot([max(int(row["step"]), 50) for row in accuracy], [float(row[kind]) for row in accuracy], label=kind)
        for layer in ["fc1.weight", "fc2.weight"]:
            for axis, metric in zip(axes[1:], ["alpha", "ks_distance", "trap_count"]):
                axis.plot(steps, series(flow, layer, metric), marker=".", label=layer)
        axes[1].axhline(2, color="grey", linewidth=0.6)
        axes[2].axhline(0.10, color="grey", linewidth=0.6)
        for axis in axes:
            axis.set_xscale("log")
        axes[-1].set_xlabel("step")
    for row, label in zip(rows, ["accuracy", "alpha", "ks_distance", "trap_count"]):
        row[0].set_ylabel(label)
        row[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main()
