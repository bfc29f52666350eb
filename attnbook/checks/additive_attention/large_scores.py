"""A batch with scores of about 200 in masked places, and of -240 in others.

A mask that comes too late shows here: beside a masked score of 200 the
weights of the others are 0 in single precision, so that they cannot be
divided anew; and a masked score of -100 beats one of -240.
"""

from __future__ import annotations

import torch
from torch import Tensor

from attnbook.judging.tensors import normal, token_mask


def large_scores() -> tuple[Tensor, ...]:
    """Return query, key, value, mask, W_q, W_k and v; d_k is d_a.

    The scores that count are small or the same number, so that rounding
    does not move the weights.
    """
    generator = torch.Generator().manual_seed(200)
    v = torch.tensor([60.0, -50.0, 70.0, 60.0])
    query = normal(generator, 2, 2, 3, scale=0.005)
    key = normal(generator, 2, 4, 4, scale=0.005)
    key[0, 3] = 2 * v.sign()  # masked, and scores 230
    key[1, :2] = -20 * v.sign()  # both score -240, whatever is added
    value = normal(generator, 2, 4, 2)
    W_q = normal(generator, 4, 3)
    return query, key, value, token_mask([3, 2], 4), W_q, torch.eye(4), v
