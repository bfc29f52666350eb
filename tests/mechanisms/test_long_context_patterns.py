"""Sparse patterns: as masks, and equal without the scores left out."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.long_context import (
    block_mask,
    block_sparse_attention,
    dilated_attention,
    dilated_mask,
    distances,
    global_attention,
    global_mask,
    keys_read,
    mask_of,
    root,
    selected_attention,
    sink_mask,
    strided_attention,
    strided_mask,
    window_mask,
    windowed_attention,
)

B, H, D_K, D_V = 2, 3, 4, 5
sizes = st.integers(1, 9)
lengths = st.integers(1, 23)


def drawn(n, seed=0, times=1.0):
    draw = torch.Generator().manual_seed(seed)
    return [
        (
            times * torch.randn(B, H, n, d, generator=draw).double()
        ).requires_grad_()
        for d in (D_K, D_K, D_V)
    ]


def same_as_dense(sparse, mask, inputs):
    """Compare with PyTorch under the mask, forward and backward."""
    dense = F.scaled_dot_product_attention(*inputs, attn_mask=mask)
    found = sparse(*inputs)
    torch.testing.assert_close(found, dense, rtol=1e-9, atol=1e-11)
    upstream = torch.randn_like(dense)
    gradients = [
        torch.autograd.grad(output, inputs, upstream)
        for output in (found, dense)
    ]
    for got, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(n=lengths, window=sizes, sinks=st.integers(0, 6))
def test_a_window_with_sinks_is_dense_attention_under_its_mask(
    n, window, sinks
):
    same_as_dense(
        lambda q, k, v: windowed_attention(q, k, v, window, sinks),
        sink_mask(n, window, sinks),
        drawn(n),
    )


@settings(max_examples=40, deadline=None)
@given(n=lengths, window=sizes, dilation=sizes)
def test_a_dilated_window_is_dense_attention_under_its_mask(
    n, window, dilation
):
    same_as_dense(
        lambda q, k, v: dilated_attention(q, k, v, window, dilation),
        dilated_mask(n, window, dilation),
        drawn(n),
    )


@settings(max_examples=60, deadline=None)
@given(n=lengths, window=sizes, stride=sizes)
def test_window_and_stride_are_dense_attention_under_their_mask(
    n, window, stride
):
    same_as_dense(
        lambda q, k, v: strided_attention(q, k, v, window, stride),
        strided_mask(n, window, stride),
        drawn(n),
    )


@settings(max_examples=40, deadline=None)
@given(data=st.data(), n=lengths, window=sizes)
def test_global_tokens_are_dense_attention_under_their_mask(data, n, window):
    chosen = data.draw(st.sets(st.integers(0, n - 1), max_size=4))
    positions = torch.tensor(sorted(chosen), dtype=torch.long)
    same_as_dense(
        lambda q, k, v: global_attention(q, k, v, window, positions),
        global_mask(n, window, positions),
        drawn(n),
    )


@settings(max_examples=40, deadline=None)
@given(n=lengths, block=sizes, seed=st.integers(0, 1000))
def test_chosen_blocks_are_dense_attention_under_their_mask(n, block, seed):
    N = -(-n // block)
    draw = torch.Generator().manual_seed(seed)
    layout = torch.rand(N, N, generator=draw) < 0.5
    layout.fill_diagonal_(True)
    same_as_dense(
        lambda q, k, v: block_sparse_attention(q, k, v, layout, block),
        block_mask(layout, block, n),
        drawn(n),
    )


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 12), m=st.integers(1, 5), seed=st.integers(0, 1000))
def test_selected_keys_are_dense_attention_under_their_mask(n, m, seed):
    m = min(m, n)
    draw = torch.Generator().manual_seed(seed)
    index = torch.rand(B, H, n, n, generator=draw).argsort(-1)[..., :m]
    allowed = torch.rand(B, H, n, m, generator=draw) < 0.7
    allowed[..., 0] = True
    same_as_dense(
        lambda q, k, v: selected_attention(q, k, v, index, allowed),
        mask_of(index, allowed, n),
        drawn(n),
    )


def test_selected_keys_of_one_list_for_all_heads():
    q, k, v = drawn(7)
    index = torch.tensor([[0, 2, 5]]).expand(7, 3)
    mask = torch.zeros(7, 7, dtype=torch.bool)
    mask[:, [0, 2, 5]] = True
    same_as_dense(
        lambda q, k, v: selected_attention(q, k, v, index), mask, [q, k, v]
    )


@pytest.mark.parametrize(
    "sparse",
    [
        lambda q, k, v: windowed_attention(q, k, v, 3, sinks=2),
        lambda q, k, v: strided_attention(q, k, v, 3, 4),
        lambda q, k, v: dilated_attention(q, k, v, 3, 2),
    ],
)
def test_scores_of_hundreds_do_not_overflow(sparse):
    inputs = drawn(17, times=12.0)
    output = sparse(*inputs)
    output.sum().backward()
    assert output.isfinite().all()
    assert all(each.grad.isfinite().all() for each in inputs)


def test_a_query_with_nothing_to_attend_to_gets_zeros_and_no_gradient():
    layout = torch.tensor([[False, False], [True, True]])
    inputs = drawn(6)
    output = block_sparse_attention(*inputs, layout, 3)
    assert (output[..., :3, :] == 0).all()
    output.sum().backward()
    assert all(each.grad.isfinite().all() for each in inputs)
    assert (inputs[0].grad[..., :3, :] == 0).all()


def test_no_pattern_lets_a_token_see_what_comes_later():
    n, draw = 19, torch.Generator().manual_seed(0)
    layout = torch.ones(5, 5, dtype=torch.bool)
    forms = {
        "window": lambda q, k, v: windowed_attention(q, k, v, 4, 2),
        "dilated": lambda q, k, v: dilated_attention(q, k, v, 4, 3),
        "strided": lambda q, k, v: strided_attention(q, k, v, 4, 4),
        "global": lambda q, k, v: global_attention(
            q, k, v, 4, torch.tensor([0, 11])
        ),
        "blocks": lambda q, k, v: block_sparse_attention(q, k, v, layout, 4),
    }
    inputs = [each.detach() for each in drawn(n)]
    for t in (0, 7, 17):
        changed = [each.clone() for each in inputs]
        for each in changed:
            each[..., t + 1 :, :] = torch.randn(
                each[..., t + 1 :, :].shape, generator=draw
            ).double()
        for form in forms.values():
            before, after = form(*inputs), form(*changed)
            torch.testing.assert_close(
                before[..., : t + 1, :], after[..., : t + 1, :]
            )


def test_a_window_of_w_holds_w_keys_the_query_s_own_among_them():
    mask = window_mask(9, 3)
    assert keys_read(mask).tolist() == [1, 2, 3, 3, 3, 3, 3, 3, 3]
    assert mask.diagonal().all()
    assert mask[8].nonzero().flatten().tolist() == [6, 7, 8]
    assert torch.equal(window_mask(5, 9), torch.ones(5, 5).tril().bool())


def test_masks_count_their_queries_from_the_last_key():
    for make in (
        lambda T, S: window_mask(T, 3, S),
        lambda T, S: dilated_mask(T, 2, 3, S),
        lambda T, S: strided_mask(T, 2, 3, S),
        lambda T, S: sink_mask(T, 3, 2, S),
    ):
        whole = make(11, 11)
        for T in (1, 4, 11):
            assert torch.equal(make(T, 11), whole[-T:])
    assert distances(2, 5).tolist() == [[3, 2, 1, 0, -1], [4, 3, 2, 1, 0]]


def test_the_patterns_in_rows_that_can_be_counted_by_hand():
    rows = {
        "dilated": (dilated_mask(9, 3, 2), [4, 6, 8]),
        "strided": (strided_mask(9, 2, 3), [2, 5, 7, 8]),
        "sinks": (sink_mask(9, 2, 2), [0, 1, 7, 8]),
        "global": (global_mask(9, 2, torch.tensor([3])), [3, 7, 8]),
    }
    for mask, expected in rows.values():
        assert mask[8].nonzero().flatten().tolist() == expected
    of_global = global_mask(9, 2, torch.tensor([3]))[3]
    assert of_global.nonzero().flatten().tolist() == [0, 1, 2, 3]


def test_window_and_stride_at_the_root_read_about_two_roots_of_keys():
    n = 400
    mask = strided_mask(n, root(n), root(n))
    assert root(n) == 20 and int(keys_read(mask)[-1]) == 20 + 19
    paths = (mask.float() @ mask.float()) > 0
    assert torch.equal(paths, torch.ones(n, n).tril().bool())  # two steps


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: window_mask(3, 0), "window is 0"),
        (lambda: window_mask(4, 2, 3), "4 queries and 3 keys"),
        (lambda: dilated_mask(4, 2, 0), "dilation is 0"),
        (lambda: strided_mask(4, 2, 0), "stride is 0"),
        (lambda: sink_mask(4, 2, -1), "sinks is -1"),
        (lambda: global_mask(4, 2, torch.tensor([4])), r"0 to 3"),
        (lambda: global_mask(4, 2, torch.tensor([1, 1])), "different"),
        (
            lambda: block_mask(torch.ones(2, 2).bool(), 2, 5),
            r"layout has shape \(2, 2\); expected \(3, 3\)",
        ),
        (
            lambda: windowed_attention(*drawn(4), window=0),
            "window is 0",
        ),
        (
            lambda: windowed_attention(
                drawn(4)[0], drawn(5)[1], drawn(5)[2], 2
            ),
            "key has shape",
        ),
        (
            lambda: strided_attention(drawn(4)[0], *drawn(4)[1:], 2, 0),
            "stride is 0",
        ),
        (
            lambda: selected_attention(*drawn(4), torch.full((4, 2), 4)),
            r"index holds 4 to 4; expected 0 to 3",
        ),
        (
            lambda: selected_attention(*drawn(4), torch.zeros(3, 2).long()),
            "a row for each query",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_layout_of_numbers_is_refused():
    with pytest.raises(TypeError, match="layout has dtype"):
        block_sparse_attention(*drawn(4), torch.ones(2, 2), 2)
