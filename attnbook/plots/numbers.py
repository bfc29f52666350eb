"""Numbers of whatever holds them, for a figure."""

from __future__ import annotations

import numpy as np


def as_numbers(value: object) -> np.ndarray:
    """Return numbers as an array, also those of a model that is trained.

    Tensors may require gradients, have half precision and lie on a GPU; lists
    may hold such tensors.
    """
    return np.asarray(_plain(value))


def _plain(value: object) -> object:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        return (value.double() if value.is_floating_point() else value).numpy()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
