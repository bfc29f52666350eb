"""Curves: a measure against length, steps or size, over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from attnbook.plots.numbers import as_numbers
from attnbook.plots.style import COLOURS, LINES, MARKERS


def accuracy_by_length(
    curves: Mapping[str, np.ndarray],
    lengths: Sequence[int],
    trained_to: int | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw accuracy against length: the mean, and the range over the seeds.

    Args:
        curves: name to accuracies of shape (seeds, lengths), from 0 to 1.
        lengths: the lengths, in pairs of digits.
        trained_to: the greatest length trained on; beyond it is shaded.
        title: what the figure answers.
        ax: the axes to draw into; new ones by default.

    Raises:
        ValueError: if a curve has not one column a length.
    """
    if ax is None:
        _, ax = plt.subplots()
    for index, (name, accuracy) in enumerate(curves.items()):
        accuracy = np.atleast_2d(as_numbers(accuracy).astype(float))
        if accuracy.shape[1] != len(lengths):
            raise ValueError(
                f"accuracy_by_length: the curve {name!r} has shape "
                f"{accuracy.shape}; expected (seeds, {len(lengths)}), one "
                "column for each length"
            )
        colour = list(COLOURS.values())[index % len(COLOURS)]
        ax.plot(
            lengths,
            accuracy.mean(axis=0),
            LINES[index % len(LINES)],
            marker=MARKERS[index % len(MARKERS)],
            color=colour,
            label=name,
        )
        ax.fill_between(
            lengths,
            accuracy.min(axis=0),
            accuracy.max(axis=0),
            color=colour,
            alpha=0.18,
            linewidth=0,
        )
    if trained_to is not None and trained_to < max(lengths):
        ax.axvspan(
            trained_to + 0.5, max(lengths) + 0.5, color="#999999", alpha=0.15
        )
        ax.annotate(
            "longer than\ntrained on",
            (max(lengths) + 0.4, 0.98),
            ha="right",
            va="top",
            fontsize=8,
            color=COLOURS["grey"],
        )
    ax.set_ylim(-0.03, 1.05)
    ax.set_xlim(min(lengths) - 0.5, max(lengths) + 0.5)
    ax.set_xticks(list(lengths))
    ax.set_xlabel("length (pairs of digits)")
    ax.set_ylabel("exact match")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3)
    if title:
        ax.set_title(title)
    return ax


def curves(
    values: Mapping[str, np.ndarray],
    x: Sequence[float],
    title: str | None = None,
    xlabel: str = "",
    ylabel: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a measure against x: the mean, and the range over the seeds.

    Args:
        values: name to measures of shape (seeds, len(x)).
        x: where they were measured.
        title: what the figure answers.
        xlabel: what x is, with its unit.
        ylabel: what was measured, with its unit.
        ax: the axes to draw into; new ones by default.

    Raises:
        ValueError: if a curve has not one column for each x.
    """
    if ax is None:
        _, ax = plt.subplots()
    for index, (name, measured) in enumerate(values.items()):
        measured = np.atleast_2d(as_numbers(measured).astype(float))
        if measured.shape[1] != len(x):
            raise ValueError(
                f"curves: {name!r} has shape {measured.shape}; expected "
                f"(seeds, {len(x)}), one column for each x"
            )
        style = LINES[index % len(LINES)]
        (drawn,) = ax.plot(x, measured.mean(axis=0), style, label=name)
        ax.fill_between(
            x,
            measured.min(axis=0),
            measured.max(axis=0),
            color=drawn.get_color(),
            alpha=0.15,
            linewidth=0,
        )
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title or "")
    ax.legend()
    return ax
