"""Attention in tiles is dense attention, forward and backward."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from attnbook.mechanisms.flash_attention import (
    Running,
    Tiling,
    lazily_rescaled,
    merge,
    tiled_attention,
)
from attnbook.mechanisms.masked_softmax import masked_softmax


def drawn(seed, B, H, T, S, d_k, d_v, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return [
        (scale * torch.randn(*shape, generator=generator)).double()
        for shape in ((B, H, T, d_k), (B, H, S, d_k), (B, H, S, d_v))
    ]


def dense(query, key, value, mask, sink=None):
    """Output and log-sum-exp by way of the table, with a column for a sink."""
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if mask is None:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool)
    mask = mask.expand(scores.shape)
    if sink is not None:
        column = sink[:, None, None].expand(*scores.shape[:-1], 1)
        scores = torch.cat([scores, column], -1)
        mask = torch.cat([mask, torch.ones_like(mask[..., :1])], -1)
        value = torch.cat([value, torch.zeros_like(value[..., :1, :])], -2)
    lse = scores.masked_fill(~mask, -torch.inf).logsumexp(-1)
    return masked_softmax(scores, mask) @ value, lse


def places_mask(T, S, window=None):
    far = torch.arange(S - T, S)[:, None] - torch.arange(S)
    return (far >= 0) & (far < (window or S))


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, n) for n in (2, 2, 9, 12, 4, 4)]),
    tile=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    kind=st.sampled_from(["none", "mask", "causal", "window"]),
    has_sink=st.booleans(),
    scale=st.sampled_from([1.0, 30.0]),
    seed=st.integers(0, 10**6),
)
def test_tiles_give_what_the_table_gives_there_and_back(
    sizes, tile, kind, has_sink, scale, seed
):
    B, H, T, S, d_k, d_v = sizes
    if kind in ("causal", "window"):
        T = min(T, S)
    generator = torch.Generator().manual_seed(seed)
    inputs = drawn(seed, B, H, T, S, d_k, d_v, scale)
    sink = torch.randn(H, generator=generator).double() if has_sink else None
    window = int(torch.randint(1, S + 2, (), generator=generator))
    mask, options = None, {}
    if kind == "mask":
        mask = torch.rand(B, 1, T, S, generator=generator) < 0.6
    elif kind == "causal":
        mask, options = places_mask(T, S), {"causal": True}
    elif kind == "window":
        mask = places_mask(T, S, window)
        options = {"causal": True, "window": window}
    given_mask = mask if kind == "mask" else None
    leaves = [x.requires_grad_() for x in inputs]
    if sink is not None:
        leaves.append(sink.requires_grad_())
    output, lse = tiled_attention(
        *inputs, given_mask, sink=sink, tile=tile, **options
    )
    wanted, wanted_lse = dense(*inputs, mask, sink)
    assert torch.allclose(output, wanted, atol=1e-12)
    assert torch.allclose(lse, wanted_lse, atol=1e-12)
    there = wanted_lse.isfinite()
    found = [
        torch.autograd.grad(
            out.sin().sum() + up.masked_fill(~there, 0).cos().sum(), leaves
        )
        for out, up in ((output, lse), (wanted, wanted_lse))
    ]
    for mine, theirs in zip(*found, strict=True):
        assert torch.allclose(mine, theirs.nan_to_num(), atol=1e-10)


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("tile", [(1, 1), (2, 3), (4, 8), (64, 64)])
def test_the_way_back_is_the_derivative(tile, window):
    query, key, value = drawn(1, 2, 2, 5, 7, 3, 4)
    sink = torch.tensor([0.3, -1.0], dtype=torch.float64)
    inputs = [x.requires_grad_() for x in (query, key, value, sink)]
    assert gradcheck(
        lambda q, k, v, s: tiled_attention(
            q, k, v, causal=True, window=window, sink=s, tile=tile
        ),
        inputs,
    )


def test_pytorchs_own_attention_gives_the_same_in_single_precision():
    query, key, value = (x.float() for x in drawn(2, 2, 3, 70, 70, 16, 8))
    output, _ = tiled_attention(query, key, value, causal=True, tile=(32, 16))
    wanted = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, is_causal=True
    )
    assert torch.allclose(output, wanted, atol=1e-5)


def test_an_empty_row_is_0_and_has_no_gradient():
    query, key, value = drawn(3, 1, 1, 3, 4, 2, 2)
    inputs = [x.requires_grad_() for x in (query, key, value)]
    mask = torch.ones(3, 4, dtype=torch.bool)
    mask[1] = False
    output, lse = tiled_attention(*inputs, mask, tile=(2, 2))
    assert not output[0, 0, 1].any()
    assert lse[0, 0, 1] == -torch.inf
    slopes = torch.autograd.grad(output.square().sum(), inputs)
    assert all(slope.isfinite().all() for slope in slopes)
    assert not slopes[0][0, 0, 1].any()


def test_a_sink_that_is_switched_off_has_no_gradient():
    query, key, value = drawn(3, 1, 2, 3, 4, 2, 2)
    mask = torch.ones(3, 4, dtype=torch.bool)
    mask[1] = False
    sink = torch.tensor([-torch.inf, 0.5]).double().requires_grad_()
    output, lse = tiled_attention(
        query, key, value, mask, sink=sink, tile=(2, 2)
    )
    wanted, wanted_lse = dense(query, key, value, mask)
    assert torch.allclose(output[:, 0], wanted[:, 0], atol=1e-12)
    assert torch.equal(lse[:, 0].isinf(), wanted_lse[:, 0].isinf())
    (slope,) = torch.autograd.grad(output.sum(), sink)
    assert slope[0] == 0
    assert slope[1].isfinite() and slope[1] != 0


@pytest.mark.parametrize("tile", [(2, 3), (64, 64)])
def test_the_way_back_has_a_derivative_too(tile):
    query, key, value = drawn(8, 1, 2, 4, 6, 3, 2)
    inputs = [x.requires_grad_() for x in (query, key, value)]
    assert gradgradcheck(
        lambda q, k, v: tiled_attention(
            q, k, v, causal=True, window=3, tile=tile
        ),
        inputs,
    )


def test_a_mask_and_an_order_in_time_are_both_kept():
    query, key, value = drawn(9, 2, 1, 4, 6, 3, 2)
    generator = torch.Generator().manual_seed(9)
    mask = torch.rand(2, 1, 4, 6, generator=generator) < 0.5
    found = tiled_attention(query, key, value, mask, causal=True, tile=(3, 4))
    wanted = dense(query, key, value, mask & places_mask(4, 6))
    for mine, theirs in zip(found, wanted, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-12)


def test_scores_of_thousands_do_not_overflow():
    query, key, value = (x.float() for x in drawn(4, 1, 1, 4, 9, 4, 2, 60))
    output, lse = tiled_attention(query, key, value, tile=(2, 2))
    assert output.isfinite().all() and lse.isfinite().all()


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 9), max_size=4),
    seed=st.integers(0, 10**6),
)
def test_pieces_of_the_keys_are_merged_into_one_pass(cuts, seed):
    """Also pieces of no keys, and rows that a piece is all masked for."""
    query, key, value = drawn(seed, 2, 2, 3, 9, 3, 4, 20)
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(2, 1, 3, 9, generator=generator) < 0.5
    edges = [0, *sorted(cuts), 9]
    pieces = [
        dense(
            query,
            key[:, :, begin:end],
            value[:, :, begin:end],
            mask[..., begin:end],
        )
        for begin, end in itertools.pairwise(edges)
        if end > begin
    ]
    output, lse = merge(*zip(*pieces, strict=True))
    wanted, wanted_lse = dense(query, key, value, mask)
    assert torch.allclose(output, wanted, atol=1e-12)
    assert torch.allclose(lse, wanted_lse, atol=1e-12)


def test_a_gradient_flows_through_a_merge_of_tiles():
    query, key, value = drawn(5, 1, 2, 3, 8, 3, 2)
    inputs = [x.requires_grad_() for x in (query, key, value)]
    pieces = [
        tiled_attention(query, key[:, :, part], value[:, :, part], tile=(2, 2))
        for part in (slice(0, 3), slice(3, 8))
    ]
    output, _ = merge(*zip(*pieces, strict=True))
    wanted = dense(query, key, value, None)[0]
    found, theirs = (
        torch.autograd.grad(one.square().sum(), inputs)
        for one in (output, wanted)
    )
    for mine, other in zip(found, theirs, strict=True):
        assert torch.allclose(mine, other, atol=1e-12)


def test_a_row_that_no_piece_sees_gives_no_nan_on_the_way_back():
    outputs = torch.ones(2, 2, 3, requires_grad=True)
    lses = torch.tensor([[-torch.inf, 0.0], [-torch.inf, 1.0]])
    lses.requires_grad_()
    output, lse = merge(outputs, lses)
    assert not output[0].any() and lse[0] == -torch.inf
    slopes = torch.autograd.grad(output.sum() + lse[1], (outputs, lses))
    assert all(slope.isfinite().all() for slope in slopes)
    assert torch.allclose(slopes[1][:, 1], lses[:, 1].softmax(0))


def test_a_state_reads_keys_in_any_pieces():
    scores = torch.tensor([[3.0, -torch.inf, 700.0, 2.0], [-torch.inf] * 4])
    value = torch.arange(8.0).view(4, 2)
    for pieces in ([4], [1, 3], [2, 1, 1], [1, 1, 1, 1]):
        state = Running.before(scores[:, 0], 2)
        begin = 0
        for m in pieces:
            part = slice(begin, begin + m)
            state.read(scores[:, part], value[part])
            begin += m
        output, lse = state.output()
        assert torch.equal(output, torch.tensor([[4.0, 5.0], [0.0, 0.0]]))
        assert torch.equal(lse, torch.tensor([700.0, -torch.inf]))


@pytest.mark.parametrize("threshold", [0.0, 2.0, 8.0])
def test_a_lazy_maximum_gives_the_same_output(threshold):
    generator = torch.Generator().manual_seed(6)
    scores = 3 * torch.randn(5, 40, generator=generator).double()
    value = torch.randn(40, 3, generator=generator).double()
    found = lazily_rescaled(scores, value, 4, threshold)
    assert torch.allclose(found.output, scores.softmax(-1) @ value)
    assert found.rescaled <= found.moved <= found.chances == 5 * 9
    if threshold == 0:
        assert found.rescaled == found.moved


def test_rising_scores_are_followed_each_time_and_falling_ones_never():
    rising = torch.arange(8.0)[None]
    value = torch.ones(8, 1)
    assert lazily_rescaled(rising, value, 2).rescaled == 3
    assert lazily_rescaled(rising.flip(-1), value, 2).rescaled == 0
    assert lazily_rescaled(rising, value, 2, threshold=3.0).rescaled == 1


@pytest.mark.parametrize("threshold", [0.0, 1.0, 4.0])
def test_rows_that_decide_together_follow_more_often_and_stay_exact(
    threshold,
):
    generator = torch.Generator().manual_seed(7)
    scores = 3 * torch.randn(2, 8, 40, generator=generator).double()
    value = torch.randn(2, 40, 3, generator=generator).double()
    alone, pairs, all_of_them = (
        lazily_rescaled(scores, value, 4, threshold, together)
        for together in (1, 2, 8)
    )
    assert alone.rescaled < pairs.rescaled < all_of_them.rescaled
    assert all_of_them.rescaled % 8 == 0
    for found in pairs, all_of_them:
        assert torch.allclose(found.output, scores.softmax(-1) @ value)


def test_rows_that_cannot_be_grouped_are_told():
    with pytest.raises(ValueError, match="3 of 8 rows"):
        lazily_rescaled(torch.zeros(8, 4), torch.zeros(4, 1), 2, together=3)


# -- which tiles ----------------------------------------------------------


@pytest.mark.parametrize("window", [None, 1, 5])
@pytest.mark.parametrize(("T", "S"), [(12, 12), (5, 12), (1, 9)])
def test_a_tile_is_left_out_just_where_it_is_masked_whole(T, S, window):
    tiling = Tiling(T, S, 3, 4, causal=True, window=window)
    mask = places_mask(T, S, window)
    seen = torch.zeros(T, S, dtype=torch.bool)
    for queries in tiling.row_tiles():
        kept = list(tiling.column_tiles(queries))
        for begin in range(0, S, 4):
            keys = slice(begin, min(begin + 4, S))
            part = mask[queries, keys]
            assert (keys in kept) == bool(part.any())
            if keys in kept:
                allowed = tiling.allowed(queries, keys)
                seen[queries, keys] = True if allowed is None else allowed
    assert torch.equal(seen, mask)


def test_a_window_computes_a_band():
    n, W = 4096, 64
    band = Tiling(n, n, 64, 64, causal=True, window=W)
    whole = Tiling(n, n, 64, 64)
    assert whole.count() == 64**2
    assert Tiling(n, n, 64, 64, causal=True).count() == 64 * 65 // 2
    assert band.count() == 2 * 64 - 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tile": (0, 4)}, "expected at least 1 × 1"),
        ({"window": 2}, "together with causal=True"),
        ({"causal": True, "window": 0}, "from 1 on"),
    ],
)
def test_what_is_no_tiling_is_refused(options, told):
    with pytest.raises(ValueError, match=told):
        tiled_attention(*drawn(0, 1, 1, 3, 4, 2, 2), **options)


def test_shapes_that_do_not_fit_are_told():
    query, key, value = drawn(0, 2, 2, 3, 4, 2, 2)
    with pytest.raises(ValueError, match="expected \\(B, H, S, d_k\\)"):
        tiled_attention(query, key[:, :1], value)
    with pytest.raises(ValueError, match="the keys'"):
        tiled_attention(query, key, value[:, :, 1:])
    with pytest.raises(ValueError, match="expected \\(H,\\)"):
        tiled_attention(query, key, value, sink=torch.zeros(3))
    with pytest.raises(TypeError, match=r"expected torch\.bool"):
        tiled_attention(query, key, value, torch.ones(3, 4))
    with pytest.raises(ValueError, match="broadcasts to the scores"):
        tiled_attention(query, key, value, torch.ones(3, 3).bool())
    with pytest.raises(ValueError, match="at least as many keys"):
        tiled_attention(key, query, query, causal=True)
    with pytest.raises(ValueError, match="got 1 outputs and 2"):
        merge([query], [query[..., 0]] * 2)
