"""Mistakes that others published, and the inputs that show and hide them.

Each is written here once more. A test that compares with dense attention, or
without a cache, must see it: `seen` are inputs where the mistake changes the
result, `hidden` are inputs where it does not, and which therefore test
nothing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch

from attnbook.mechanisms.long_context import (
    block_means,
    compressed_attention,
    feature_map,
    linear_attention,
    sink_mask,
    top_keys,
    windowed_attention,
)
from attnbook.mechanisms.scaled_dot_product import (
    causal_mask,
    scaled_dot_product_attention,
)

B, H, D = 2, 3, 4


class Mistake(NamedTuple):
    """A right form, a wrong one, and inputs for both."""

    right: Callable
    wrong: Callable
    seen: tuple[Any, ...]
    hidden: tuple[Any, ...]


def qkv(T, S=None, heads=H, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [
        torch.randn(B, heads, length, D, generator=draw).double()
        for length in (T, S or T, S or T)
    ]


# -- windows ----------------------------------------------------------------


def one_key_too_many(q, k, v, window):
    """`left=N` in FlashAttention keeps N keys and the query's own."""
    return windowed_attention(q, k, v, window + 1)


def decoding_without_the_window(q, k, v, window):
    """The mask is made for prompts; a new token sees the whole cache."""
    if q.shape[-2] == 1:
        return scaled_dot_product_attention(q, k, v)[0]
    return under_the_window(q, k, v, window)


def under_the_window(q, k, v, window):
    mask = sink_mask(q.shape[-2], window, 0, k.shape[-2])
    return scaled_dot_product_attention(q, k, v, mask)[0]


def prompt_trimmed_first(q, k, v, window):
    """The cache keeps the last W keys of the prompt before anyone reads."""
    T, S = q.shape[-2], k.shape[-2]
    mask = sink_mask(T, window, 0, S)[:, -window:]
    return scaled_dot_product_attention(
        q, k[..., -window:, :], v[..., -window:, :], mask
    )[0]


def mask_from_the_first_key(q, k, v, window):
    """A triangle that counts queries from the first key, not the last."""
    T, S = q.shape[-2], k.shape[-2]
    mask = causal_mask(T, S) & causal_mask(T, S).triu(1 - window)
    return scaled_dot_product_attention(q, k, v, mask)[0]


def pointer_that_stands_still(new, window, length):
    """Slots after `length` tokens: none is replaced once all are full."""
    return list(range(min(length, window)))


def slots_that_roll(new, window, length):
    held = [None] * window
    for token in range(length):
        held[token % window] = token
    return held


# -- selection --------------------------------------------------------------


def chosen(scores, k):
    index, allowed = top_keys(scores, k)
    return _as_mask(index, allowed, scores.shape[-1])


def chosen_before_masking(scores, k):
    """The k best of all keys; the triangle is applied to those."""
    index = scores.topk(k, dim=-1).indices
    return _as_mask(index, torch.ones_like(index).bool(), scores.shape[-1])


def chosen_with_a_finite_mask(scores, k):
    """The future gets -10,000 and not minus infinity."""
    T = scores.shape[-1]
    ranked = scores.masked_fill(~causal_mask(T), -10_000.0)
    index = ranked.topk(k, dim=-1).indices
    counted = torch.ones(index.shape).bool()
    found = torch.zeros(scores.shape).scatter_add(-1, index, counted.float())
    return found > 0


def _as_mask(index, allowed, n):
    found = torch.zeros(*index.shape[:-1], n)
    return (found.scatter_add(-1, index, allowed.float()) > 0) & causal_mask(n)


def blurred(q, k, v, block):
    return compressed_attention(
        q, block_means(k, block), block_means(v, block), block
    )[0]


