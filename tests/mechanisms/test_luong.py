"""Luong's translator: two ways through it, padding, windows, its wiring."""

import pytest
import torch
from torch import nn

from attnbook.mechanisms.luong import SCORES, WINDOWS, LuongTranslator
from attnbook.mechanisms.recurrent import BOS, EOS, StepwiseDecoder

KINDS = [
    {"score": score, "window": window, "input_feeding": feeding}
    for score in SCORES
    for window in WINDOWS
    for feeding in (False, True)
]
EACH = pytest.mark.parametrize(
    "kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values()))
)


def batch():
    source = torch.tensor([[3, 4, 5, 6, 7], [5, 3, 0, 0, 0]])
    target = torch.tensor([[BOS, 7, 8, 3], [BOS, 4, 3, 0]])
    return source, source != 0, target


def made(kind, seed=0):
    torch.manual_seed(seed)
    return LuongTranslator(10, 9, size=6, half_width=1.5, **kind).double()


@EACH
def test_all_steps_at_once_equal_one_by_one_forward_and_backward(kind):
    model = made(kind)
    results = []
    for run in (model.forward, lambda *a: StepwiseDecoder.forward(model, *a)):
        model.zero_grad()
        logits, weights = run(*batch())
        (logits.square().sum() + weights.square().sum()).backward()
        results.append(
            [logits, weights, *(p.grad for p in model.parameters())]
        )
    for once, stepwise in zip(*results, strict=True):
        torch.testing.assert_close(once, stepwise)


@EACH
def test_padding_changes_nothing(kind):
    model = made(kind)
    source, mask, target = batch()
    logits, weights = model(source, mask, target)
    alone, short = model(source[1:, :2], mask[1:, :2], target[1:])
    torch.testing.assert_close(logits[1:], alone)
    torch.testing.assert_close(weights[1:, :, :2], short)
    assert (weights[1, :, 2:] == 0).all()


@EACH
def test_later_target_tokens_cannot_change_earlier_predictions(kind):
    model = made(kind)
    source, mask, target = batch()
    logits, _ = model(source, mask, target)
    changed = target.clone()
    changed[:, 2] = 5
    later, _ = model(source, mask, changed)
    torch.testing.assert_close(later[:, :2], logits[:, :2])
    assert not torch.allclose(later[:, 2], logits[:, 2])


@EACH
def test_greedy_decoding_agrees_with_teacher_forcing_on_its_own_output(kind):
    model = made(kind, seed=3)
    source, mask, _ = batch()
    tokens, weights = model.generate(source, mask, 5)
    start = torch.full((2, 1), BOS)
    logits, forced = model(source, mask, torch.cat([start, tokens], 1)[:, :5])
    for row, expected in zip(tokens, logits.argmax(-1), strict=True):
        ended = (row == EOS).cumsum(0).cumsum(0) > 1
        assert row[~ended].equal(expected[~ended])
        assert (row[ended] == EOS).all()
    torch.testing.assert_close(weights, forced)


def test_the_wiring_is_the_formula_of_the_paper():
    """h_t from h_{t-1} and the token; c_t; h~ = tanh(W_c [c; h])."""
    model = made({"score": "general"})
    source, mask, target = batch()
    memory = model.encoder(source[:1], mask[:1])
    cell = nn.GRUCell(6, 6).double()
    for name, weight in cell.named_parameters():
        weight.data = getattr(model.gru, f"{name}_l0").data
    h = torch.tanh(model.start(memory.final))  # (1, D)
    logits, weights = model(source[:1], mask[:1], target[:1])
    for t, token in enumerate(target[0]):
        h = cell(model.embedding(token)[None], h)
        scores = memory.states[0] @ (
            model.score.key_projection.weight.T @ h[0]
        )
        a = scores.softmax(0)  # (S,)
        c = a @ memory.states[0]  # (D,)
        attentional = torch.tanh(model.combine.weight @ torch.cat([c, h[0]]))
        torch.testing.assert_close(weights[0, t], a)
        torch.testing.assert_close(
            logits[0, t], model.readout.weight @ attentional
        )


def test_with_input_feeding_what_was_read_enters_the_next_step():
    """Change h~ at step 0, and see whether the query of step 1 moves."""
    source, mask, target = batch()
    for feeding in (False, True):
        model = made({"input_feeding": feeding})
        _, before = model(source, mask, target)
        with torch.no_grad():
            model.combine.weight.mul_(-1)
        _, after = model(source, mask, target)
        assert before[:, 0].equal(after[:, 0])
        assert before[:, 1].equal(after[:, 1]) is not feeding


def test_a_local_window_gives_no_weight_outside_and_local_p_less_than_1():
    source, mask, target = batch()
    _, weights = made({"window": "local-m"})(source, mask, target)
    for t in range(4):
        for s in range(5):
            assert (weights[0, t, s] > 0) == (abs(s - t) <= 1.5)
    torch.testing.assert_close(
        weights[0].sum(-1), torch.ones(4, dtype=torch.float64)
    )
    _, weights = made({"window": "local-p"})(source, mask, target)
    assert ((weights > 0).sum(-1) <= 4).all()
    assert (weights.sum(-1) < 1).all()


def test_the_window_of_local_m_moves_by_its_slope():
    source, mask, target = batch()
    _, weights = made({"window": "local-m", "slope": 1.5})(
        source, mask, target
    )
    for t in range(4):
        for s in range(5):
            assert (weights[0, t, s] > 0) == (abs(s - 1.5 * t) <= 1.5)


@pytest.mark.parametrize("score", ["general", "concat"])
def test_the_encoder_may_be_wider_than_the_decoder(score):
    model = made({"score": score, "encoder_size": 5})
    source, mask, target = batch()
    memory, state = model.start_from(source, mask)
    assert memory.states.shape == (2, 5, 10)
    assert state.hidden.shape == (2, 6)
    logits, weights = model(source, mask, target)
    stepwise = StepwiseDecoder.forward(model, source, mask, target)
    torch.testing.assert_close((logits, weights), stepwise)


def test_beyond_a_short_source_a_monotonic_window_is_empty_and_harmless():
    model = made({"window": "local-m"})
    source, mask, target = batch()
    logits, weights = model(source, mask, target)
    assert (weights[1, 3] == 0).all()  # two tokens, and step 3
    assert logits.isfinite().all()
    logits.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_the_centre_learns_through_the_gaussian_alone():
    model = made({"window": "local-p"})
    logits, _ = model(*batch())
    logits.square().sum().backward()
    assert model.centre.v.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "cosine"}, "score is 'cosine'; expected one of dot,"),
        ({"window": "local"}, "window is 'local'; expected one of global,"),
        ({"size": 7}, "size is 7; expected an even number"),
    ],
)
def test_a_wrong_option_is_named_with_what_there_is(options, message):
    with pytest.raises(ValueError, match=message):
        LuongTranslator(10, 9, **{"size": 6, **options})
