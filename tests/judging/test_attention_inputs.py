"""What the cases of attention are made of."""

import torch

from attnbook.judging.attention_inputs import attention_inputs
from attnbook.judging.tensors import normal, token_mask


def generator():
    return torch.Generator().manual_seed(3)


def test_sizes_are_where_they_belong():
    query, key, value, mask = attention_inputs(
        generator(), [4, 0], T=3, S=5, d_q=2, d_k=6, d_v=7
    )
    assert query.shape == (2, 3, 2)
    assert key.shape == (2, 5, 6)
    assert value.shape == (2, 5, 7)
    assert torch.equal(mask, token_mask([4, 0], 5))


def test_heads_follow_the_batch_and_the_scale_leaves_values_alone():
    random = generator()
    query, key, value, _ = attention_inputs(
        random, [2], T=3, S=2, d_q=4, d_k=4, d_v=5, heads=6, scale=12.0
    )
    again = generator()
    assert torch.equal(query, 12 * normal(again, 1, 6, 3, 4))
    assert torch.equal(key, 12 * normal(again, 1, 6, 2, 4))
    assert torch.equal(value, normal(again, 1, 6, 2, 5))
    # What is drawn next is drawn after these.
    assert torch.equal(normal(random, 2), normal(again, 2))