def frontier_a_token_late(q, k, v, block):
    """A block counts from the token after its last: t // r, not (t+1) // r."""
    return _with_frontier(q, k, v, block, lambda t: t // block)


def frontier_a_block_early(q, k, v, block):
    """The query's own block counts, with what lies ahead in it."""
    return _with_frontier(q, k, v, block, lambda t: t // block + 1)


def _with_frontier(q, k, v, block, blocks_of):
    n = q.shape[-2]
    mask = torch.arange(n // block) < blocks_of(torch.arange(n)[:, None])
    return scaled_dot_product_attention(
        q, block_means(k, block), block_means(v, block), mask
    )[0]


# -- linear attention -------------------------------------------------------


def running_sums_over_heads(q, k, v):
    """cumsum(1) on (B, H, T, d): dimension 1 is that of the heads."""
    phi_q, phi_k = feature_map(q), feature_map(k)
    pairs = (phi_k[..., None] * v[..., None, :]).cumsum(1)
    total = (phi_q * phi_k.cumsum(1)).sum(-1)
    return (phi_q[..., None, :] @ pairs)[..., 0, :] / total[..., None]


def padding_below_the_line(q, k, v, key_mask):
    """Values are zeroed where there is padding, but keys are not."""
    ones = torch.ones_like(v[..., :1])
    scores = linear_attention(q, k, torch.cat([v, ones], -1))
    above = linear_attention(q, k, v * key_mask[..., None])
    return above / scores[..., -1:]


def times_the_denominator(q, k, v):
    """The reciprocal is forgotten: multiplied by what divides."""
    total = (feature_map(q) @ feature_map(k).mT).tril().sum(-1, keepdim=True)
    return linear_attention(q, k, v) * total * total


def never_divided(q, k, v):
    total = (feature_map(q) @ feature_map(k).mT).tril().sum(-1, keepdim=True)
    return linear_attention(q, k, v) * total


padded = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]).bool()[:, None]
scores = torch.randn(9, 9, generator=torch.Generator().manual_seed(0))
descending = -torch.arange(9.0).expand(9, 9)  # the best key is the first

MISTAKES = {
    "one key too many": Mistake(
        windowed_attention, one_key_too_many, (*qkv(9), 3), (*qkv(9), 9)
    ),
    "decoding without the window": Mistake(
        under_the_window,
        decoding_without_the_window,
        (*qkv(1, 9), 3),
        (*qkv(9), 3),
    ),
    "prompt trimmed before attention": Mistake(
        under_the_window,
        prompt_trimmed_first,
        (*qkv(9), 3),
        (*qkv(1, 9), 3),
    ),
    "mask from the first key": Mistake(
        under_the_window,
        mask_from_the_first_key,
        (*qkv(2, 9), 3),
        (*qkv(9), 3),
    ),
    "a pointer that stands still": Mistake(
        slots_that_roll, pointer_that_stands_still, (None, 4, 9), (None, 4, 4)
    ),
    "chosen before masking": Mistake(
        chosen, chosen_before_masking, (scores, 3), (descending, 3)
    ),
    "a finite mask": Mistake(
        chosen, chosen_with_a_finite_mask, (scores, 3), (scores[:1, :1], 1)
    ),
    "frontier a token late": Mistake(
        blurred, frontier_a_token_late, (*qkv(9), 3), (*qkv(2), 3)
    ),
    "frontier a block early": Mistake(
        blurred, frontier_a_block_early, (*qkv(9), 3), (*qkv(9), 1)
    ),
    "running sums over heads": Mistake(
        linear_attention,
        running_sums_over_heads,
        (*qkv(5),),
        (*qkv(1, heads=1),),
    ),
    "padding below the line": Mistake(
        linear_attention,
        padding_below_the_line,
        (*qkv(5), padded),
        (*qkv(5), torch.ones(B, 1, 5).bool()),
    ),
    "times the denominator": Mistake(
        linear_attention, times_the_denominator, (*qkv(5),), ()
    ),
    "never divided": Mistake(linear_attention, never_divided, (*qkv(5),), ()),
}


def same(one, other):
    if isinstance(one, list):
        return one == other
    return torch.allclose(one.double(), other.double(), atol=1e-9)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_published_mistake_is_seen_where_the_sizes_differ(name):
    mistake = MISTAKES[name]
    right, wrong = mistake.right(*mistake.seen), mistake.wrong(*mistake.seen)
    assert not same(right, wrong)


@pytest.mark.parametrize("name", [n for n, m in MISTAKES.items() if m.hidden])
def test_the_same_mistake_is_hidden_by_other_inputs(name):
    mistake = MISTAKES[name]
    assert same(mistake.right(*mistake.hidden), mistake.wrong(*mistake.hidden))


def test_a_severed_denominator_shows_only_in_the_gradient():
    q, k, v = (each.requires_grad_() for each in qkv(5))
    total = (feature_map(q) @ feature_map(k).mT).tril().sum(-1, keepdim=True)
    severed = never_divided(q, k, v) / total.detach()
    right = linear_attention(q, k, v)
    torch.testing.assert_close(severed, right)
    wrong = torch.autograd.grad(severed.square().sum(), k, retain_graph=True)
    true = torch.autograd.grad(right.square().sum(), k)
    assert not torch.allclose(wrong[0], true[0], rtol=0.01)


def test_a_trimmed_prompt_leaves_its_first_tokens_nothing_to_read():
    q, k, v = qkv(9)
    trimmed = prompt_trimmed_first(q, k, v, 3)
    assert (trimmed[..., :6, :] == 0).all()
    assert (under_the_window(q, k, v, 3)[..., :6, :] != 0).any(-1).all()
