"""The tables of hidden words support what chapter 11 says of them."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from attnbook.data.number_names import NumberNames
from attnbook.experiments import table
from attnbook.experiments.masked_words import (
    FILLING,
    GENERATING,
    LOSSES,
    RATES,
    SAMPLING,
    SEEDS,
    Autoregressive,
    Counted,
    bound,
    distance,
    filled,
    judged,
    left_to_right,
    made_one_by_one,
    run,
    trained,
    under_every_mask,
    untrained,
    words_that_fit,
    written,
)
from attnbook.mechanisms.modalities import (
    MaskedModel,
    diffusion_loss,
    noised_tokens,
    unmask,
)


@pytest.fixture(scope="module")
def names():
    return NumberNames()


def cells(kind, model, key, **where):
    return [
        row[key]
        for row in table(f"masked_words{kind}")
        if row["model"] == model
        and all(row[name] == value for name, value in where.items())
    ]


def made(model, steps, key="valid"):
    return cells("_generated", model, key, passes=steps)


# --- what the chapter says --------------------------------------------------


def test_every_model_has_all_seeds():
    for model in FILLING:
        assert cells("", model, "seed") == list(SEEDS)
    for model in GENERATING:
        assert cells("_nats", model, "seed") == list(SEEDS)
        steps = (7,) if model == "autoregressive" else SAMPLING
        for each in steps:
            assert cells("_generated", model, "seed", passes=each) == list(
                SEEDS
            )


def test_all_models_have_the_same_parameters():
    sizes = {
        size for model in FILLING for size in cells("", model, "parameters")
    }
    assert sizes == {104_930}


@pytest.mark.parametrize("variant", LOSSES)
def test_the_best_rate_lies_inside_of_those_that_were_tried(variant):
    tried = dict(
        zip(
            cells("_rates", variant, "rate"),
            cells("_rates", variant, "nats"),
            strict=True,
        )
    )
    if variant == "never masks":
        assert sorted(tried) == sorted(RATES)
        assert min(tried.values()) > 3.5  # worse than knowing nothing
    else:
        best = min(tried, key=tried.__getitem__)
        assert min(tried) < best < max(tried)


def test_at_a_mask_all_but_the_draft_are_near_the_best_that_is_possible():
    (best,) = cells("", "counted", "nats")
    for model in ("80/10/10", "masks only", "loss over all"):
        assert max(cells("", model, "nats")) < best + 0.02
        assert min(cells("", model, "named")) > 0.99
    assert min(cells("", "never masks", "nats")) > math.log(34)
    assert max(cells("", "never masks", "named")) < 0.25
    assert max(cells("", "never masks", "loss")) < 0.001


def test_only_a_model_that_was_asked_there_answers_at_a_visible_word():
    assert min(cells("", "80/10/10", "repaired")) > 0.98
    assert max(cells("", "masks only", "repaired")) < 0.8
    assert min(cells("", "80/10/10", "kept")) > 0.99
    assert max(cells("", "masks only", "kept")) < 0.5


def test_a_loss_over_all_tokens_reports_less_and_fills_in_as_well():
    over, right = (
        cells("", model, "nats") for model in ("loss over all", "80/10/10")
    )
    assert np.mean(over) == pytest.approx(np.mean(right), abs=0.005)
    assert max(cells("", "loss over all", "loss")) < 0.2
    assert min(cells("", "80/10/10", "loss")) > 1.1
    assert max(cells("", "loss over all", "repaired")) < min(
        cells("", "80/10/10", "repaired")
    )


def test_the_right_side_brings_0_15_nats():
    gap = np.mean(cells("", "left only", "nats"))
    gap -= np.mean(cells("", "80/10/10", "nats"))
    (left,) = cells("", "counted, left only", "nats")
    (both,) = cells("", "counted", "nats")
    assert gap == pytest.approx(left - both, abs=0.01)
    assert gap == pytest.approx(0.15, abs=0.005)


def test_a_perfect_model_fails_in_few_steps_as_the_trained_one_does():
    for steps in (1, 2, 4):
        perfect, ours = (
            np.mean(made(model, steps)) for model in ("counted", "diffusion")
        )
        assert ours == pytest.approx(perfect, abs=0.03)
    assert np.mean(made("counted", 1)) == pytest.approx(0.28, abs=0.005)
    assert made("counted", 7) == [1.0] * len(SEEDS)
    assert min(made("diffusion", 7)) > 0.97


def test_with_one_step_each_word_is_right_and_their_number_is_not():
    assert max(made("diffusion", 1, "first word")) < 0.05
    assert min(made("diffusion", 1, "words")) > 0.4


def test_the_models_do_not_copy():
    share = NumberNames().trained_on(range(10_000)).mean()
    assert share == pytest.approx(0.8591)
    for model in set(GENERATING) - {"one masked"}:  # too few names to say
        for known in made(model, 7, "known"):
            assert known == pytest.approx(share, abs=0.025)
    assert made("counted, training", 7, "known") == [1.0] * len(SEEDS)


def test_a_fixed_half_makes_no_fewer_names_than_a_rate_for_each_row():
    assert min(made("half masked", 7)) > max(made("diffusion", 7))
    half, own = (
        np.mean(cells("_nats", model, "bound"))
        for model in ("half masked", "diffusion")
    )
    assert half < own


def test_who_always_saw_one_mask_fills_one_gap_and_makes_few_names():
    (best,) = cells("", "counted", "nats")
    tried = cells("_rates", "one masked", "nats")
    assert min(tried) < best + 0.02
    assert np.mean(made("one masked", 7)) == pytest.approx(0.085, abs=0.001)
    assert max(made("one masked", 7)) < 0.2 < 0.9 < min(made("80/10/10", 7))


def test_fifteen_in_a_hundred_make_names_of_wrong_lengths():
    for valid in made("masks only", 7):
        assert valid == pytest.approx(0.96, abs=0.01)
    assert min(made("masks only", 7, "words")) > 0.06
    assert max(made("diffusion", 7, "words")) < 0.02
    assert min(cells("_nats", "masks only", "bound")) > 1.35
    assert max(cells("_nats", "diffusion", "bound")) < 1.33


def test_the_autoregressive_model_makes_fewer_errors_at_equal_nats():
    assert np.mean(made("autoregressive", 7)) == pytest.approx(0.995, abs=5e-4)
    assert np.mean(made("diffusion", 7)) == pytest.approx(0.973, abs=5e-4)
    one, other = (
        np.mean(cells("_nats", model, "exact"))
        for model in ("diffusion", "autoregressive")
    )
    assert one - other == pytest.approx(0.002, abs=1e-3)


def test_the_bound_is_above_the_exact_nats_and_both_above_the_truth():
    (floor,) = set(cells("_nats", "counted", "bound"))
    assert floor == pytest.approx(math.log(10_000) / 7, abs=1e-4)
    for row in table("masked_words_nats"):
        if row["bound"] not in ("", floor):
            assert floor < row["exact"] < row["bound"]


# --- the study itself -------------------------------------------------------


def test_counting_says_what_fits(names):
    counted = Counted(names.rows, names.mask_id)
    row = names.encode("drei [MASK] vier hundert")[None]
    row[:, 4:] = names.mask_id
    p = counted(row)[0].softmax(-1)
    assert p[1, names.tokens.index("tausend")] == 1
    left = Counted(names.rows, names.mask_id, left=True)(row)[0].softmax(-1)
    assert 0 < left[1, names.tokens.index("hundert")] < 1


def test_words_that_fit_are_those_that_make_a_name(names):
    row = names.encode("drei [MASK] vierzig")[None]
    fit = words_that_fit(names, row, torch.tensor([1]))[0]
    found = [names.tokens[i] for i in fit.nonzero()[:, 0].tolist()]
    assert found == ["hundert", "tausend", "und"]


class Noise(nn.Module):
    """Logits that depend on all that is shown: a model with no structure."""

    def __init__(self, T, V):
        super().__init__()
        g = torch.Generator().manual_seed(3)
        self.table = torch.randn(V**T, T, V, generator=g)
        self.place = V ** torch.arange(T)

    def forward(self, ids):
        return self.table[(ids * self.place).sum(-1)].clone()


def test_the_exact_probabilities_of_the_sampler_sum_to_one_and_are_its_own():
    model, M = Noise(3, 4), 3
    every = torch.cartesian_prod(*[torch.arange(3)] * 3)
    log_p = made_one_by_one(under_every_mask(model, every, M))
    assert log_p.exp().sum().item() == pytest.approx(1)
    g = torch.Generator().manual_seed(0)
    drawn = unmask(model, torch.full((20_000, 3), M), M, 3, g)
    counts = torch.bincount((drawn * torch.tensor([9, 3, 1])).sum(-1))
    assert (counts / 20_000 - log_p.exp()).abs().max() < 0.015


def test_the_bound_is_the_mean_of_the_loss_of_diffusion():
    torch.manual_seed(0)
    model, M = Noise(3, 4), 3
    row = torch.tensor([[0, 2, 1]])
    log_p = under_every_mask(model, row, M)
    exact = bound(log_p).item()
    assert exact > -made_one_by_one(log_p).item()
    g = torch.Generator().manual_seed(0)
    ids = row.repeat(100_000, 1)
    seen, masked, t = noised_tokens(ids, M, g)
    logits = model(seen)
    logits[..., M] = -1e9
    drawn = 3 * diffusion_loss(logits, ids, masked, t).item()
    assert drawn == pytest.approx(exact, rel=0.01)


def test_an_autoregressive_model_sees_no_token_that_it_predicts(names):
    torch.manual_seed(0)
    model = Autoregressive(MaskedModel(34, 7), names.mask_id).eval()
    row = names.rows[None, 1234]
    other = row.clone()
    other[0, 3:] = 5
    assert torch.equal(model(row)[0, :4], model(other)[0, :4])
    assert not torch.equal(model(row)[0, 4], model(other)[0, 4])
    drawn = written(model, 5, names, torch.Generator().manual_seed(0))
    assert (drawn != names.mask_id).all()
    assert left_to_right(model, drawn, names.mask_id).shape == (5,)


def test_left_only_does_not_see_the_right_side(names):
    model = untrained("left only", names, 0).eval()
    row = names.rows[None, 1234]
    other = row.clone()
    other[0, 3:] = 5
    assert torch.equal(model(row)[0, :3], model(other)[0, :3])


def test_true_names_are_judged_as_true(names):
    found = judged(names.rows, names)
    assert found["valid"] == 1 and found["known"] == 0.8591
    assert found["words"] == found["first word"] == 0
    assert distance(torch.tensor([0, 0]), torch.tensor([1, 1])) == 1


def test_the_study_at_a_reduced_size_still_separates_them(names):
    models = {
        name: trained(name, names, 8e-3, 0, 150)[0]
        for name in ("80/10/10", "never masks")
    }
    good, bad = (filled(model, names) for model in models.values())
    assert good["nats"] < 1.5 < 3 < bad["nats"]
    assert good["named"] > 0.8 > 0.4 > bad["named"]


def test_the_study_runs_and_writes_what_it_says():
    tables = run(("diffusion",), (0,), 3, (2e-3, 4e-3), made=20, scored=4)
    for name, rows in tables.items():
        assert rows and set(rows[0]) == set(table(name)[0])
