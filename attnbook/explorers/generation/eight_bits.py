"""A model's weights in few bytes: 8 bits a weight, a scale a row."""

from __future__ import annotations

import base64

import numpy as np
from torch import Tensor, nn

LARGEST = 127  # of 8 bits with a sign
TYPE = "data:application/octet-stream;base64,"


def packed(model: nn.Module) -> tuple[str, list[tuple[str, int, int]]]:
    """The weights as a data: URL, and its parts (name, rows, columns).

    A vector, which has 0 columns, is kept in 32 bits, and so is the scale of
    each row of a matrix: its largest weight over 127. They stand first, little
    end first; then the matrices, 8 bits a weight, row after row.
    """
    parts, numbers, whole = [], [], []
    for name, weights in own_weights(model).items():
        array = weights.detach().cpu().double().numpy()
        if array.ndim == 1:
            parts.append((name, len(array), 0))
            numbers.append(array)
        else:
            parts.append((name, *array.shape))
            scales, rows = _in_8_bits(array)
            numbers.append(scales)
            whole.append(rows.ravel())
    data = np.concatenate(numbers).astype("<f4").tobytes()
    data += np.concatenate(whole).tobytes()
    return TYPE + base64.b64encode(data).decode(), parts


def rounded_weights(model: nn.Module) -> dict[str, np.ndarray]:
    """The weights that the page computes with, by name."""
    found = {}
    for name, weights in own_weights(model).items():
        array = weights.detach().cpu().double().numpy()
        if array.ndim == 1:
            found[name] = array.astype("f4").astype(float)
        else:
            scales, rows = _in_8_bits(array)
            found[name] = scales.astype("f4").astype(float)[:, None] * rows
    return found


def own_weights(model: nn.Module) -> dict[str, Tensor]:
    """Each weight once, by its name in ``state_dict``."""
    return dict(model.named_parameters())


def _in_8_bits(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scales (R,) and rows (R, C) of whole numbers from -127 to 127."""
    largest = np.abs(matrix).max(axis=1)
    scales = (np.where(largest > 0, largest, 1) / LARGEST).astype("f4")
    rows = np.rint(matrix / scales[:, None].astype(float))
    return scales, np.clip(rows, -LARGEST, LARGEST).astype("i1")
