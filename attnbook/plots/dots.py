"""Dots and bars: every seed of every group or model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from attnbook.plots.numbers import as_numbers
from attnbook.plots.style import COLOURS, MARKERS


def leaderboard(
    rows: Sequence[Mapping[str, object]], title: str | None = None
) -> np.ndarray:
    """Draw the leaderboard: one row a model, one panel a measure.

    Args:
        rows: each with "model" and, for every measure, the list of its
            values over the seeds ("exact match", "exact match, longer",
            "alignment", "seconds"); a missing measure is left blank.
        title: what the figure answers.

    Returns:
        The Axes, one a measure.

    Raises:
        ValueError: if there is no row.
    """
    if not rows:
        raise ValueError(
            "leaderboard: expected at least one row, got none; run the "
            "command in experiments/ that makes the table"
        )
    measures = ["exact match", "exact match, longer", "alignment", "seconds"]
    figure, axes = plt.subplots(
        1,
        len(measures),
        figsize=(8.6, 1.3 + 0.5 * len(rows)),
        sharey=True,
    )
    names = [str(row["model"]) for row in rows]
    for ax, measure in zip(axes, measures, strict=True):
        for place, row in enumerate(rows):
            values = as_numbers(row.get(measure, [])).astype(float)
            values = values[np.isfinite(values)]
            if not len(values):
                ax.text(
                    0.02,
                    place,
                    "has none",
                    va="center",
                    fontsize=8,
                    color=COLOURS["grey"],
                    transform=ax.get_yaxis_transform(),
                )
                continue
            ax.barh(
                place,
                values.mean(),
                height=0.55,
                color=COLOURS["blue"],
                alpha=0.35,
            )
            ax.plot(
                values,
                np.full(len(values), place),
                "o",
                color=COLOURS["blue"],
                markersize=4,
            )
        ax.set_title(measure, fontsize=9)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        if measure != "seconds":
            ax.set_xlim(0, 1.02)
            ax.set_xticks([0, 0.5, 1])
        else:
            ax.set_xlim(left=0)
    axes[0].set_yticks(range(len(rows)), names)
    if title:
        figure.suptitle(title, x=0.02, ha="left", fontsize=11, weight="bold")
    return axes


def dots_by_seed(
    groups: Mapping[str, Sequence[Sequence[float]]],
    title: str | None = None,
    ylabel: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw every measure as a dot: one place a group, one column a seed.

    Args:
        groups: name to one list of measures for each seed.
        title: what the figure answers.
        ylabel: what was measured, with its unit.
        ax: the axes to draw into; new ones by default.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(6.4, 3.2))
    for place, seeds in enumerate(groups.values()):
        for seed, measured in enumerate(seeds):
            across = place + 0.2 * (seed - (len(seeds) - 1) / 2)
            ax.plot(
                [across] * len(measured),
                as_numbers(measured),
                MARKERS[seed % len(MARKERS)],
                color=list(COLOURS.values())[seed % len(COLOURS)],
                alpha=0.6,
                label=f"seed {seed}" if place == 0 else None,
            )
    ax.set_xticks(range(len(groups)), list(groups))
    ax.set(ylabel=ylabel, title=title or "")
    ax.set_ylim(bottom=0)
    ax.legend(ncols=3)
    return ax
