"""Grouped-query attention against PyTorch, loops, and published mistakes."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attnbook.mechanisms.multi_head import (
    MultiHeadAttention,
    merge_heads,
    split_heads,
)
from attnbook.mechanisms.positions import rope_angles, rotate
from attnbook.mechanisms.sharing_heads import (
    GroupedQueryAttention,
    copied_attention,
    grouped_attention,
    repeat_heads,
    storage_bytes,
)

B, T, S, D, H = 2, 3, 5, 24, 6
GROUPS = (1, 2, 3, 6)
CLOSE = {"rtol": 1e-9, "atol": 1e-11}
groups = pytest.mark.parametrize("G", GROUPS)
forms = pytest.mark.parametrize(
    "form", [grouped_attention, copied_attention], ids=["shared", "copied"]
)


def heads(G=2, batch=B, T=T, S=S, d_k=4, d_v=3, seed=0, size=1.0, H=H):
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return size * torch.randn(shape, generator=draw, dtype=torch.float64)

    return (
        normal(batch, H, T, d_k),
        normal(batch, G, S, d_k),
        normal(batch, G, S, d_v),
    )


def inputs(seed=0, batch=B, T=T, S=S):
    draw = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, n, D, generator=draw, dtype=torch.float64)
        for n in (T, S, S)
    ]


def attention(G, **options):
    torch.manual_seed(0)
    return GroupedQueryAttention(D, H, G, **options).double()


def by_loops(query, key, value, mask=None, scale=None):
    """One head and one query at a time."""
    batch, H, T, d_k = query.shape
    G, S = key.shape[1:3]
    scale = 1 / math.sqrt(d_k) if scale is None else scale
    output = query.new_zeros(batch, H, T, value.shape[-1])
    weights = query.new_zeros(batch, H, T, S)
    for b in range(batch):
        for h in range(H):
            g = h // (H // G)
            for t in range(T):
                scores = torch.stack(
                    [scale * (query[b, h, t] @ key[b, g, s]) for s in range(S)]
                )
                if mask is not None:
                    scores = scores.masked_fill(~mask[b, h, t], -torch.inf)
                weights[b, h, t] = scores.softmax(-1)
                output[b, h, t] = weights[b, h, t] @ value[b, g]
    return output, weights


def random_mask(batch=B, H=H, T=T, S=S, seed=3):
    draw = torch.Generator().manual_seed(seed)
    mask = torch.rand(batch, H, T, S, generator=draw) < 0.6
    mask[..., 0] = True
    return mask


@forms
@groups
@pytest.mark.parametrize("masked", [False, True])
def test_it_is_the_loop_over_heads_and_queries(form, G, masked):
    q, k, v = heads(G)
    mask = random_mask() if masked else None
    for found, expected in zip(
        form(q, k, v, mask), by_loops(q, k, v, mask), strict=True
    ):
        torch.testing.assert_close(found, expected, **CLOSE)


@forms
@groups
@pytest.mark.parametrize("kind", ["none", "mask", "causal", "bias", "scale"])
def test_it_is_pytorch_s_own_with_enable_gqa(form, G, kind):
    """Forward and backward."""
    tensors = [each.requires_grad_() for each in heads(G)]
    mask = random_mask()
    bias = torch.randn(B, H, T, S, dtype=torch.float64)
    ours, theirs = {
        "none": ({}, {}),
        "mask": ({"mask": mask}, {"attn_mask": mask}),
        "causal": ({"causal": True}, {"is_causal": True}),
        "bias": ({"bias": bias}, {"attn_mask": bias}),
        "scale": ({"scale": 0.9}, {"scale": 0.9}),
    }[kind]
    found, _ = form(*tensors, **ours)
    expected = F.scaled_dot_product_attention(
        *tensors, enable_gqa=True, **theirs
    )
    torch.testing.assert_close(found, expected, **CLOSE)
    back = torch.randn_like(found)
    for got, wanted in zip(
        torch.autograd.grad(found, tensors, back),
        torch.autograd.grad(expected, tensors, back),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted, **CLOSE)


@settings(max_examples=40, deadline=None)
@given(
    G=st.integers(1, 4),
    of_group=st.integers(1, 3),
    batch=st.integers(1, 3),
    T=st.integers(1, 4),
    S=st.integers(1, 5),
    d_k=st.integers(1, 4),
    d_v=st.integers(1, 4),
)
def test_shared_and_copied_agree_at_any_sizes(
    G, of_group, batch, T, S, d_k, d_v
):
    q, k, v = heads(G, batch, T, S, d_k, d_v, H=G * of_group)
    for one, other in zip(
        grouped_attention(q, k, v), copied_attention(q, k, v), strict=True
    ):
        torch.testing.assert_close(one, other, **CLOSE)


@forms
def test_a_query_with_nothing_to_attend_to_gets_zeros(form):
    q, k, v = heads()
    mask = random_mask()
    mask[1, 2, 0] = False
    output, weights = form(q, k, v, mask)
    assert (output[1, 2, 0] == 0).all() and (weights[1, 2, 0] == 0).all()
    assert output.isfinite().all()


@forms
def test_scores_of_hundreds_do_not_overflow(form):
    output, weights = form(*heads(size=12.0))
    assert output.isfinite().all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, H, T).double())


def test_sharing_makes_no_copy_of_the_keys():
    """As many bytes as the scores need, however long the keys are."""
    q, k, v = (each.float() for each in heads(1, T=1, S=400, d_k=64, d_v=64))

    def largest(form):
        with torch.profiler.profile(profile_memory=True) as profile:
            form(q, k, v)
        return max(e.self_cpu_memory_usage for e in profile.key_averages())

    keys = k.nbytes
    assert largest(grouped_attention) < keys / 2
    assert largest(copied_attention) >= H * keys


def test_broadcasting_by_the_matrix_product_would_copy():
    """Why the queries of a group are laid below each other."""
    q, k, _ = (each.float() for each in heads(2, T=1, S=400, d_k=64))
    apart = q.unflatten(1, (2, -1))  # (B, G, H/G, T, d)
    with torch.profiler.profile(profile_memory=True) as profile:
        apart @ k[:, :, None].transpose(-2, -1)
    used = max(e.self_cpu_memory_usage for e in profile.key_averages())
    assert used >= H // 2 * k.nbytes


def test_copies_lie_side_by_side_and_weigh_as_much_as_all_heads():
    k = heads(2)[1]
    copied = repeat_heads(k, H)
    for h in range(H):
        assert torch.equal(copied[:, h], k[:, h // 3])
    assert storage_bytes([copied]) == 3 * storage_bytes([k])
    expanded = k[:, :, None].expand(-1, -1, 3, -1, -1)
    assert storage_bytes([expanded, k]) == storage_bytes([k])


# What was published wrong. Each differs from ours at H ≠ G, B > 1, T ≠ S.


def tiled(q, k, v, mask=None):
    """`repeat` for `repeat_interleave`."""
    n = H // k.shape[1]
    k, v = k.repeat(1, n, 1, 1), v.repeat(1, n, 1, 1)
    return F.scaled_dot_product_attention(q, k, v, mask)


def repeated_along_the_sequence(q, k, v, mask=None):
    n = H // k.shape[1]
    k, v = (x.repeat_interleave(n, dim=2) for x in (k, v))
    k, v = (x.reshape(len(x), H, -1, x.shape[-1]) for x in (k, v))
    return F.scaled_dot_product_attention(q, k, v, mask)


def all_read_head_0(q, k, v, mask=None):
    return F.scaled_dot_product_attention(q, k[:, :1], v[:, :1], mask)


def scaled_by_a_half(q, k, v, mask=None):
    """The scale of heads of four features, whatever their size."""
    return F.scaled_dot_product_attention(
        q, k, v, mask, scale=0.5, enable_gqa=True
    )


def group_size_for_groups(q, k, v, mask=None):
    """H/G heads of keys, where there are G."""
    heads = q.shape[1]
    n = heads // (heads // k.shape[1])
    index = torch.arange(heads) // n % k.shape[1]
    return F.scaled_dot_product_attention(q, k[:, index], v[:, index], mask)


def mask_tiled_over_heads_first(q, k, v, mask):
    """(B, T, S) repeated to (B·H, T, S), in the order of (H, B)."""
    n = H // k.shape[1]
    k, v = (x.repeat_interleave(n, 1).flatten(0, 1) for x in (k, v))
    mask = mask[:, 0].repeat(H, 1, 1)
    found = F.scaled_dot_product_attention(q.flatten(0, 1), k, v, mask)
    return found.unflatten(0, (len(q), H))


MISTAKES = [
    tiled,
    repeated_along_the_sequence,
    all_read_head_0,
    scaled_by_a_half,
    group_size_for_groups,
    mask_tiled_over_heads_first,
]


def differs(mistake, **sizes):
    batch = sizes.get("batch", B)
    q, k, v = heads(**{"d_k": 8, "G": 2, **sizes})
    mask = random_mask(batch)[:, :1].expand(-1, H, -1, -1)
    right, _ = grouped_attention(q, k, v, mask)
    return not torch.allclose(mistake(q, k, v, mask), right)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda it: it.__name__)
def test_what_was_published_wrong_gives_other_numbers(mistake):
    assert differs(mistake)


def test_where_the_sizes_coincide_the_mistakes_do_not_show():
    """Why tests need H ≠ G, B > 1 and d ≠ 4."""
    for mistake in (tiled, repeated_along_the_sequence):
        assert not differs(mistake, G=H)
    q, k, v = heads(2, H=4)  # two groups of two
    found = group_size_for_groups(q, k, v)
    torch.testing.assert_close(found, grouped_attention(q, k, v)[0])
    assert not differs(all_read_head_0, G=1)
    assert not differs(scaled_by_a_half, d_k=4)
    assert not differs(mask_tiled_over_heads_first, batch=1)


def rotated(x, angles):
    return rotate(x, angles, interleaved=False)


def test_rotary_positions_belong_to_the_tokens_not_to_the_heads():
    q, k, v = heads(2, T=S)
    angles = rope_angles(torch.arange(S), 4)
    right, _ = grouped_attention(rotated(q, angles), rotated(k, angles), v)

    def by_head(x):
        n = x.shape[1]
        return rotated(x, rope_angles(torch.arange(n), 4)[:, None])

    wrong, _ = grouped_attention(by_head(q), by_head(k), v)
    assert not torch.allclose(wrong, right)
    moved, _ = grouped_attention(
        rotated(q, rope_angles(torch.arange(S) + 7, 4)),
        rotated(k, rope_angles(torch.arange(S) + 7, 4)),
        v,
    )
    torch.testing.assert_close(moved, right)


# The class.


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("copies", [True, False])
def test_with_a_key_head_for_each_query_head_it_is_pytorch_s_own(bias, copies):
    """Forward and backward, with a mask of every shape."""
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(D, H, bias=bias, batch_first=True).double()
    if bias:
        nn.init.normal_(theirs.in_proj_bias)
        nn.init.normal_(theirs.out_proj.bias)
    ours = GroupedQueryAttention.from_multi_head(
        MultiHeadAttention.from_torch(theirs)
    )
    ours.copies = copies
    by_key = torch.ones(B, S, dtype=torch.bool)
    by_key[1, 3:] = False
    by_head = random_mask()
    for mask, options in [
        (None, {}),
        (by_key, {"key_padding_mask": ~by_key}),
        (by_head, {"attn_mask": ~by_head.flatten(0, 1)}),
    ]:
        one = [each.requires_grad_() for each in inputs()]
        found, weights = ours(*one, mask)
        expected, their_weights = theirs(
            *one, average_attn_weights=False, **options
        )
        torch.testing.assert_close(found, expected, **CLOSE)
        torch.testing.assert_close(weights, their_weights, **CLOSE)
        back = torch.randn_like(found)
        for got, wanted in zip(
            torch.autograd.grad(found, one, back),
            torch.autograd.grad(expected, one, back),
            strict=True,
        ):
            torch.testing.assert_close(got, wanted, **CLOSE)


@groups
@pytest.mark.parametrize("copies", [True, False])
def test_the_class_is_pytorch_s_function_between_its_projections(G, copies):
    module = attention(G, copies=copies)
    x = inputs()
    q = split_heads(module.query_projection(x[0]), H)
    k = split_heads(module.key_projection(x[1]), G)
    v = split_heads(module.value_projection(x[2]), G)
    mask = random_mask()
    between = F.scaled_dot_product_attention(q, k, v, mask, enable_gqa=True)
    expected = module.output_projection(merge_heads(between))
    found, _ = module(*x, mask)
    torch.testing.assert_close(found, expected, **CLOSE)


def test_mha_and_mqa_are_its_ends():
    sizes = {G: attention(G).key_projection.out_features for G in GROUPS}
    assert sizes == {1: 4, 2: 8, 3: 12, 6: 24}
    assert attention(None).num_kv_heads == H


@groups
def test_gradients_of_a_shared_head_are_the_sum_over_those_who_read_it(G):
    q, k, v = heads(G)
    full = [repeat_heads(x, H).requires_grad_() for x in (k, v)]
    k.requires_grad_(), v.requires_grad_()
    grouped_attention(q, k, v)[0].square().sum().backward()
    grouped_attention(q, *full)[0].square().sum().backward()
    for shared, copies in zip((k, v), full, strict=True):
        summed = copies.grad.unflatten(1, (G, -1)).sum(2)
        torch.testing.assert_close(shared.grad, summed, **CLOSE)


def test_future_tokens_cannot_change_the_past():
    module, (x, _, _) = attention(2), inputs(T=S)
    before, _ = module(x, x, x, causal=True)
    y = x.clone()
    y[:, 3:] += 1
    after, _ = module(y, y, y, causal=True)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])


def test_heads_may_have_any_size():
    module = attention(2, d_head=5)
    assert module(*inputs())[0].shape == (B, T, D)
    assert module.query_projection.out_features == 5 * H
    assert module.value_projection.out_features == 5 * 2


def test_rotation_gets_the_positions_of_queries_and_of_keys():
    seen = []

    def turn(x, positions):
        seen.append((tuple(x.shape), positions.tolist()))
        return rotated(x, rope_angles(positions, x.shape[-1]))

    attention(2)(*inputs(), rotate=turn)
    assert seen == [
        ((B, H, T, 4), [0, 1, 2]),
        ((B, 2, S, 4), [0, 1, 2, 3, 4]),
    ]


def test_the_bias_is_added_to_the_scaled_scores():
    module, x = attention(3), inputs()
    bias = torch.randn(H, T, S, dtype=torch.float64)
    _, weights = module(*x, bias=bias)
    _, plain = module(*x)
    expected = (plain.log() + bias).softmax(-1)
    torch.testing.assert_close(weights, expected)


def test_bad_input_is_named():
    q, k, v = heads(2)
    x = inputs()
    for make, message in [
        (lambda: GroupedQueryAttention(D, H, 4), "num_kv_heads is 4"),
        (lambda: GroupedQueryAttention(D, H, 0), "num_kv_heads is 0"),
        (lambda: GroupedQueryAttention(D, 5, 5), "divides the width"),
        (lambda: GroupedQueryAttention(D, H, 2, 0), "d_head is 0"),
        (lambda: repeat_heads(k, 5), "divides the number of heads"),
        (lambda: repeat_heads(k[0], 6), r"x has shape .*\(B, G, S, d\)"),
        (lambda: grouped_attention(q[0], k, v), "query has shape"),
        (lambda: grouped_attention(q, k[:1], v), "key has shape"),
        (lambda: grouped_attention(q, k[..., :2], v), "key has shape"),
        (lambda: grouped_attention(q, k, v[:, :1]), "one value for each key"),
        (lambda: grouped_attention(q[:, :5], k, v), "num_heads is 5"),
        (lambda: copied_attention(q[:, :5], k, v), "num_heads is 5"),
        (lambda: attention(2)(x[0], x[1][:1], x[2]), "key has shape"),
        (lambda: attention(2)(x[0], x[1], x[2][:, :4]), "value has shape"),
        (
            lambda: attention(2)(*x, torch.ones(B, 2, T, S).bool()),
            "mask has shape",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            make()
    with pytest.raises(TypeError, match=r"torch\.bool"):
        attention(2)(*x, torch.ones(B, S))
