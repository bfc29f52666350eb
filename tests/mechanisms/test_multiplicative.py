"""Luong's scores and windows against loops, PyTorch, and their properties."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attnbook.mechanisms.additive import AdditiveAttention
from attnbook.mechanisms.multiplicative import (
    ConcatScore,
    DotScore,
    GeneralScore,
    LocationScore,
    PredictedCentre,
    gaussian_window,
    monotonic_window,
)

B, T, S, D_Q, D_K, D_A = 2, 3, 5, 4, 6, 7
PRECISION = {torch.float64: 1e-12, torch.float32: 1e-5}
DTYPES = pytest.mark.parametrize("dtype", PRECISION)


def inputs(seed=0, dtype=torch.float64, d_k=D_K):
    torch.manual_seed(seed)
    query = torch.randn(B, T, D_Q, dtype=dtype, requires_grad=True)
    key = torch.randn(B, S, d_k, dtype=dtype, requires_grad=True)
    return query, key


def made(name, dtype=torch.float64):
    torch.manual_seed(1)
    score = {
        "dot": DotScore,
        "general": lambda: GeneralScore(D_Q, D_K),
        "concat": lambda: ConcatScore(D_Q, D_K, D_A),
        "location": lambda: LocationScore(D_Q, 9),
    }[name]()
    return score.to(dtype)


def fitting(name, **options):
    return inputs(d_k=D_Q if name == "dot" else D_K, **options)


ALL = pytest.mark.parametrize("name", ["dot", "general", "concat", "location"])


def formula(name, score, q, k, s):
    """One score, as the paper writes it."""
    if name == "dot":
        return q @ k
    if name == "general":
        return q @ score.key_projection.weight @ k
    if name == "concat":
        joint = torch.cat(
            [score.query_projection.weight, score.key_projection.weight], 1
        )
        return score.v.weight[0] @ torch.tanh(joint @ torch.cat([q, k]))
    return score.position.weight[s] @ q


@ALL
@DTYPES
def test_each_score_is_the_formula_of_the_paper_for_every_pair(name, dtype):
    score = made(name, dtype)
    query, key = fitting(name, dtype=dtype)
    got = score(query, key)
    assert got.shape == (B, T, S)
    for b in range(B):
        for t in range(T):
            for s in range(S):
                expected = formula(name, score, query[b, t], key[b, s], s)
                assert got[b, t, s].item() == pytest.approx(
                    expected.item(), abs=PRECISION[dtype]
                )


@DTYPES
def test_general_is_the_bilinear_layer_of_pytorch_forward_and_backward(dtype):
    score = made("general", dtype)
    bilinear = nn.Bilinear(D_Q, D_K, 1, bias=False, dtype=dtype)
    with torch.no_grad():
        bilinear.weight.copy_(score.key_projection.weight[None])
    query, key = inputs(2, dtype)
    got = score(query, key)
    expected = bilinear(
        query[:, :, None].expand(B, T, S, D_Q).contiguous(),
        key[:, None].expand(B, T, S, D_K).contiguous(),
    ).squeeze(-1)
    tolerance = {"rtol": 0, "atol": PRECISION[dtype]}
    torch.testing.assert_close(got, expected, **tolerance)
    upstream = torch.randn_like(got)
    ours = torch.autograd.grad(
        got, [query, key, score.key_projection.weight], upstream
    )
    theirs = torch.autograd.grad(
        expected, [query, key, bilinear.weight], upstream
    )
    torch.testing.assert_close(ours[:2], theirs[:2], **tolerance)
    torch.testing.assert_close(ours[2], theirs[2][0], **tolerance)


def test_concat_is_the_score_of_additive_attention():
    score = made("concat")
    attention = AdditiveAttention(D_Q, D_K, D_A).double()
    attention.load_state_dict(score.state_dict())
    query, key = inputs(3)
    _, weights = attention(query, key, key)
    torch.testing.assert_close(score(query, key).softmax(-1), weights)


def test_general_with_the_identity_is_dot():
    score = GeneralScore(D_Q, D_Q).double()
    nn.init.eye_(score.key_projection.weight)
    query, key = inputs(4, d_k=D_Q)
    torch.testing.assert_close(score(query, key), DotScore()(query, key))


def test_general_undoes_a_rotation_of_the_keys_and_dot_does_not():
    query, key = inputs(5, d_k=D_Q)
    rotation, _ = torch.linalg.qr(torch.randn(D_Q, D_Q, dtype=key.dtype))
    turned = key @ rotation.T
    score = GeneralScore(D_Q, D_Q).double()
    with torch.no_grad():
        score.key_projection.weight.copy_(rotation.T)
    expected = DotScore()(query, key)
    torch.testing.assert_close(score(query, turned), expected)
    assert not torch.allclose(DotScore()(query, turned), expected)


@ALL
def test_keys_projected_once_give_the_same_scores(name):
    score = made(name)
    query, key = fitting(name)
    torch.testing.assert_close(
        score(query, key, score.project(key)), score(query, key)
    )


@ALL
def test_gradients_are_those_of_finite_differences(name):
    score = made(name)
    assert torch.autograd.gradcheck(score, fitting(name))


@pytest.mark.parametrize("name", ["dot", "general", "concat"])
def test_a_score_of_contents_moves_with_its_key(name):
    score = made(name)
    query, key = fitting(name)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(
        score(query, key[:, order]), score(query, key)[..., order]
    )


def test_the_location_score_does_not_see_what_the_keys_hold():
    score = made("location")
    query, key = inputs()
    assert score(query, key).equal(score(query, torch.zeros_like(key)))
    longer = torch.zeros(B, S + 1, D_K)
    assert score(query, longer)[..., :S].equal(score(query, key))


@ALL
@settings(max_examples=15, deadline=None)
@given(t=st.integers(1, 4), s=st.integers(1, 9), seed=st.integers(0, 999))
def test_each_query_is_scored_by_itself(name, t, s, seed):
    torch.manual_seed(seed)
    score = made(name)
    query = torch.randn(B, t, D_Q, dtype=torch.float64)
    key = torch.randn(B, s, D_Q if name == "dot" else D_K).double()
    together = score(query, key)
    for at in range(t):
        alone = score(query[:, at : at + 1], key)
        torch.testing.assert_close(alone, together[:, at : at + 1])


@pytest.mark.parametrize("first", [0, 2])
def test_a_monotonic_window_is_a_band_around_the_step(first):
    window = monotonic_window(4, 6, 1, first)
    for t in range(4):
        for s in range(6):
            assert window[t, s] == (abs(s - t - first) <= 1)


def test_the_centre_of_a_monotonic_window_moves_by_its_slope():
    window = monotonic_window(4, 8, 1, slope=1.5)
    later = monotonic_window(2, 8, 1, first=2, slope=1.5)
    for t in range(4):
        for s in range(8):
            assert window[t, s] == (abs(s - 1.5 * t) <= 1)
    assert later.equal(window[2:])


@DTYPES
def test_a_gaussian_window_is_the_factor_of_the_paper(dtype):
    centre = torch.tensor([[0.0, 2.5], [4.2, 7.0]], dtype=dtype)
    inside, factor = gaussian_window(centre, 6, 2)
    for b in range(2):
        for t in range(2):
            for s in range(6):
                distance = s - centre[b, t].item()
                sigma = 2 / 2
                expected = math.exp(-(distance**2) / (2 * sigma**2))
                assert factor[b, t, s].item() == pytest.approx(
                    expected, abs=1e-5
                )
                assert inside[b, t, s] == (abs(distance) <= 2)


def test_at_the_edge_of_the_window_the_gaussian_is_down_to_a_seventh():
    _, factor = gaussian_window(torch.tensor([[3.0]]), 8, 3)
    assert factor[0, 0, 0].item() == pytest.approx(math.exp(-2), abs=1e-6)


def test_the_gaussian_tells_the_centre_which_way_to_move():
    centre = torch.tensor([[2.3]], dtype=torch.float64, requires_grad=True)
    _, factor = gaussian_window(centre, 6, 3)
    factor[0, 0, 4].backward()
    assert centre.grad.item() > 0  # towards the key asked for
    assert torch.autograd.gradcheck(
        lambda c: gaussian_window(c, 6, 3)[1], centre
    )


@settings(max_examples=30, deadline=None)
@given(length=st.integers(1, 50), seed=st.integers(0, 999))
def test_a_predicted_centre_lies_within_the_sentence(length, seed):
    torch.manual_seed(seed)
    centre = PredictedCentre(D_Q).double()
    query = 30 * torch.randn(2, T, D_Q, dtype=torch.float64)
    got = centre(query, torch.tensor([length, 1]))
    assert got.shape == (2, T)
    assert ((got >= 0) & (got <= torch.tensor([[length], [1]]))).all()


def test_a_predicted_centre_is_the_formula_of_the_paper():
    torch.manual_seed(0)
    centre = PredictedCentre(D_Q).double()
    query, _ = inputs()
    got = centre(query, torch.tensor([5, 3]))
    w, v = centre.hidden.weight, centre.v.weight[0]
    for b, length in enumerate([5, 3]):
        for t in range(T):
            share = torch.sigmoid(v @ torch.tanh(w @ query[b, t]))
            torch.testing.assert_close(got[b, t], length * share)


def test_queries_and_keys_of_different_size_are_refused_by_dot_alone():
    query, key = inputs()
    with pytest.raises(ValueError, match="GeneralScore takes other sizes"):
        DotScore()(query, key)
    assert made("general")(query, key).shape == (B, T, S)


@ALL
@pytest.mark.parametrize("wrong", ["query", "key"])
def test_a_wrong_shape_is_named(name, wrong):
    query, key = fitting(name)
    if wrong == "query":
        query = query[0]
    elif name == "location":
        key = torch.zeros(B, 10, D_K)
    else:
        key = key[..., :-1]
    with pytest.raises(ValueError, match=f"^{wrong} has shape"):
        made(name)(query, key)


@ALL
def test_batches_of_different_size_are_refused(name):
    query, key = fitting(name)
    with pytest.raises(ValueError, match=r"^(query|key) has shape"):
        made(name)(query, key[:1])


def test_a_source_longer_than_the_location_score_has_rows_is_refused():
    with pytest.raises(ValueError, match="at most 9 keys"):
        made("location")(torch.zeros(1, 1, D_Q), torch.zeros(1, 10, D_K))


def test_impossible_widths_and_lengths_are_refused():
    with pytest.raises(ValueError, match="half_width is -1; expected 0 or"):
        monotonic_window(2, 2, -1)
    with pytest.raises(ValueError, match="half_width is 0; expected more"):
        gaussian_window(torch.zeros(1, 1), 2, 0)
    with pytest.raises(ValueError, match=r"length has shape .* \(2,\)"):
        PredictedCentre(4)(torch.zeros(2, 3, 4), torch.ones(3))
