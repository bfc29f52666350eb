"""A fixed piece of work, to compare machines by."""

from __future__ import annotations

import statistics

import numpy as np

from benchmarks.measurement import seconds_taken


def fixed_work() -> float:
    """Some Python and some NumPy, about a quarter of a second of each."""
    total = 0
    for i in range(3_000_000):
        total += i & 7
    matrix = np.random.default_rng(0).standard_normal((400, 400))
    for _ in range(40):
        matrix = np.tanh(matrix @ matrix / 400)
    return total + float(matrix.sum())


def calibrate(repeats: int = 5) -> float:
    """The median seconds of the fixed work on this machine, now."""
    return statistics.median(seconds_taken(fixed_work) for _ in range(repeats))
