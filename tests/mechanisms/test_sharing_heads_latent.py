"""Multi-head latent attention: its two forms, and who lives inside it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.positions import rope_angles, rotate
from attnbook.mechanisms.sharing_heads import (
    GroupedQueryAttention,
    MultiHeadLatentAttention,
    latent_of,
)

B, T, S, D, H = 2, 3, 5, 12, 3
CLOSE = {"rtol": 1e-9, "atol": 1e-11}


def turn(x, positions):
    angles = rope_angles(positions, x.shape[-1])
    return rotate(x, angles, interleaved=False)


def latent(dtype=torch.float64, seed=0, d_latent=7, d_rotary=4, **options):
    torch.manual_seed(seed)
    module = MultiHeadLatentAttention(
        D, H, d_latent, d_rotary, **{"d_head": 5, **options}
    )
    with torch.no_grad():  # norms that scale, too
        for name, weight in module.named_parameters():
            if "norm" in name:
                weight.uniform_(0.5, 2)
    return module.to(dtype)


def inputs(batch=B, T=T, S=S, dtype=torch.float64, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, n, D, generator=draw, dtype=dtype) for n in (T, S)
    ]


def mask_of(batch=B, T=T, S=S):
    draw = torch.Generator().manual_seed(3)
    mask = torch.rand(batch, H, T, S, generator=draw) < 0.6
    mask[..., 0] = True
    return mask


def by_loops(module, query, source):
    """Equations 9 to 19 of the paper, one head and one query at a time."""
    d, r = module.d_head, module.d_rotary
    output = query.new_zeros(B, T, D)
    for b in range(B):
        c = module.latent_norm(source[b] @ module.latent_projection.weight.T)
        k_r = source[b] @ module.key_rotary.weight.T
        k_r = rotate(k_r, rope_angles(torch.arange(S), r), interleaved=False)
        c_q = module.query_latent(query[b])
        for t in range(T):
            heads = []
            for h in range(H):
                of_head = slice(h * d, (h + 1) * d)
                rotary = slice(h * r, (h + 1) * r)
                q = module.query_projection.weight[of_head] @ c_q[t]
                q_r = module.query_rotary.weight[rotary] @ c_q[t]
                angles = rope_angles(torch.tensor([t]), r)
                q_r = rotate(q_r[None], angles, interleaved=False)[0]
                scores = torch.stack(
                    [
                        q @ (module.key_projection.weight[of_head] @ c[s])
                        + q_r @ k_r[s]
                        for s in range(S)
                    ]
                ) / math.sqrt(d + r)
                values = c @ module.value_projection.weight[of_head].T
                heads.append(scores.softmax(-1) @ values)
            output[b, t] = module.output_projection.weight @ torch.cat(heads)
    return output


@pytest.mark.parametrize("absorbed", [False, True])
@pytest.mark.parametrize("d_query", [None, 6])
def test_it_is_the_paper_s_equations_in_loops(absorbed, d_query):
    module, x = latent(d_query=d_query), inputs()
    found, _ = module(*x, rotate=turn, absorbed=absorbed)
    torch.testing.assert_close(found, by_loops(module, *x), **CLOSE)


OPTIONS = {
    "all": {},
    "no rotary key": {"d_rotary": 0},
    "queries from a latent": {"d_query": 6},
    "no norms": {"norm": False, "d_query": 6},
    "a wide latent": {"d_latent": 40},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("kind", ["none", "by key", "by head", "causal"])
@pytest.mark.parametrize(
    ("dtype", "close"),
    [
        (torch.float32, {"rtol": 1e-4, "atol": 1e-6}),
        (torch.float64, {"rtol": 1e-9, "atol": 1e-12}),
    ],
    ids=["float32", "float64"],
)
def test_both_forms_agree_forward_and_backward(options, kind, dtype, close):
    module, x = latent(dtype, **options), inputs(dtype=dtype)
    for each in x:
        each.requires_grad_()
    masks = {
        "by key": {"mask": mask_of()[:, 0, 0]},
        "by head": {"mask": mask_of()},
        "causal": {"causal": True},
    }
    found = {}
    wanted = [*x, *module.parameters()]
    back = torch.randn(B, T, D, dtype=dtype)
    for absorbed in (False, True):
        output, weights = module(
            *x, **masks.get(kind, {}), rotate=turn, absorbed=absorbed
        )
        gradients = torch.autograd.grad(output, wanted, back)
        found[absorbed] = [output, weights, *gradients]
    for naive, absorbed in zip(found[False], found[True], strict=True):
        torch.testing.assert_close(naive, absorbed, **close)


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 3),
    T=st.integers(1, 4),
    S=st.integers(1, 6),
    d_latent=st.integers(1, 9),
    d_rotary=st.sampled_from([0, 2, 6]),
    d_head=st.integers(1, 6),
)
def test_both_forms_agree_at_any_sizes(
    batch, T, S, d_latent, d_rotary, d_head
):
    module = latent(d_latent=d_latent, d_rotary=d_rotary, d_head=d_head)
    x = inputs(batch, T, S)
    naive, _ = module(*x, rotate=turn)
    absorbed, _ = module(*x, rotate=turn, absorbed=True)
    torch.testing.assert_close(naive, absorbed, **CLOSE)


@pytest.mark.parametrize("absorbed", [False, True])
def test_scores_of_hundreds_do_not_overflow(absorbed):
    module, x = latent(norm=False), inputs()
    output, weights = module(300 * x[0], x[1], rotate=turn, absorbed=absorbed)
    assert output.isfinite().all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, H, T).double())


@pytest.mark.parametrize("absorbed", [False, True])
def test_only_the_distance_counts_once_both_parts_are_turned(absorbed):
    module, (_, x) = latent(), inputs()
    here, _ = module(x, x, causal=True, rotate=turn, absorbed=absorbed)

    def later(part, positions):
        return turn(part, positions + 11)

    there, _ = module(x, x, causal=True, rotate=later, absorbed=absorbed)
    torch.testing.assert_close(here, there, **CLOSE)
    still, _ = module(x, x, causal=True, absorbed=absorbed)
    assert not torch.allclose(here, still)


def test_the_cache_holds_a_latent_and_one_rotary_key_for_all_heads():
    module, (_, x) = latent(), inputs()
    kept = module.to_keep(x, turn)
    assert kept.shape == (B, 1, S, 7 + 4)
    k, v = module.keys_and_values(kept)
    assert k.shape == (B, H, S, 5 + 4) and v.shape == (B, H, S, 5)
    assert torch.equal(k[:, 0, :, 5:], k[:, 2, :, 5:])


def test_future_tokens_cannot_change_the_past():
    module, (_, x) = latent(), inputs()
    y = x.clone()
    y[:, 3:] += 1
    for absorbed in (False, True):
        before, after = (
            module(z, z, causal=True, rotate=turn, absorbed=absorbed)[0]
            for z in (x, y)
        )
        torch.testing.assert_close(before[:, :3], after[:, :3])
        assert not torch.allclose(before[:, 3:], after[:, 3:])


# What was published wrong, or nearly.


def absorbed_by_hand(module, query, source, scale=None, parts=None):
    """The absorbed form, with something to be done wrong."""
    q, rotary = module.queries(query, turn)
    kept = module.to_keep(source, turn)
    to_latent = module.key_projection.weight.unflatten(0, (H, -1))
    q = torch.cat([torch.einsum("bhtd,hdc->bhtc", q, to_latent), rotary], -1)
    if parts is not None:
        kept = parts(kept)
    scores = q @ kept.transpose(-2, -1) * (scale or module.scale)
    mixed = scores.softmax(-1) @ kept[..., : module.d_latent]
    from_latent = module.value_projection.weight.unflatten(0, (H, -1))
    heads = torch.einsum("bhtc,hdc->bthd", mixed, from_latent)
    return module.output_projection(heads.flatten(2))


def test_the_scale_is_that_of_the_heads_not_that_of_the_latent():
    module, x = latent(), inputs()
    right, _ = module(*x, rotate=turn)
    torch.testing.assert_close(absorbed_by_hand(module, *x), right, **CLOSE)
    wrong = absorbed_by_hand(module, *x, scale=1 / math.sqrt(7 + 4))
    assert not torch.allclose(wrong, right)
    without_rotary = absorbed_by_hand(module, *x, scale=1 / math.sqrt(5))
    assert not torch.allclose(without_rotary, right)


def test_latent_and_rotary_parts_are_not_to_be_swapped():
    module, x = latent(), inputs()
    right, _ = module(*x, rotate=turn)

    def swapped(kept):
        return torch.cat([kept[..., 7:], kept[..., :7]], dim=-1)

    wrong = absorbed_by_hand(module, *x, parts=swapped)
    assert not torch.allclose(wrong, right)


def test_a_rotation_of_whole_keys_could_not_be_absorbed():
    """Why the rotary key is apart: W cannot change places with a turn.

    A turn between the two matrices depends on the distance, so there is no
    one matrix that takes queries to latents.
    """
    module, x = latent(d_rotary=0, d_head=6), inputs()
    q, _ = module.queries(x[0])
    k, _ = module.keys_and_values(module.to_keep(x[1]))
    to_latent = module.key_projection.weight.unflatten(0, (H, -1))
    turned = turn(q, torch.arange(T)) @ turn(k, torch.arange(S)).mT
    taken = torch.einsum("bhtd,hdc->bhtc", turn(q, torch.arange(T)), to_latent)
    attempt = taken @ module.to_keep(x[1]).mT
    assert not torch.allclose(turned, attempt)
    torch.testing.assert_close(
        q @ k.mT,
        torch.einsum("bhtd,hdc->bhtc", q, to_latent) @ module.to_keep(x[1]).mT,
        **CLOSE,
    )


# Who lives inside.


@pytest.mark.parametrize("G", [1, 2, 4])
@pytest.mark.parametrize("absorbed", [False, True])
@pytest.mark.parametrize("d_head", [3, 8])
def test_grouped_attention_is_latent_attention_of_as_many_numbers(
    G, absorbed, d_head
):
    """Equal bytes: what groups can do, a latent can."""
    torch.manual_seed(0)
    grouped = GroupedQueryAttention(
        D, 4, G, d_head=3, projection_bias=False
    ).double()
    made = latent_of(grouped, d_head)
    assert made.d_latent == 2 * G * 3
    x = inputs()
    for one, other in zip(
        grouped(x[0], x[1], x[1], causal=True),
        made(*x, causal=True, absorbed=absorbed),
        strict=True,
    ):
        torch.testing.assert_close(one, other, **CLOSE)


def test_what_does_not_fit_into_a_latent_is_refused():
    with pytest.raises(ValueError, match="bias"):
        latent_of(GroupedQueryAttention(D, 4, 2))
    without = GroupedQueryAttention(D, 4, 2, projection_bias=False)
    with pytest.raises(ValueError, match="d_head is 2"):
        latent_of(without, 2)


def test_bad_input_is_named():
    module, (x, y) = latent(), inputs()
    for make, message in [
        (lambda: latent(d_latent=0), "d_latent is 0"),
        (lambda: latent(d_rotary=3), "d_rotary is 3"),
        (lambda: latent(d_query=0), "d_query is 0"),
        (lambda: latent(d_head=0), "d_head is 0"),
        (lambda: MultiHeadLatentAttention(D, 5, 4), "divides the width"),
        (lambda: MultiHeadLatentAttention(D, 0, 4, d_head=2), "num_heads"),
        (lambda: module(x[0], y), "query has shape"),
        (lambda: module(x, y[:1]), "source has shape"),
        (lambda: module(x, y, mask_of()[:, :2]), "mask has shape"),
    ]:
        with pytest.raises(ValueError, match=message):
            make()
    with pytest.raises(TypeError, match=r"torch\.bool"):
        module(x, y, torch.ones(B, S))
