"""The n-gram model against the papers' formula, counted by dictionaries."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.n_gram import NGram

V = 5
texts = st.lists(st.integers(0, V - 1), min_size=6, max_size=60)
orders = st.integers(1, 5)
discounts = st.floats(0.05, 0.95)


def counted(ids, order, discount):
    """P(w | h) of an interpolated Kneser–Ney model, as a function."""
    grams = {
        k: Counter(tuple(ids[at : at + k]) for at in range(len(ids) - k + 1))
        for k in range(1, order + 1)
    }
    counts = {order: grams[order]}
    for k in range(1, order):
        before = defaultdict(set)
        before[tuple(ids[:k])].add("the beginning")
        for first, *rest in grams[k + 1]:
            before[tuple(rest)].add(first)
        counts[k] = {gram: len(them) for gram, them in before.items()}

    def p(w, h):
        h = tuple(h)[max(0, len(h) - order + 1) :]
        lower = p(w, h[1:]) if h else 1 / V
        after = {
            gram[-1]: n
            for gram, n in counts[len(h) + 1].items()
            if gram[:-1] == h
        }
        if not after:
            return lower
        total = sum(after.values())
        kept = max(after.get(w, 0) - discount, 0) / total
        return kept + discount * len(after) / total * lower

    return p


@settings(max_examples=80, deadline=None)
@given(ids=texts, order=orders, discount=discounts, context=texts)
def test_it_is_what_the_formula_says(ids, order, discount, context):
    model = NGram.fit(ids, order, V, discount)
    expected = counted(ids, order, discount)
    for h in ([], context[:1], context[:3], context):
        np.testing.assert_allclose(
            model.probabilities(h), [expected(w, h) for w in range(V)]
        )


@settings(max_examples=50, deadline=None)
@given(ids=texts, order=orders, context=st.lists(st.integers(0, V - 1)))
def test_probabilities_sum_to_one_and_none_is_zero(ids, order, context):
    p = NGram.fit(ids, order, V).probabilities(context)
    assert p.shape == (V,)
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert p.min() > 0


@settings(max_examples=50, deadline=None)
@given(ids=texts, order=orders, text=st.lists(st.integers(0, V - 1)))
def test_the_loss_of_a_text_is_that_of_its_tokens_one_by_one(ids, order, text):
    model = NGram.fit(ids, order, V, 0.6)
    expected = -sum(
        math.log(model.probabilities(text[:at])[token])
        for at, token in enumerate(text)
    )
    assert model.log_loss(text) == pytest.approx(expected)


def test_what_followed_most_often_is_the_likeliest():
    p = NGram.fit([0, 1, 2] * 20, 3, V).probabilities([0, 1])
    assert p.argmax() == 2 and p[2] > 0.9


def test_an_unseen_context_leaves_the_word_to_the_shorter_one():
    model = NGram.fit([0, 1, 2] * 20, 3, V)
    np.testing.assert_allclose(
        model.probabilities([2, 1]), model.probabilities([4, 1])
    )


def test_a_word_known_from_one_place_alone_is_unlikely_elsewhere():
    """San Francisco: often seen, and always after the same word."""
    san, francisco, other, many = 0, 1, 2, 3
    ids = [san, francisco] * 30 + [many, other, 4, other, san, other] * 5
    p = NGram.fit(ids, 2, V).probabilities([])
    assert p[other] > p[francisco]


def test_a_large_vocabulary_and_a_long_order_do_not_overflow():
    rng = np.random.default_rng(0)
    ids = rng.integers(50_000, size=300)
    model = NGram.fit(ids, 8, 50_000)
    assert model.log_loss(ids) < 300 * math.log(50_000) / 2
    assert model.probabilities(ids[:20])[ids[20]] > 0.05


@pytest.mark.parametrize(
    "change, message",
    [
        ({"ids": []}, "ids has 0 tokens; expected at least 2"),
        ({"ids": [1]}, "ids has 1 tokens; expected at least 2, the order"),
        ({"order": 0}, "order is 0"),
        ({"discount": 0}, "discount is 0; expected a number between"),
        ({"discount": 1.0}, "discount is 1.0"),
        ({"ids": [0, V]}, "reach from 0 to 5; expected 0 to 4"),
        ({"ids": [-1, 2]}, "reach from -1 to 2"),
        ({"ids": [0.5, 1.5]}, "float64; expected one row of whole numbers"),
        ({"ids": [[0], [1]]}, r"shape \(2, 1\)"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, message):
    arguments = {"ids": [0, 1, 2], "order": 2, "vocabulary": V} | change
    with pytest.raises(ValueError, match=message):
        NGram.fit(**arguments)


def test_tokens_outside_of_the_vocabulary_are_refused():
    model = NGram.fit([0, 1, 2], 2, V)
    for call in (model.probabilities, model.log_loss):
        with pytest.raises(ValueError, match="expected 0 to 4"):
            call([0, 7])
