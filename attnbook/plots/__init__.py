"""The figures of the book: one identity, safe for colour-blind readers.

Colours are those of Okabe and Ito (2008). Figures have a white ground; the
book's style sheet inverts their lightness in dark mode, and the sequential
map runs from paper white to deep blue, so that it also prints in grey.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

COLOURS = {
    "blue": "#0072B2",
    "orange": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "red": "#A63603",
    "grey": "#6B6B6B",
}
SEQUENTIAL = LinearSegmentedColormap.from_list(
    "paper-to-blue", ["#FFFFFF", "#CFE3F2", "#6FAED6", "#0072B2", "#00304D"]
)
_MARKERS = "osD^vP"
_LINES = ["-", "--", "-.", ":"]


def use_style() -> None:
    """Set Matplotlib's defaults to the book's, for every later figure."""
    mpl.rcParams.update(
        {
            "figure.figsize": (6.4, 3.6),
            "figure.dpi": 110,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "figure.titlesize": 11,
            "figure.titleweight": "bold",
            "savefig.facecolor": "white",
            "axes.facecolor": "white",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": "#444444",
            "axes.labelcolor": "#222222",
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "axes.prop_cycle": mpl.cycler(color=list(COLOURS.values())),
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "xtick.color": "#444444",
            "ytick.color": "#444444",
            "legend.frameon": False,
            "legend.fontsize": 9,
            "lines.linewidth": 2,
            "lines.markersize": 5,
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans"],
            "image.cmap": "viridis",
        }
    )


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
    weights = _matrix("weights", weights, len(target), len(source))
    if ax is None:
        width = min(1.6 + 0.42 * len(source), 9)
        height = min(1.5 + 0.34 * len(target), 7)
        _, ax = plt.subplots(figsize=(width, height))
    ax.imshow(weights, cmap=SEQUENTIAL, vmin=0, vmax=1, aspect="auto")
    if truth is not None:
        truth = _matrix("truth", truth, len(target), len(source))
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
    ax.set_xticks(range(len(source)), source)
    ax.tick_params(length=0)
    ax.xaxis.tick_top()
    if long_words:
        plt.setp(
            ax.get_xticklabels(),
            rotation=45,
            ha="left",
            rotation_mode="anchor",
        )
    ax.set_yticks(range(len(target)), target)
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
    share = np.asarray(truth, dtype=float)
    share = share / np.maximum(share.sum(axis=1, keepdims=True), 1)
    attention_map(share, source, target, None, "true", axes[1])
    axes[1].set_ylabel("")
    if title:
        figure.suptitle(title, x=0.02, ha="left", fontsize=11, weight="bold")
    return axes


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
        accuracy = np.atleast_2d(np.asarray(accuracy, dtype=float))
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
            _LINES[index % len(_LINES)],
            marker=_MARKERS[index % len(_MARKERS)],
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
            values = np.asarray(row.get(measure, []), dtype=float)
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


def wirings(
    source: Sequence[str], target: Sequence[str], weights: np.ndarray
) -> np.ndarray:
    """Draw the two encoder–decoders of chapter 01 side by side.

    Args:
        source: the S source tokens.
        target: the T output tokens.
        weights: shape (T, S); the width of the lines of attention.

    Returns:
        The two Axes: one fixed vector, attention.
    """
    weights = _matrix("weights", weights, len(target), len(source))
    _, axes = plt.subplots(1, 2, figsize=(8.4, 3.0), sharey=True)
    places = np.arange(len(source), dtype=float)
    outputs = np.linspace(0.5, len(source) - 1.5, len(target))
    for ax, title in zip(
        axes, ["one fixed vector", "attention: look again"], strict=True
    ):
        _row(ax, places, 0, source, COLOURS["blue"], "<->")
        _row(ax, outputs, 2, target, COLOURS["orange"], "->")
        ax.set_title(title)
        ax.set_xlim(-0.6, len(source) - 0.4)
        ax.set_ylim(-0.75, 2.6)
        ax.axis("off")
    middle = places.mean()
    axes[0].plot(middle, 1, "s", color=COLOURS["green"], markersize=16)
    axes[0].text(
        middle, 1, "c", color="white", ha="center", va="center", weight="bold"
    )
    for end in (places[0], places[-1]):
        _arrow(axes[0], (end, 0.15), (middle, 0.87), COLOURS["grey"])
    for output in outputs:
        _arrow(axes[0], (middle, 1.13), (output, 1.82), COLOURS["green"])
    for output, row in zip(outputs, weights, strict=True):
        for place, weight in zip(places, row, strict=True):
            axes[1].plot(
                [place, output],
                [0.17, 1.82],
                color=COLOURS["green"],
                linewidth=0.4 + 5 * weight,
                alpha=0.25 + 0.75 * weight,
                solid_capstyle="round",
            )
    return axes


def decoder_wirings(feeding: bool = True) -> np.ndarray:
    """Draw one decoding step as Bahdanau and as Luong wire it, side by side.

    Bahdanau et al. (2015), section 3.1, and Luong et al. (2015), section 3;
    the numbers give the order in which things are computed.

    Args:
        feeding: whether Luong's input feeding (section 3.3) is drawn, dashed.

    Returns:
        The two Axes: Bahdanau, Luong.
    """
    _, axes = plt.subplots(1, 2, figsize=(8.4, 4.2), sharey=True)
    before, now, context = (0.0, 2.0), (3.0, 2.0), (1.5, 0.85)
    entering, above, top = (4.4, 2.0), (3.0, 3.15), (3.0, 4.2)
    grey, green = COLOURS["grey"], COLOURS["green"]
    for ax, title in zip(
        axes,
        ["Bahdanau: look, then step", "Luong: step, then look"],
        strict=True,
    ):
        for place, name in enumerate(["h_1", "h_2", "h_3", "h_4"]):
            _node(ax, (place, -0.35), name, COLOURS["blue"])
            ax.plot([place, 1.5], [-0.35, 0.85], color=green, zorder=0)
        _node(ax, before, "s_{i-1}", COLOURS["orange"])
        _node(ax, now, "s_i", COLOURS["orange"])
        _node(ax, context, "c_i", green)
        _node(ax, entering, "y_{i-1}", grey)
        _link(ax, entering, now, grey)
        ax.set_title(title)
        ax.set_xlim(-0.5, 4.9)
        ax.set_ylim(-0.8, 4.6)
        ax.set_aspect("equal")
        ax.axis("off")
    bahdanau, luong = axes
    _node(bahdanau, above, "y_i", grey)
    _link(bahdanau, before, context, green, ((0.75, 1.42), "1 asks"))
    _link(bahdanau, before, now, COLOURS["orange"])
    _link(bahdanau, context, now, green, ((2.3, 1.42), "2 steps"))
    _link(bahdanau, now, above, grey, ((3.0, 2.58), "3 writes"))
    _link(bahdanau, context, above, green, bend=-0.3)
    _node(luong, above, r"\tilde{s}_i", COLOURS["purple"])
    _node(luong, top, "y_i", grey)
    _link(luong, before, now, COLOURS["orange"], ((0.85, 2.0), "1 steps"))
    _link(luong, now, context, green, ((2.3, 1.42), "2 asks"))
    _link(luong, context, above, green, ((2.08, 2.78), "3 joins"), bend=-0.3)
    _link(luong, now, above, COLOURS["orange"])
    _link(luong, above, top, grey, ((3.0, 3.68), "4 writes"))
    if feeding:
        old = (0.0, 3.15)
        _node(luong, old, r"\tilde{s}_{i-1}", COLOURS["purple"])
        _link(luong, before, old, COLOURS["orange"])
        _link(
            luong,
            old,
            now,
            COLOURS["purple"],
            ((0.95, 2.78), "input feeding"),
            dashed=True,
        )
    return axes


def _node(ax: Axes, at, name: str, colour: str) -> None:
    ax.plot(*at, "o", color="white", markeredgecolor=colour, ms=25, mew=2)
    ax.text(*at, f"${name}$", ha="center", va="center", fontsize=9)


def _link(
    ax: Axes, start, end, colour, label=None, bend=0.0, dashed=False
) -> None:
    ax.annotate(
        "",
        end,
        start,
        arrowprops={
            "arrowstyle": "->",
            "color": colour,
            "linewidth": 1.6,
            "linestyle": "--" if dashed else "-",
            "shrinkA": 14,
            "shrinkB": 14,
            "connectionstyle": f"arc3,rad={bend}",
        },
    )
    if label:
        ax.text(
            *label[0],
            label[1],
            ha="center",
            va="center",
            fontsize=8,
            color=COLOURS["grey"],
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )


def _row(ax: Axes, places, height, tokens, colour, style) -> None:
    ax.plot(places, np.full(len(places), height), "o", color=colour, ms=13)
    side = -0.38 if height == 0 else 0.38
    for place, token in zip(places, tokens, strict=True):
        ax.text(place, height + side, token, ha="center", va="center")
    for left, right in itertools.pairwise(places):
        _arrow(
            ax,
            (left + 0.17, height),
            (right - 0.17, height),
            COLOURS["grey"],
            style,
        )


def _arrow(ax: Axes, start, end, colour, style="->") -> None:
    ax.annotate(
        "", end, start, arrowprops={"arrowstyle": style, "color": colour}
    )


def _matrix(name: str, value, rows: int, columns: int) -> np.ndarray:
    array = np.asarray(value)
    if array.shape != (rows, columns):
        raise ValueError(
            f"{name} has shape {array.shape}; expected ({rows}, {columns}): "
            f"one row for each of the {rows} outputs, one column for each of "
            f"the {columns} source tokens"
        )
    return array


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
        measured = np.atleast_2d(np.asarray(measured, dtype=float))
        if measured.shape[1] != len(x):
            raise ValueError(
                f"curves: {name!r} has shape {measured.shape}; expected "
                f"(seeds, {len(x)}), one column for each x"
            )
        style = _LINES[index % len(_LINES)]
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
                measured,
                _MARKERS[seed % len(_MARKERS)],
                color=list(COLOURS.values())[seed % len(COLOURS)],
                alpha=0.6,
                label=f"seed {seed}" if place == 0 else None,
            )
    ax.set_xticks(range(len(groups)), list(groups))
    ax.set(ylabel=ylabel, title=title or "")
    ax.set_ylim(bottom=0)
    ax.legend(ncols=3)
    return ax


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
    values = np.asarray(values, dtype=float)
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
