"""Compressed, selected and near keys; the indexer; reach by depth."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.long_context import (
    BRANCHES,
    Compressor,
    Indexer,
    ThreeBranches,
    block_means,
    compressed_attention,
    depth_needed,
    dilated_mask,
    indexer_loss,
    mask_of,
    reach,
    reach_by_depth,
    select_blocks,
    selected_attention,
    share_kept,
    strided_mask,
    tokens_of_blocks,
    top_keys,
    whole_blocks_mask,
    window_mask,
)

CLOSE = {"rtol": 1e-9, "atol": 1e-11}
B, H, D = 2, 3, 12


def drawn(*shape, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=draw).double()


# -- compression ------------------------------------------------------------


def test_a_block_is_seen_as_soon_as_it_is_whole_and_not_before():
    mask = whole_blocks_mask(10, 4)
    assert mask.shape == (10, 2)
    assert mask.sum(-1).tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
    assert torch.equal(whole_blocks_mask(3, 4, start=7), mask[7:])


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 21), block=st.integers(1, 6))
def test_compressed_attention_is_attention_to_the_means(n, block):
    q, k, v = (drawn(B, H, n, 4, seed=s).requires_grad_() for s in range(3))
    output, weights = compressed_attention(
        q, block_means(k, block), block_means(v, block), block
    )
    assert output.shape == (B, H, n, 4)
    assert weights.shape == (B, H, n, n // block)
    if n < block:
        assert (output == 0).all()
        return
    N = n // block
    mean = torch.zeros(N, n).double()
    for j in range(N):
        mean[j, j * block : (j + 1) * block] = 1 / block
    mask = torch.tensor(
        [[(j + 1) * block - 1 <= t for j in range(N)] for t in range(n)]
    )
    scores = (q @ (mean @ k).mT / 2).masked_fill(~mask, -1e30)
    expected = scores.softmax(-1) * mask @ (mean @ v)
    torch.testing.assert_close(output, expected, **CLOSE)
    for one, other in zip(
        torch.autograd.grad(output.sum(), (q, k, v), retain_graph=True),
        torch.autograd.grad(expected.sum(), (q, k, v)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def test_a_compressor_starts_as_the_mean_and_leaves_no_block_out():
    compress, x = Compressor(4, 3).double(), drawn(B, 11, 3)
    torch.testing.assert_close(compress(x), block_means(x, 4), **CLOSE)
    with torch.no_grad():
        compress.positions.add_(drawn(4, 3))
        compress.mix.weight.add_(drawn(3, 12))
    got = compress(x)
    for j in range(2):
        block = x[:, 4 * j : 4 * j + 4] + compress.positions
        expected = block.flatten(1) @ compress.mix.weight.T
        torch.testing.assert_close(got[:, j], expected, **CLOSE)


# -- selection --------------------------------------------------------------


def test_the_first_and_the_own_block_are_always_read_and_none_ahead():
    importance = drawn(B, H, 14, 4).softmax(-1)
    index, allowed = select_blocks(importance, 3, 3)
    assert index.shape == (B, H, 14, 3)
    for t in range(14):
        for b in range(B):
            for h in range(H):
                row = set(index[b, h, t][allowed[b, h, t]].tolist())
                assert {0, t // 3} <= row and max(row) <= t // 3
                assert len(row) == min(3, t // 3 + 1)
                others = [j for j in range(1, t // 3)]
                if len(row) == 3:
                    best = max(others, key=lambda j: importance[b, h, t, j])
                    assert best in row


def test_the_tokens_of_all_blocks_are_all_tokens_that_are_not_ahead():
    n, block = 11, 3
    index, allowed = select_blocks(drawn(1, n, n // block), block, 4)
    tokens, counted = tokens_of_blocks(index, allowed, block, n)
    mask = mask_of(tokens, counted, n)[0]
    assert torch.equal(mask, torch.ones(n, n).tril().bool())


def test_importance_sends_no_gradient():
    importance = drawn(1, 9, 3).requires_grad_()
    index, _ = select_blocks(importance, 3, 2)
    assert not index.requires_grad


# -- three branches ---------------------------------------------------------


def branches(block=4, count=3, window=3):
    torch.manual_seed(0)
    return ThreeBranches(D, H, block, count, window).double()


@pytest.mark.parametrize("n", [1, 3, 4, 13, 16])
def test_three_branches_are_three_dense_attentions_under_masks(n):
    module, x = branches(), drawn(B, n, D).requires_grad_()
    output, found = module(x)
    assert output.shape == (B, n, D)
    assert found.outputs.shape == (3, B, H, n, D // H)
    heads = [
        [
            part.unflatten(-1, (H, -1)).transpose(1, 2)
            for part in project(x).chunk(parts, -1)
        ]
        for project, parts in (
            (module.query_projection, 1),
            (module.key_projection, 3),
            (module.value_projection, 3),
        )
    ]
    (q,), keys, values = heads
    tokens = tokens_of_blocks(found.index, found.allowed, 4, n)
    expected = [
        F.scaled_dot_product_attention(
            q, keys[1], values[1], attn_mask=mask_of(*tokens, n)
        ),
        F.scaled_dot_product_attention(
            q, keys[2], values[2], attn_mask=window_mask(n, 3)
        ),
    ]
    compressed, _ = compressed_attention(
        q,
        module.compress_keys(keys[0]),
        module.compress_values(values[0]),
        4,
    )
    expected.insert(0, compressed)
    for got, dense in zip(found.outputs, expected, strict=True):
        torch.testing.assert_close(got, dense, **CLOSE)
    mixed = sum(
        gate * dense for gate, dense in zip(found.gates, expected, strict=True)
    )
    whole = module.output_projection(mixed.transpose(1, 2).flatten(2))
    torch.testing.assert_close(output, whole, **CLOSE)
    for one, other in zip(
        torch.autograd.grad(output.sum(), x, retain_graph=True),
        torch.autograd.grad(whole.sum(), x),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def test_no_branch_looks_ahead():
    module, n = branches(), 17
    x, other = drawn(B, n, D), drawn(B, n, D, seed=5)
    before, _ = module(x)
    for t in (0, 3, 4, 11):
        mixed = torch.cat([x[:, : t + 1], other[:, t + 1 :]], 1)
        torch.testing.assert_close(
            module(mixed)[0][:, : t + 1], before[:, : t + 1], **CLOSE
        )


def test_the_gates_turn_branches_off():
    module, x = branches(), drawn(B, 13, D)
    for kept in range(len(BRANCHES)):
        with torch.no_grad():
            module.gate_projection.weight.zero_()
            bias = torch.full((3, H), -1e3).double()
            bias[kept] = 1e3
            module.gate_projection.bias.copy_(bias.flatten())
        output, found = module(x)
        only = module.output_projection(
            found.outputs[kept].transpose(1, 2).flatten(2)
        )
        torch.testing.assert_close(output, only, **CLOSE)


def test_every_parameter_of_three_branches_learns():
    module = branches()
    module(drawn(B, 13, D))[0].square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


# -- the indexer ------------------------------------------------------------


def test_the_indexer_scores_by_its_equation():
    torch.manual_seed(0)
    indexer, x = Indexer(D, 2, 5).double(), drawn(B, 6, D)
    scores = indexer(x)
    q = indexer.query_projection(x).unflatten(-1, (2, 5))
    k, w = indexer.key_projection(x), indexer.head_weights(x)
    for b in range(B):
        for t in range(6):
            for s in range(6):
                expected = sum(
                    w[b, t, h] * (q[b, t, h] @ k[b, s] / 5**0.5).relu()
                    for h in range(2)
                )
                assert scores[b, t, s].item() == pytest.approx(
                    (expected / 2**0.5).item(), abs=1e-12
                )


def test_its_loss_is_the_divergence_from_the_mean_weights():
    mask = torch.ones(5, 5).tril().bool()
    scores = drawn(B, 5, 5).requires_grad_()
    weights = (
        drawn(B, H, 5, 5, seed=1).masked_fill(~mask, -torch.inf).softmax(-1)
    )
    loss = indexer_loss(scores, weights, mask)
    expected = 0.0
    for b in range(B):
        for t in range(5):
            p = weights[b, :, t, : t + 1].mean(0)
            log_q = scores[b, t, : t + 1].log_softmax(-1)
            expected += (p * (p.log() - log_q)).sum().item()
    assert loss.item() == pytest.approx(expected / (5 * B))
    loss.backward()
    assert (scores.grad[:, ~mask] == 0).all()
    perfect = weights.mean(1).clamp(min=1e-300).log()
    assert indexer_loss(perfect, weights, mask).item() == pytest.approx(0)


def test_the_loss_moves_the_indexer_and_not_what_it_is_fitted_to():
    weights = drawn(B, H, 5, 5).softmax(-1).requires_grad_()
    scores = drawn(B, 5, 5).requires_grad_()
    mask = torch.ones(5, 5, dtype=torch.bool)
    indexer_loss(scores, weights, mask).backward()
    assert scores.grad is not None and weights.grad is None


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 12), k=st.integers(1, 14), seed=st.integers(0, 99))
def test_the_chosen_are_the_best_of_those_that_are_not_ahead(n, k, seed):
    scores = drawn(B, n, n, seed=seed) - 1e5  # a finite mask would lose
    index, allowed = top_keys(scores, k)
    for b in range(B):
        for t in range(n):
            chosen = set(index[b, t][allowed[b, t]].tolist())
            best = scores[b, t, : t + 1].topk(min(k, t + 1)).indices
            assert chosen == set(best.tolist())


def test_scores_of_the_future_change_no_choice():
    scores = drawn(B, 9, 9)
    ahead = torch.ones(9, 9).triu(1).bool()
    other = scores.masked_fill(ahead, 1e9)
    for one, two in zip(top_keys(scores, 3), top_keys(other, 3), strict=True):
        assert torch.equal(one[one > -1], two[two > -1])
    masks = [mask_of(*top_keys(s, 3), 9) for s in (scores, other)]
    assert torch.equal(*masks)


def test_all_keys_chosen_is_dense_causal_attention():
    q, k, v = (drawn(B, H, 7, 4, seed=s) for s in range(3))
    index, allowed = top_keys(drawn(B, 1, 7, 7), 7)
    got = selected_attention(q, k, v, index, allowed)
    dense = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(got, dense, **CLOSE)


def test_kept_sources_are_counted_only_where_they_are_allowed():
    index = torch.tensor([[0, 1], [0, 1], [2, 0]])
    allowed = torch.tensor([[True, False], [True, True], [True, True]])
    sources = torch.tensor([1, 1, 1])
    assert share_kept(index, allowed, sources).tolist() == [False, True, False]


# -- reach ------------------------------------------------------------------


@pytest.mark.parametrize("window", [1, 2, 5])
def test_a_window_reaches_w_minus_one_further_with_each_layer(window):
    n, depth = 40, 5
    assert reach_by_depth(window_mask(n, window), depth) == [
        min(n, 1 + layers * (window - 1)) for layers in range(1, depth + 1)
    ]


def test_reach_is_where_gradients_can_flow():
    torch.manual_seed(0)
    masks = [window_mask(12, 3), dilated_mask(12, 2, 4), window_mask(12, 2)]
    x = torch.randn(12, 4, dtype=torch.float64, requires_grad=True)
    out = x
    for mask in masks:
        out = out + F.scaled_dot_product_attention(
            out, out, out, attn_mask=mask
        )
    found = torch.stack(
        [
            torch.autograd.grad(out[t].sum(), x, retain_graph=True)[0]
            .abs()
            .sum(-1)
            > 0
            for t in range(12)
        ]
    )
    assert torch.equal(found, reach(masks))


def test_layers_that_are_needed():
    n = 49
    assert depth_needed(window_mask(n, n)) == 1
    assert depth_needed(strided_mask(n, 7, 7)) == 2
    assert depth_needed(window_mask(n, 7)) == 8
    assert depth_needed(dilated_mask(n, 5, 2)) is None  # odd and even apart


def test_the_order_of_layers_counts():
    near, far = window_mask(9, 2), dilated_mask(9, 2, 4)
    assert torch.equal(reach([near, near]), reach([window_mask(9, 3)]))
    assert not torch.equal(reach([near]), reach([near, far]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reach([]), "no mask"),
        (lambda: reach([torch.ones(2, 3).bool()]), r"expected \(2, 2\)"),
        (lambda: Compressor(0, 4), "block is 0"),
        (lambda: Compressor(2, 4)(torch.ones(3, 5)), r"\(..., n, 4\)"),
        (
            lambda: compressed_attention(
                torch.ones(9, 2), torch.ones(3, 2), torch.ones(3, 2), 4
            ),
            "9 tokens in whole blocks of 4",
        ),
        (lambda: select_blocks(torch.ones(9, 2), 4, 1), "count is 1"),
        (lambda: select_blocks(torch.ones(9, 3), 4, 2), "importance"),
        (lambda: ThreeBranches(10, 3, 2, 2, 2), "num_heads is 3"),
        (lambda: ThreeBranches(12, 3, 2, 1, 2), "count is 1"),
        (lambda: Indexer(4, 0, 2), "heads is 0"),
        (lambda: top_keys(torch.ones(3, 3), 0), "k is 0"),
        (lambda: top_keys(torch.ones(2, 3), 1), "scores"),
        (
            lambda: indexer_loss(
                torch.ones(1, 2, 2),
                torch.ones(1, 2, 3),
                torch.ones(2, 2).bool(),
            ),
            "weights has shape",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_masks_of_numbers_are_refused():
    with pytest.raises(TypeError, match="mask has dtype"):
        top_keys(torch.ones(3, 3), 1, torch.ones(3, 3))
    with pytest.raises(TypeError, match="mask has dtype"):
        reach([torch.ones(3, 3)])
