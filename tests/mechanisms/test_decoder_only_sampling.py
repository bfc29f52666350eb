"""Each sampling rule against its definition, and draws against the rule."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.decoder_only import (
    chi_squared,
    chooser,
    min_p,
    sample,
    top_k,
    top_p,
    with_temperature,
)
from attnbook.mechanisms.decoder_only.goodness_of_fit import _pooled

DRAWS = 20_000
P = torch.tensor([0.05, 0.4, 0.2, 0.25, 0.1], dtype=torch.float64)
LOGITS = P.log()

logits_of = st.lists(st.floats(-20, 20), min_size=1, max_size=30).map(
    lambda values: torch.tensor(values, dtype=torch.float64)
)


def kept(logits):
    """The tokens that a rule left."""
    return set((logits > -torch.inf).nonzero().flatten().tolist())


def renormalised(tokens):
    """The definition: P restricted to some tokens, summing to 1."""
    expected = torch.zeros_like(P)
    expected[list(tokens)] = P[list(tokens)]
    return expected / expected.sum()


RULES = {
    "nothing": ({}, P),
    "temperature 0.5": ({"temperature": 0.5}, P**2 / (P**2).sum()),
    "temperature 2": ({"temperature": 2.0}, P**0.5 / (P**0.5).sum()),
    "top-k 2": ({"k": 2}, renormalised({1, 3})),
    "top-p 0.7": ({"p": 0.7}, renormalised({1, 3, 2})),
    "min-p 0.5": ({"least": 0.5}, renormalised({1, 2, 3})),
}


def draws(choose, rows=DRAWS):
    return torch.bincount(choose(LOGITS.expand(rows, -1)), minlength=5)


@pytest.mark.parametrize("name", RULES)
def test_draws_have_the_distribution_of_the_definition(name):
    options, expected = RULES[name]
    choose = chooser(torch.Generator().manual_seed(0), **options)
    assert chi_squared(draws(choose), expected).p_value > 0.01


@pytest.mark.parametrize("name", RULES)
def test_and_no_other_rule_s(name):
    options, _ = RULES[name]
    counts = draws(chooser(torch.Generator().manual_seed(0), **options))
    for other, (_, expected) in RULES.items():
        # top-p 0.7 and min-p 0.5 keep the same three tokens of this P.
        if not torch.equal(expected, RULES[name][1]):
            assert chi_squared(counts, expected).p_value < 1e-6, other


@pytest.mark.parametrize(
    ("p", "tokens"),
    [
        (0.1, {1}),
        (0.39, {1}),
        (0.41, {1, 3}),
        (0.6, {1, 3}),
        (0.7, {1, 3, 2}),
        (0.9, {1, 3, 2, 4}),
        (1.0, {0, 1, 2, 3, 4}),
    ],
)
def test_the_token_that_crosses_p_stays(p, tokens):
    assert kept(top_p(LOGITS, p)) == tokens


@settings(max_examples=200, deadline=None)
@given(logits=logits_of, p=st.floats(0.01, 0.99))
def test_top_p_is_the_smallest_set_that_reaches_p(logits, p):
    probability = logits.softmax(-1)
    tokens = sorted(kept(top_p(logits, p)))
    mass = probability[tokens]
    assert mass.sum() >= p - 1e-9
    assert mass.sum() - mass.min() < p + 1e-9
    others = [i for i in range(len(logits)) if i not in tokens]
    if others:
        assert mass.min() >= probability[others].max()


@settings(max_examples=100, deadline=None)
@given(logits=logits_of, k=st.integers(1, 35))
def test_top_k_keeps_k_and_none_that_is_less_likely(logits, k):
    tokens = kept(top_k(logits, k))
    assert len(tokens) == min(k, len(logits))
    others = set(range(len(logits))) - tokens
    assert all(logits[i] >= logits[j] for i in tokens for j in others)


def test_of_equal_tokens_top_k_keeps_the_first():
    assert kept(top_k(torch.tensor([1.0, 2.0, 1.0, 1.0]), 2)) == {0, 1}


@settings(max_examples=100, deadline=None)
@given(logits=logits_of, p=st.floats(0.01, 1))
def test_min_p_compares_with_the_likeliest(logits, p):
    probability = logits.softmax(-1)
    expected = {
        i
        for i, each in enumerate(probability.tolist())
        if each >= p * float(probability.max())
    }
    assert kept(min_p(logits, p)) == expected


@settings(max_examples=60, deadline=None)
@given(logits=logits_of)
def test_rules_keep_the_logits_of_the_tokens_that_stay(logits):
    for after in (top_k(logits, 3), top_p(logits, 0.8), min_p(logits, 0.2)):
        tokens = sorted(kept(after))
        assert tokens
        torch.testing.assert_close(after[tokens], logits[tokens])
        assert int(logits.argmax()) in tokens


def test_each_row_is_cut_by_itself():
    rows = torch.stack([LOGITS, LOGITS.flip(0), torch.zeros(5)])
    for rule, value in ((top_k, 2), (top_p, 0.7), (min_p, 0.5)):
        whole = rule(rows.view(3, 1, 5), value)
        assert whole.shape == (3, 1, 5)
        for row, got in zip(rows, whole[:, 0], strict=True):
            assert got.equal(rule(row, value))


def test_temperature_comes_before_the_nucleus():
    """After it, the nucleus would be that of another distribution."""
    first = kept(top_p(with_temperature(LOGITS, 0.5), 0.7))
    last = kept(with_temperature(top_p(LOGITS, 0.7), 0.5))
    assert first == {1, 3} and last == {1, 2, 3}
    choose = chooser(torch.Generator().manual_seed(0), 0.5, p=0.7)
    assert set(draws(choose).nonzero().flatten().tolist()) == first


def test_a_low_temperature_takes_the_likeliest_token():
    choose = chooser(torch.Generator().manual_seed(0), 1e-3)
    assert draws(choose)[1] == DRAWS


def test_dropped_tokens_are_never_drawn():
    logits = torch.full((50_000, 4), -torch.inf)
    logits[:, 2] = 0
    assert (sample(logits) == 2).all()
    logits[:, 3] = -100
    assert set(sample(logits).unique().tolist()) <= {2, 3}


def test_a_seed_repeats_its_draws():
    first, again = (
        sample(LOGITS.expand(100, -1), torch.Generator().manual_seed(7))
        for _ in range(2)
    )
    assert first.equal(again)
    assert not first.equal(sample(LOGITS.expand(100, -1)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: with_temperature(LOGITS, 0), "argmax"),
        (lambda: with_temperature(LOGITS, -1.0), "more than 0"),
        (lambda: top_k(LOGITS, 0), "at least 1"),
        (lambda: top_p(LOGITS, 0), "more than 0 and at most 1"),
        (lambda: top_p(LOGITS, 1.1), "at most 1"),
        (lambda: min_p(LOGITS, 1.1), "at most 1"),
        (lambda: sample(torch.full((2, 3), -torch.inf)), "no token left"),
        (lambda: sample(torch.tensor([0.0, math.nan])), "nan"),
    ],
)
def test_what_is_out_of_range_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# -- the test of draws itself ---------------------------------------------


def test_true_draws_fail_the_test_as_often_as_it_says():
    """500 tests of true draws: p-values are about uniform."""
    draw = torch.Generator().manual_seed(0)
    p_values = torch.tensor(
        [
            chi_squared(
                torch.bincount(
                    sample(LOGITS.expand(1000, -1), draw), minlength=5
                ),
                P,
            ).p_value
            for _ in range(500)
        ]
    )
    for level in (0.05, 0.25, 0.5, 0.75):
        share = (p_values < level).double().mean().item()
        assert share == pytest.approx(level, abs=0.07)


def test_the_statistic_by_hand():
    fit = chi_squared(torch.tensor([60, 40]), torch.tensor([0.5, 0.5]))
    assert fit.statistic == pytest.approx(4)
    assert fit.degrees == 1
    assert fit.p_value == pytest.approx(math.erfc(math.sqrt(2)), rel=1e-6)


def test_what_is_impossible_settles_it():
    counts = torch.tensor([5, 995, 1000])
    fit = chi_squared(counts, torch.tensor([0.0, 0.5, 0.5]))
    assert fit.p_value == 0 and fit.statistic == math.inf


def test_rare_outcomes_are_counted_together():
    rare = torch.full((100,), 1e-4)
    probabilities = torch.cat([torch.tensor([0.5, 0.49]), rare])
    counts = torch.zeros(102)
    counts[:2] = torch.tensor([500, 490])
    counts[50] = 10  # in the rare ones together: as expected
    fit = chi_squared(counts, probabilities)
    assert fit.degrees == 2 and fit.p_value > 0.99
    few = torch.tensor([0.5, 0.4999, *[1e-5] * 10])
    fit = chi_squared(counts[:12], few)  # even together they are too rare
    assert fit.degrees == 1 and fit.p_value > 0.7


@settings(max_examples=100, deadline=None)
@given(
    data=st.lists(st.floats(0.001, 1), min_size=3, max_size=60),
    draws=st.integers(50, 5000),
)
def test_every_group_of_outcomes_is_expected_often_enough(data, draws):
    p = torch.tensor(data, dtype=torch.float64)
    expected = p / p.sum() * draws
    seen, together = _pooled(expected.clone(), expected.clone(), 5.0)
    torch.testing.assert_close(together.sum(), expected.sum())
    torch.testing.assert_close(seen, together)
    assert (together >= 5.0 - 1e-9).all()
    assert len(together) >= min(2, (expected >= 5).sum())


@pytest.mark.parametrize(
    ("counts", "probabilities", "message"),
    [
        ([1, 2], [0.5, 0.25, 0.25], "expected the same"),
        ([0, 0], [0.5, 0.5], "0 draws"),
        ([9, 9], [0.5, 0.6], "sum to"),
        ([1, 1], [0.5, 0.5], "draw more often"),
    ],
)
def test_a_test_that_tells_nothing_is_refused(counts, probabilities, message):
    with pytest.raises(ValueError, match=message):
        chi_squared(torch.tensor(counts), torch.tensor(probabilities))
