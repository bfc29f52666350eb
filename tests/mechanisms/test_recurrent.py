"""The two translators: padding, decoding, and where they differ."""

import pytest
import torch

from attnbook.mechanisms.recurrent import (
    BOS,
    EOS,
    AdditiveTranslator,
    FixedVectorTranslator,
)

BOTH = pytest.mark.parametrize(
    "translator", [FixedVectorTranslator, AdditiveTranslator]
)


def batch():
    source = torch.tensor([[3, 4, 5, 6], [5, 3, 0, 0]])
    mask = source != 0
    target = torch.tensor([[BOS, 7, 8, 3], [BOS, 4, 3, 0]])
    return source, mask, target


def made(translator, seed=0):
    torch.manual_seed(seed)
    return translator(10, 9, size=6).double()


@BOTH
def test_padding_changes_nothing(translator):
    model = made(translator)
    source, mask, target = batch()
    logits, _ = model(source, mask, target)
    alone, _ = model(source[1:, :2], mask[1:, :2], target[1:])
    torch.testing.assert_close(logits[1:], alone)


@BOTH
def test_later_target_tokens_cannot_change_earlier_predictions(translator):
    model = made(translator)
    source, mask, target = batch()
    logits, _ = model(source, mask, target)
    changed = target.clone()
    changed[:, 3] = 5
    later, _ = model(source, mask, changed)
    torch.testing.assert_close(later[:, :3], logits[:, :3])
    assert not torch.allclose(later[:, 3], logits[:, 3])


@BOTH
def test_greedy_decoding_agrees_with_teacher_forcing_on_its_own_output(
    translator,
):
    model = made(translator, seed=3)
    source, mask, _ = batch()
    tokens, weights = model.generate(source, mask, 5)
    start = torch.full((2, 1), BOS)
    logits, forced = model(source, mask, torch.cat([start, tokens], 1)[:, :5])
    open_until = (tokens == EOS).cumsum(1) <= 1
    assert (logits.argmax(-1) == tokens)[open_until].all()
    if weights is not None:
        torch.testing.assert_close(weights[open_until], forced[open_until])


@BOTH
def test_after_the_end_mark_only_end_marks_follow(translator):
    model = made(translator)
    with torch.no_grad():
        model.readout.bias[EOS] = 1e3
    source, mask, _ = batch()
    tokens, _ = model.generate(source, mask, 4)
    assert (tokens == EOS).all()


def test_only_attention_returns_weights_and_they_ignore_padding():
    source, mask, target = batch()
    _, none = made(FixedVectorTranslator)(source, mask, target)
    assert none is None
    _, weights = made(AdditiveTranslator)(source, mask, target)
    assert weights.shape == (2, 4, 4)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4).double())
    assert (weights[1, :, 2:] == 0).all()


def test_the_fixed_vector_is_the_same_at_every_step():
    model = made(FixedVectorTranslator)
    source, mask, _ = batch()
    memory, _ = model.start_from(source, mask)
    one, _ = model.look(torch.zeros(2, 6).double(), memory)
    other, _ = model.look(torch.ones(2, 6).double(), memory)
    assert one is other
    assert one.shape == (2, 12)


def test_the_context_of_attention_depends_on_the_state():
    model = made(AdditiveTranslator)
    source, mask, _ = batch()
    memory, _ = model.start_from(source, mask)
    one, _ = model.look(torch.zeros(2, 6).double(), memory)
    other, _ = model.look(torch.ones(2, 6).double(), memory)
    assert not torch.allclose(one, other)


def test_every_parameter_receives_a_gradient():
    model = made(AdditiveTranslator)
    source, mask, target = batch()
    logits, _ = model(source, mask, target)
    logits.square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


@BOTH
def test_generating_nothing_is_refused(translator):
    source, mask, _ = batch()
    with pytest.raises(ValueError, match="at least 1 token"):
        made(translator).generate(source, mask, 0)


@BOTH
def test_a_mask_of_another_shape_is_named(translator):
    source, mask, target = batch()
    with pytest.raises(ValueError, match=r"source_mask has shape \(2, 3\)"):
        made(translator)(source, mask[:, :3], target)
