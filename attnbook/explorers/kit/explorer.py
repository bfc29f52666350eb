"""The class of every explorer, and checks of its data."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import anywidget
import numpy as np

# The temperatures that the sliders reach.
TEMPERATURES = (0.05, 20.0)


class Explorer(anywidget.AnyWidget):
    """A figure drawn, and recomputed, in the browser.

    A subclass names its bundle in ``_esm`` and keeps its data in synced
    traits. It defines ``__repr__`` from the data alone: that text stands in
    for the figure where no script runs, and nbval compares it.
    """


def as_array(
    name: str, value: object, shape: tuple[int | str, ...]
) -> np.ndarray:
    """Return ``value`` as an array of finite floats of the given shape.

    A letter in ``shape`` stands for any size above 0; torch tensors are
    accepted, also those that require gradients or have half precision.

    Raises
    ------
    ValueError
        If ``value`` holds no numbers, another shape, NaN or infinity.
    """
    wanted = "(" + ", ".join(map(str, shape)) + ("," * (len(shape) == 1)) + ")"
    try:
        array = np.asarray(plain(value), dtype=float)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be an array of numbers of shape {wanted}, got "
            f"{type(value).__name__}. Pass nested lists or a NumPy array "
            "whose rows are equally long."
        ) from None
    fits = array.ndim == len(shape) and all(
        size == part if isinstance(part, int) else size > 0
        for size, part in zip(array.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{name} must have the shape {wanted}, got {array.shape}. "
            "Reshape it, or check which argument you passed."
        )
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(
            f"{name} must be finite, got {array[where]} at {where}. "
            "Leave out what is masked, or look for a division by zero."
        )
    return array


def plain(value: object) -> object:
    """Turn a tensor, or each in a list, into an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        return (value.double() if value.is_floating_point() else value).numpy()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def as_labels(
    name: str, value: Sequence[str] | None, count: int, of: str
) -> list[str]:
    """Return ``count`` labels, one for each of ``of``; by default 1, 2, ….

    Raises
    ------
    ValueError
        If there are more or fewer labels, or one string instead of several.
    """
    if value is None:
        return [str(i + 1) for i in range(count)]
    if isinstance(value, str):
        raise ValueError(
            f"{name} must be a list of {count} strings, got one string "
            f"{value!r}. Write [{value!r}, …]."
        )
    labels = [str(label) for label in value]
    if len(labels) != count:
        raise ValueError(
            f"{name} must have one entry for each of the {count} {of}, got "
            f"{len(labels)}. Add or remove labels."
        )
    return labels


def as_whole(name: str, value: int, low: int, high: int) -> int:
    """Return a whole number that its slider reaches.

    Raises
    ------
    ValueError
        If it is no whole number or lies outside ``low`` to ``high``.
    """
    if not isinstance(value, Integral) or not low <= value <= high:
        raise ValueError(
            f"{name} must be a whole number from {low} to {high}, got "
            f"{value!r}. Choose one that its slider reaches."
        )
    return int(value)


def as_temperature(value: float) -> float:
    """Return a temperature that the slider reaches.

    Raises
    ------
    ValueError
        If it is no number or lies outside.
    """
    low, high = TEMPERATURES
    temperature = float(as_array("temperature", value, ()))
    if not low <= temperature <= high:
        raise ValueError(
            f"temperature must lie between {low:g} and {high:g}, got "
            f"{temperature:g}. Divide the scores by the rest of it."
        )
    return temperature


def rounded(array: np.ndarray, digits: int = 5) -> list:
    """Nested lists of numbers, short enough to stand in a page."""
    return np.round(array, digits).tolist()
