"""Shape errors that name the argument, what came and what was expected."""

from __future__ import annotations

import numpy as np
from torch import Tensor


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


def require_vectors(
    name: str,
    tensor: Tensor,
    axis: str,
    size: int,
    beside: Tensor | None = None,
) -> None:
    """Raise a ValueError unless a tensor holds vectors: (B, axis, size).

    Args:
        name: the argument, as the caller wrote it.
        tensor: what came.
        axis: the letter of its middle dimension, which may have any size.
        size: of a vector.
        beside: a tensor of as many sentences, if there is one.

    Raises:
        ValueError: if the shape is another.
    """
    batch = "B" if beside is None else str(len(beside))
    require(
        tensor.ndim == 3
        and tensor.shape[-1] == size
        and (beside is None or len(tensor) == len(beside)),
        name,
        tensor.shape,
        f"({batch}, {axis}, {size})",
    )


def require_mask_of(source: Tensor, source_mask: Tensor) -> None:
    """Raise a ValueError unless each source token has its entry in the mask.

    Args:
        source: (B, S).
        source_mask: (B, S).

    Raises:
        ValueError: if the mask has another shape than the source.
    """
    require(
        source_mask.shape == source.shape,
        "source_mask",
        source_mask.shape,
        f"{tuple(source.shape)}, the shape of source",
    )
