"""The tables of speculative decoding support what chapter 07 says of it."""

import pytest
import torch

from attnbook.experiments import table
from attnbook.experiments.speculation import (
    DRAWS,
    GAMMAS,
    RULES,
    drafting,
    measure,
    pair_probabilities,
    text,
)
from attnbook.mechanisms.decoder_only import (
    DecoderOnly,
    chi_squared,
    tokens_per_pass,
)
from attnbook.mechanisms.decoder_only.sampling import drawn_from
from attnbook.mechanisms.n_gram import NGram

BUGS = [name for name in RULES if name != "right"]


def rows(gamma):
    return [row for row in table("speculation") if row["γ"] == gamma]


@pytest.mark.parametrize("gamma", GAMMAS)
def test_three_models_were_measured_at_every_gamma(gamma):
    assert [row["seed"] for row in rows(gamma)] == [0, 1, 2]
    assert all(row["draws"] == DRAWS for row in rows(gamma))


def test_nothing_shows_that_the_distribution_moved():
    """Of twelve p-values the smallest is below 0.004 in one case of 20."""
    p_values = [row["p-value"] for row in table("speculation")]
    assert min(p_values) > 0.05 / len(p_values)


@pytest.mark.parametrize("gamma", [gamma for gamma in GAMMAS if gamma])
def test_the_tokens_of_a_pass_are_those_of_the_formula(gamma):
    for row in rows(gamma):
        assert row["formula"] == pytest.approx(
            tokens_per_pass(row["acceptance"], gamma), abs=2e-4
        )
        assert row["tokens a pass"] == pytest.approx(row["formula"], rel=0.08)
        assert 1.3 < row["tokens a pass"] < 2.2


def test_without_a_draft_a_pass_gives_one_token():
    for row in rows(0):
        assert row["tokens a pass"] == 1 and row["judged"] == 0


@pytest.mark.parametrize("bug", BUGS)
def test_each_bug_shows_as_a_bias(bug):
    found = [row for row in table("speculation_bugs") if row["bug"] == bug]
    assert [row["seed"] for row in found] == [0, 1, 2]
    for row in found:
        assert row["p-value"] < 1e-4
        assert row["distance"] > 0.01


def distributions(seed, count):
    chance = torch.Generator().manual_seed(seed)
    values = torch.randn(count, 6, generator=chance, dtype=torch.float64)
    return values.mul(1.5).softmax(-1)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_s_first_token_is_what_its_formula_says(name):
    rule, (p, later), q = RULES[name], distributions(3, 2), distributions(4, 1)
    chance = torch.Generator().manual_seed(2)
    counts = torch.zeros(6)
    proposed = rule.proposals(q)
    for _ in range(4000):
        drafted = drawn_from(proposed, chance)
        n, following = rule.verify(
            torch.stack([p, later]), proposed, drafted, chance
        )
        counts[int(drafted[0]) if n else following] += 1
    first = rule.first(p, q[0])
    assert chi_squared(counts, first).p_value > 0.01
    if name != "right":
        assert chi_squared(counts, p).p_value < 1e-6


def test_a_draft_is_the_n_gram_model_whatever_stands_before():
    model = NGram.fit([0, 1, 2, 0, 1, 3, 0, 1, 2], 3, 4)
    draft = drafting(model)
    for context in ([0, 1], [3, 3, 0, 1], [2], []):
        torch.testing.assert_close(
            draft(context), torch.tensor(model.probabilities(context))
        )


def test_the_probabilities_of_pairs_are_those_of_two_steps():
    torch.manual_seed(0)
    model = DecoderOnly(5, 8, 2, 1, 9)
    pairs = pair_probabilities(model, [1, 2])
    with torch.no_grad():
        for a in range(5):
            first = model(torch.tensor([[1, 2]]))[0][0, -1].softmax(-1)[a]
            then = model(torch.tensor([[1, 2, a]]))[0][0, -1].softmax(-1)
            torch.testing.assert_close(pairs[a].float(), first * then)
    assert pairs.sum().item() == pytest.approx(1)


def test_the_study_at_a_reduced_size_still_finds_the_bugs():
    torch.set_num_threads(1)
    found = measure(0, text(), (3,), steps=60, draws=300, prompts=5, tokens=20)
    (row,) = found["speculation"]
    assert row["p-value"] > 0.01
    assert 1.2 < row["tokens a pass"] < 2.2
    assert row["tokens a pass"] == pytest.approx(row["formula"], rel=0.2)
    biased = {row["bug"]: row for row in found["speculation_bugs"]}
    assert list(biased) == BUGS
    assert biased["another temperature is tested"]["p-value"] < 1e-6
    assert all(row["distance"] > 0.01 for row in biased.values())
