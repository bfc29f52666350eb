"""Heat maps: attention weights with their tokens, and shaded grids."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from attnbook.plots.numbers import as_numbers
from attnbook.plots.style import COLOURS, SEQUENTIAL


def attention_map(
    weights: np.ndarray,
    source: Sequence[str],
    target: Sequence[str],
    truth: np.ndarray | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw attention weights as a heat map with its tokens.

    Args:
        weights: shape (T, S), one row a query, each entry from 0 to 1.
        source: the S tokens attended to, along the top.
        target: the T tokens produced, down the side.
        truth: optional, shape (T, S), boolean; its true cells are outlined.
        title: what the figure answers.
        ax: the axes to draw into; new ones by default.

    Raises:
        ValueError: if a shape does not match the number of tokens.
    """
    weights = matrix("weights", weights, len(target), len(source))
    if ax is None:
        width = min(1.6 + 0.42 * len(source), 9)
        height = min(1.5 + 0.34 * len(target), 7)
        _, ax = plt.subplots(figsize=(width, height))
    ax.imshow(weights, cmap=SEQUENTIAL, vmin=0, vmax=1, aspect="auto")
    if truth is not None:
        truth = matrix("truth", truth, len(target), len(source))
        for row, column in np.argwhere(truth):
            ax.add_patch(
                Rectangle(
                    (column - 0.46, row - 0.46),
                    0.92,
                    0.92,
                    fill=False,
                    edgecolor=COLOURS["orange"],
                    linewidth=1.8,
                )
            )
    long_words = max(map(len, source), default=0) > 2
    # A token may hold `$`, and is no formula.
    ax.set_xticks(range(len(source)), source, parse_math=False)
    ax.tick_params(length=0)
    ax.xaxis.tick_top()
    if long_words:
        plt.setp(
            ax.get_xticklabels(),
            rotation=45,
            ha="left",
            rotation_mode="anchor",
        )
    ax.set_yticks(range(len(target)), target, parse_math=False)
    ax.set_xlabel("source token (key)")
    ax.set_ylabel("output (query)")
    ax.spines[:].set_visible(False)
    if title:
        ax.set_title(title, pad=10)
    return ax


def alignment_against_truth(
    weights: np.ndarray,
    truth: np.ndarray,
    source: Sequence[str],
    target: Sequence[str],
    title: str | None = None,
) -> np.ndarray:
    """Draw the learnt weights and, beside them, the alignment they should be.

    Args:
        weights: shape (T, S).
        truth: shape (T, S), boolean.
        source: the S source tokens.
        target: the T output tokens.
        title: what the figure answers.

    Returns:
        The two Axes: learnt, true.
    """
    width = min(2.4 + 0.62 * len(source), 11)
    height = min(1.7 + 0.34 * len(target), 6)
    figure, axes = plt.subplots(1, 2, figsize=(width, height), sharey=True)
    attention_map(weights, source, target, truth, "learnt", axes[0])
    share = as_numbers(truth).astype(float)
    share = share / np.maximum(share.sum(axis=1, keepdims=True), 1)
    attention_map(share, source, target, None, "true", axes[1])
    axes[1].set_ylabel("")
    if title:
        figure.suptitle(title, x=0.02, ha="left", fontsize=11, weight="bold")
    return axes


def shaded_table(
    values: np.ndarray,
    texts: Sequence[Sequence[str]],
    rows: Sequence[object],
    columns: Sequence[object],
    title: str | None = None,
    xlabel: str = "",
    ylabel: str = "",
) -> Axes:
    """Draw a table whose cells are shaded by a value from 0 to 1.

    Args:
        values: shape (rows, columns), from 0 to 1.
        texts: what stands in each cell.
        rows: a name for each row.
        columns: a name for each column.
        title: what the figure answers.
        xlabel: what the columns are.
        ylabel: what the rows are.

    Raises:
        ValueError: if the values have not one row and column for each name.
    """
    values = as_numbers(values).astype(float)
    if values.shape != (len(rows), len(columns)):
        raise ValueError(
            f"shaded_table: values have shape {values.shape}; expected "
            f"({len(rows)}, {len(columns)}), one for each row and column"
        )
    size = 1.2 + 0.9 * len(columns), 1.1 + 0.6 * len(rows)
    _, ax = plt.subplots(figsize=size)
    ax.imshow(values, cmap=SEQUENTIAL, vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        ax.text(
            column,
            row,
            texts[row][column],
            color="white" if value > 0.6 else "black",
            ha="center",
            va="center",
            fontsize=9,
        )
    ax.set_xticks(range(len(columns)), [str(name) for name in columns])
    ax.set_yticks(range(len(rows)), [str(name) for name in rows])
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title or "")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def matrix(name: str, value, rows: int, columns: int) -> np.ndarray:
    """The value as an array, checked to have that many rows and columns."""
    array = as_numbers(value)
    if array.shape != (rows, columns):
        raise ValueError(
            f"{name} has shape {array.shape}; expected ({rows}, {columns}): "
            f"one row for each of the {rows} outputs, one column for each of "
            f"the {columns} source tokens"
        )
    return array
