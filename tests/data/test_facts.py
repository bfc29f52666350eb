"""Facts and questions: one answer each, and its sources where they are."""

import numpy as np
import pytest
import torch

from attnbook.data.facts import Facts


def drawn(symbols=7, questions=6, count=5):
    return Facts(symbols, questions).sample(count, np.random.default_rng(0))


def test_every_symbol_leads_somewhere_once_and_never_to_itself():
    found = drawn()
    assert found.keys.sort(1).values.tolist() == [list(range(7))] * 5
    assert (found.values != found.keys).all()
    assert found.values.min() >= 0 and found.values.max() < 7


def test_the_answers_follow_from_the_facts_at_the_sources():
    found = drawn()
    for row in range(5):
        leads = dict(
            zip(
                found.keys[row].tolist(),
                found.values[row].tolist(),
                strict=True,
            )
        )
        for question in range(6):
            symbol = int(found.asked[row, question])
            for hop in range(int(found.hops[row, question])):
                place = int(found.sources[row, question, hop])
                assert int(found.keys[row, place]) == symbol
                symbol = leads[symbol]
            assert symbol == int(found.answers[row, question])


def test_every_second_question_has_two_hops_and_two_sources():
    found = drawn()
    assert found.hops.tolist() == [[1, 2] * 3] * 5
    same = found.sources[..., 0] == found.sources[..., 1]
    assert torch.equal(same, found.hops == 1)


def test_the_same_seed_draws_the_same_and_sources_are_spread_evenly():
    assert all(
        torch.equal(one, other)
        for one, other in zip(drawn(), drawn(), strict=True)
    )
    many = drawn(8, 2, 4000)
    for hop in range(2):
        counts = many.sources[:, 1, hop].bincount(minlength=8)
        assert (counts - 500).abs().max() < 100


def test_too_few_symbols_or_questions_are_refused():
    for symbols, questions in ((1, 1), (2, 0)):
        with pytest.raises(ValueError, match=f"symbols is {symbols}"):
            Facts(symbols, questions)
