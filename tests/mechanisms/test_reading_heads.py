"""Scores of heads that are made by hand, and heads that are taken away."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.decoder_only import DecoderOnly
from attnbook.mechanisms.multi_head import MultiHeadAttention
from attnbook.mechanisms.reading import (
    every_ablation,
    induction_places,
    induction_score,
    mean_weight,
    previous_token_score,
    without_heads,
)


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_the_place_of_induction_is_behind_the_last_occurrence(tokens):
    found = induction_places(torch.tensor([tokens]))[0].tolist()
    for t, token in enumerate(tokens):
        before = [at for at in range(t) if tokens[at] == token]
        assert found[t] == (before[-1] + 1 if before else -1)


def perfect(places, S):
    """A head that puts all its weight on these places: (B, 1, T, S)."""
    on = torch.nn.functional.one_hot(places.clamp(min=0), S).double()
    return on[:, None]


def test_a_head_made_for_it_has_the_score_one_and_another_none():
    ids = torch.tensor([[5, 7, 9, 5, 7, 9, 5]])
    head = perfect(induction_places(ids), 7)
    before = perfect(torch.arange(-1, 6)[None], 7)
    both = torch.cat([head, before], 1)
    assert induction_score(both, ids).tolist() == [1, 0]
    assert previous_token_score(both)[1] == 1
    assert previous_token_score(both)[0] < 0.5


def test_uniform_weights_score_by_the_number_of_keys():
    ids = torch.tensor([[1, 2, 1, 2]])
    weights = torch.ones(4, 4).tril()
    weights = (weights / weights.sum(-1, keepdim=True))[None, None]
    assert induction_score(weights, ids).item() == pytest.approx(
        (1 / 3 + 1 / 4) / 2
    )
    assert previous_token_score(weights).item() == pytest.approx(
        (1 / 2 + 1 / 3 + 1 / 4) / 3
    )


def test_what_cannot_be_scored_is_named():
    weights = torch.rand(1, 2, 3, 3)
    with pytest.raises(ValueError, match="at least one query"):
        induction_score(weights, torch.tensor([[1, 2, 3]]))
    with pytest.raises(ValueError, match="places has shape"):
        mean_weight(weights, torch.zeros(3, 1, dtype=torch.long))
    with pytest.raises(ValueError, match="a key from 0 to 2"):
        mean_weight(weights, torch.full((1, 3), 3))


def layer():
    torch.manual_seed(0)
    return MultiHeadAttention(12, 3).double(), torch.randn(
        2, 5, 12, dtype=torch.double
    )


@pytest.mark.parametrize("head", range(3))
def test_a_head_set_to_zero_is_a_head_that_is_pruned(head):
    attention, x = layer()
    gate = torch.ones(3, dtype=torch.double)
    gate[head] = 0
    wanted, _ = attention(x, x, x, gate=gate)
    whole, weights = attention(x, x, x)
    with without_heads([attention], [(0, head)]):
        output, still = attention(x, x, x)
    torch.testing.assert_close(output, wanted)
    torch.testing.assert_close(still, weights)
    torch.testing.assert_close(attention(x, x, x)[0], whole)


def test_a_head_set_to_its_mean_keeps_the_mean_of_the_output():
    attention, x = layer()
    whole, _ = attention(x, x, x)
    with without_heads([attention], [(0, 0), (0, 1), (0, 2)], "mean"):
        output, _ = attention(x, x, x)
    torch.testing.assert_close(output, whole.mean((0, 1)).expand_as(output))


def test_all_heads_of_a_model_gone_leave_a_model_of_single_tokens():
    torch.manual_seed(0)
    model = DecoderOnly(7, 8, 2, 2, 5).double().eval()
    ids = torch.tensor([[1, 2, 3], [4, 2, 6]])
    everything = [(layer, head) for layer in range(2) for head in range(2)]
    attentions = [block.attention for block in model.blocks]
    with without_heads(attentions, everything):
        logits, _ = model(ids)
    torch.testing.assert_close(logits[0, 1], logits[1, 1])  # both read 2
    assert not torch.allclose(model(ids)[0][0, 1], model(ids)[0][1, 1])


def test_a_head_comes_back_after_an_error():
    attention, x = layer()
    whole, _ = attention(x, x, x)
    with pytest.raises(RuntimeError), without_heads([attention], [(0, 1)]):
        raise RuntimeError
    torch.testing.assert_close(attention(x, x, x)[0], whole)


@pytest.mark.parametrize(
    ("heads", "fill", "words"),
    [
        ([(1, 0)], "zero", "no attention 1"),
        ([(0, 3)], "zero", "no head 3"),
        ([(0, -1)], "zero", "no head -1"),
        ([(0, 0)], "noise", "fill is 'noise'"),
    ],
)
def test_heads_that_are_not_there_are_named(heads, fill, words):
    attention, _ = layer()
    with (
        pytest.raises(ValueError, match=words),
        without_heads([attention], heads, fill),
    ):
        pass


def test_every_set_of_heads_is_taken_away_once():
    torch.manual_seed(0)
    model = DecoderOnly(7, 8, 2, 2, 6).double().eval()
    ids = torch.tensor([1, 2, 3, 1, 2])
    found = every_ablation(model, ids)
    assert found.earlier.shape == (2, 4, 4)
    assert found.later.shape == (4, 2, 4, 4)
    assert found.losses.shape == (16, 4)
    attentions = [block.attention for block in model.blocks]
    gone = [(0, 1), (1, 0)]  # 2 + 4
    with torch.no_grad(), without_heads(attentions, gone):
        logits, weights = model(ids[None, :-1])
    wanted = -logits[0].log_softmax(-1)[range(4), ids[1:]]
    torch.testing.assert_close(found.losses[6], wanted)
    torch.testing.assert_close(found.later[2], weights[1][0])
    torch.testing.assert_close(found.earlier, weights[0][0])
    with torch.no_grad():
        _, weights = model(ids[None, :-1])
    torch.testing.assert_close(found.later[0], weights[1][0])
    with pytest.raises(ValueError, match="expected 2"):
        every_ablation(DecoderOnly(7, 8, 2, 1, 6), ids)
    with pytest.raises(ValueError, match="ids has shape"):
        every_ablation(model, ids[None])
