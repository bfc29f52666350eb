"""The fit loop and the measures, on tasks small enough to reason about."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook import data, train
from attnbook.data.windows import Windows
from attnbook.mechanisms.recurrent import (
    AdditiveTranslator,
    FixedVectorTranslator,
)


def small_task():
    return data.telephone_numbers("de", pairs=(1, 2), longer=(3, 3))


def made(translator=AdditiveTranslator, seed=0, size=16):
    task = small_task()
    torch.manual_seed(seed)
    return translator(
        len(task.source_vocabulary), len(task.target_vocabulary), size
    )


class KnowsTheTruth(torch.nn.Module):
    """Writes what it is told to, so that the measures are known."""

    def __init__(self, tokens):
        super().__init__()
        self.tokens = tokens

    def generate(self, source, source_mask, length):
        return self.tokens[:, :length], None


def test_the_same_seed_gives_the_same_weights():
    models = [made(), made()]
    for model in models:
        train.fit(model, small_task(), 5, 8, seed=1, progress=False)
    one, other = (model.state_dict() for model in models)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_another_seed_gives_other_weights():
    models = [made(), made()]
    for seed, model in enumerate(models):
        train.fit(model, small_task(), 5, 8, seed=seed, progress=False)
    one, other = (model.state_dict() for model in models)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_training_lowers_the_loss_and_learns_one_pair():
    model = made(size=32)
    task = data.telephone_numbers("de", pairs=(1, 1), longer=(2, 2))
    history = train.fit(model, task, 250, 64, progress=False)
    assert history.steps == 250
    assert np.mean(history.loss[-10:]) < 0.25 * np.mean(history.loss[:10])
    examples = task.examples(80, "train", length=1)
    assert train.exact_match(model, task.collate(examples)) > 0.9


def test_a_target_stops_the_fit_as_soon_as_it_is_reached(monkeypatch):
    measured = iter([0.2, 0.89, 0.95, 1.0])
    monkeypatch.setattr(train, "exact_match", lambda *_: next(measured))
    history = train.fit(
        made(), small_task(), 50, 8, target=0.9, every=5, progress=False
    )
    assert history.checks == [(5, 0.2), (10, 0.89), (15, 0.95)]
    assert history.steps == 15


def test_the_gradient_is_clipped(monkeypatch):
    seen = []
    clip = torch.nn.utils.clip_grad_norm_

    def record(parameters, limit):
        parameters = list(parameters)
        clip(parameters, limit)
        seen.append(
            torch.stack([p.grad.norm() for p in parameters]).norm().item()
        )

    monkeypatch.setattr(train.nn.utils, "clip_grad_norm_", record)
    train.fit(made(), small_task(), 3, 8, clip=0.01, progress=False)
    assert len(seen) == 3
    assert max(seen) <= 0.0101


def test_the_rate_grows_linearly_then_falls_to_nothing():
    rates = [train.learning_rate(step, 100, 10) for step in range(100)]
    np.testing.assert_allclose(rates[:10], np.arange(1, 11) / 10)
    assert max(rates) == 1
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert rates[-1] < 0.001


def test_the_loss_ignores_padding():
    task = small_task()
    model = made()
    batch = task.sample(6, np.random.default_rng(0))
    loss = train.batch_loss(model, batch)
    logits, _ = model(batch.source, batch.source_mask, batch.target_in)
    by_hand = [
        -F.log_softmax(logits[b, t], -1)[batch.target_out[b, t]]
        for b in range(6)
        for t in range(batch.target_out.shape[1])
        if batch.target_mask[b, t]
    ]
    torch.testing.assert_close(loss, torch.stack(by_hand).mean())


def test_one_wrong_digit_makes_an_answer_wrong():
    task = small_task()
    batch = task.collate(task.examples(4, "train", length=2, seed=3))
    right = batch.target_out.clone()
    assert train.exact_match(KnowsTheTruth(right), batch) == 1
    wrong = right.clone()
    wrong[1, 2] = 3 if right[1, 2] != 3 else 4
    assert train.exact_match(KnowsTheTruth(wrong), batch) == 0.75
    unfinished = right.clone()
    unfinished[0, -1] = 5
    assert train.exact_match(KnowsTheTruth(unfinished), batch) == 0.75


class Bigrams(torch.nn.Module):
    """A language model whose logits depend on the last token alone."""

    def __init__(self, logits):
        super().__init__()
        self.table = torch.nn.Parameter(logits)

    def forward(self, ids):
        return self.table[ids], None


def test_the_loss_of_windows_is_that_of_each_next_token():
    model = Bigrams(torch.randn(5, 5))
    windows = torch.tensor([[0, 3, 1], [4, 4, 2]])
    log_p = model.table.log_softmax(-1)
    expected = [log_p[a, b] for row in windows for a, b in pairwise(row)]
    torch.testing.assert_close(
        train.text_loss(model, windows), -torch.stack(expected).mean()
    )


@settings(max_examples=60, deadline=None)
@given(
    ids=st.lists(st.integers(0, 4), min_size=2, max_size=200),
    longest=st.integers(1, 20),
)
def test_every_token_of_a_text_counts_once(ids, longest):
    torch.manual_seed(0)
    model = Bigrams(torch.randn(5, 5))
    log_p = model.table.log_softmax(-1)
    expected = math.log(5) - sum(log_p[a, b].item() for a, b in pairwise(ids))
    found = train.text_log_loss(model, ids, longest)
    assert math.isclose(found, expected, rel_tol=1e-4)


def test_a_prediction_has_half_a_window_before_it():
    class Counts(Bigrams):
        """Is sure of what it predicts from half a window on."""

        def forward(self, ids):
            logits = torch.zeros(*ids.shape, 2)
            logits[:, 4:, 0] = 50.0
            return logits, None

    ids = [0] * 100
    unsure = 1 + 4  # the first token, and those of the first half window
    found = train.text_log_loss(Counts(torch.zeros(1)), ids, 8)
    assert math.isclose(found, unsure * math.log(2), rel_tol=1e-5)


@pytest.mark.parametrize("count, longest", [(1, 8), (8, 0)])
def test_a_text_without_a_prediction_is_refused(count, longest):
    with pytest.raises(ValueError, match=f"ids has {count} tokens"):
        train.text_log_loss(Bigrams(torch.zeros(5, 5)), [0] * count, longest)


def test_a_language_model_is_trained_by_its_own_loss():
    model = Bigrams(torch.zeros(3, 3))
    text = Windows([0, 1, 2] * 20, 5)
    train.fit(model, text, 60, 4, 0.1, progress=False, loss_of=train.text_loss)
    assert train.text_log_loss(model, [0, 1, 2, 0], 5) < math.log(3) + 0.3


def test_what_stands_after_the_end_does_not_count():
    task = small_task()
    examples = task.examples(1, "train", length=1) + task.examples(
        1, "train", length=2
    )
    batch = task.collate(examples)
    tokens = batch.target_out.clone()
    tokens[~batch.target_mask] = 7
    assert train.exact_match(KnowsTheTruth(tokens), batch) == 1


def test_accuracy_by_length_measures_each_length_asked_for():
    accuracy = train.accuracy_by_length(
        made(FixedVectorTranslator), small_task(), [1, 2], count=5
    )
    assert list(accuracy) == [1, 2]
    assert all(0 <= value <= 1 for value in accuracy.values())


def test_alignment_score_is_one_when_all_weight_is_on_the_truth():
    truth = torch.tensor([[[True, False, False], [False, True, True]]])
    weights = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.25, 0.75]]])
    assert train.alignment_score(weights, truth) == 1


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 6),
    seed=st.integers(0, 9999),
)
def test_uniform_attention_scores_the_share_of_true_tokens(
    rows, columns, seed
):
    rng = np.random.default_rng(seed)
    truth = rng.random((rows, columns)) < 0.5
    truth[0, 0] = True
    counted = truth[truth.any(1)]
    score = train.alignment_score(np.full(truth.shape, 1 / columns), truth)
    assert math.isclose(score, counted.mean(), abs_tol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "at least 1 of each"),
        ({"steps": 5, "batch_size": 0}, "at least 1 of each"),
        ({"steps": 5, "target": 1.5}, "expected an exact match above 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        train.fit(made(), small_task(), progress=False, **arguments)


def test_a_loss_that_explodes_is_reported_with_the_step():
    model = made()
    with torch.no_grad():
        model.readout.bias.fill_(math.nan)
    with pytest.raises(FloatingPointError, match=r"nan at step 0.*smaller"):
        train.fit(model, small_task(), 3, 8, progress=False)


def test_alignment_score_refuses_shapes_that_differ_and_empty_truth():
    with pytest.raises(ValueError, match="expected the same"):
        train.alignment_score(torch.zeros(2, 3), torch.zeros(3, 2).bool())
    with pytest.raises(ValueError, match="nothing to score"):
        train.alignment_score(torch.zeros(2, 3), torch.zeros(2, 3).bool())
