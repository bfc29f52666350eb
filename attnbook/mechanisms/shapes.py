"""Shape errors that name the argument, what came and what was expected."""

from __future__ import annotations

import numpy as np


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the shape that shapes broadcast to, None where there is none.

    As `torch.broadcast_shapes` does, which imports SymPy when it is first
    called: half a second and 30 MB for two tuples of numbers.
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def require(
    condition: bool, name: str, shape: tuple[int, ...], expected: str
) -> None:
    """Raise a ValueError that names the argument unless `condition` holds.

    Args:
        condition: whether the shape is right.
        name: the argument, as the caller wrote it.
        shape: the shape that came.
        expected: the shape expected, in words, such as "(B, S, 8)".

    Raises:
        ValueError: if `condition` is false.
    """
    if not condition:
        raise ValueError(
            f"{name} has shape {tuple(shape)}; expected {expected}"
        )
