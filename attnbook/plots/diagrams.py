"""Diagrams: how a decoder is wired to its encoder."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from attnbook.plots.maps import matrix
from attnbook.plots.style import COLOURS


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
    weights = matrix("weights", weights, len(target), len(source))
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
        ax.text(
            place, height + side, token, ha="center", va="center",
            parse_math=False,
        )  # fmt: skip
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
