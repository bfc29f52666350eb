"""Figures that only Python can draw, as frames to scrub through."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib.pyplot as plt
import traitlets
from matplotlib.figure import Figure

from attnbook.explorers.kit.explorer import Explorer

MOST = 100  # frames; each weighs some ten kilobytes
DENSITY = 2  # pixels of the image for each pixel of the page


class Frames(Explorer):
    """Frames drawn by Python at construction, scrubbed by a slider.

    Parameters
    ----------
    draw : called with each value, returns a Matplotlib figure; all figures
        have one size
    values : from 1 to 100 values of what the slider changes
    label : what the slider changes
    alt : what a frame shows, for readers who cannot see it: a function of
        the value, or one text for all frames

    ``index`` follows the slider.

    Raises
    ------
    ValueError
        If there are no values or too many, ``draw`` returns no figure,
        figures differ in size, or a frame has no text.
    """

    _esm = Path(__file__).with_name("built.mjs")

    images = traitlets.List().tag(sync=True)
    alts = traitlets.List().tag(sync=True)
    values = traitlets.List().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    index = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        draw: Callable[[object], Figure],
        values: Iterable,
        label: str = "temperature",
        alt: Callable[[object], str] | str | None = None,
    ) -> None:
        values = list(values)
        if not 0 < len(values) <= MOST:
            raise ValueError(
                f"values must hold 1 to {MOST} values, got {len(values)}. "
                "Each becomes an image in the page: choose fewer, or at "
                "least one."
            )
        names = [_name(value) for value in values]
        alts = [
            _text(alt, value, f"{label} {name}")
            for value, name in zip(values, names, strict=True)
        ]
        images, sizes = zip(*(_image(draw, v) for v in values), strict=True)
        if len(set(sizes)) > 1:
            raise ValueError(
                "draw must return figures of one size, got "
                f"{sorted(set(sizes))} pixels. Set figsize in draw."
            )
        width, height = sizes[0]
        super().__init__(
            images=list(images),
            alts=alts,
            values=names,
            label=label,
            width=width,
            height=height,
        )

    def __repr__(self) -> str:
        return (
            f"Frames: {len(self.values)} figures by {self.label}, from "
            f"{self.values[0]} to {self.values[-1]}"
        )


def _name(value: object) -> str:
    is_number = isinstance(value, int | float) or hasattr(value, "dtype")
    return f"{value:.4g}" if is_number else str(value)


def _text(alt: Callable | str | None, value: object, name: str) -> str:
    text = alt(value) if callable(alt) else alt
    if not isinstance(text, str) or not text.strip():
        raise ValueError(
            f"alt must say what the frame shows, got {text!r} for {name}. "
            "Pass a text, or a function from the value to a text."
        )
    return text if callable(alt) else f"{text} ({name})"


def _image(draw: Callable, value: object) -> tuple[str, tuple[int, int]]:
    figure = draw(value)
    if not isinstance(figure, Figure):
        raise ValueError(
            "draw must return a Matplotlib figure, got "
            f"{type(figure).__name__} for {value!r}. End draw with "
            "`return fig` (of an axes, return ax.figure)."
        )
    width, height = (
        round(100 * inches) for inches in figure.get_size_inches()
    )
    if figure.get_layout_engine() is None:
        figure.set_layout_engine("tight")
    page = io.BytesIO()
    figure.savefig(
        page,
        format="webp",
        dpi=100 * DENSITY,
        facecolor="white",
        bbox_inches=None,
        pil_kwargs={"lossless": True, "method": 6},
    )
    plt.close(figure)
    data = base64.b64encode(page.getvalue()).decode()
    return f"data:image/webp;base64,{data}", (width, height)
