"""Greedy and beam search against every answer that there is."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.decoding import BOS, EOS, beam_search, greedy

V = 5


def random_model(seed, rows=1, beam=1):
    """Logits that depend on the whole prefix and on the example."""
    torch.manual_seed(seed)
    table = 2 * torch.randn(200, V, dtype=torch.float64)

    def step(prefix):
        powers = 7 ** torch.arange(prefix.shape[1])
        example = torch.arange(len(prefix)) // beam
        return table[((prefix * powers).sum(1) + 31 * example) % 200]

    return step


def log_probability(step, tokens):
    """Of an answer up to and including its first EOS."""
    prefix, total = torch.tensor([[BOS]]), 0.0
    for token in tokens:
        total += step(prefix).log_softmax(-1)[0, token].item()
        if token == EOS:
            break
        prefix = torch.cat([prefix, torch.tensor([[token]])], 1)
    return total


def all_answers(length):
    for tokens in itertools.product(range(V), repeat=length):
        end = tokens.index(EOS) if EOS in tokens else length
        if all(token == EOS for token in tokens[end:]):
            yield tokens


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_beam_as_wide_as_all_prefixes_finds_the_likeliest_answers(seed):
    step = random_model(seed)
    scored = sorted(
        ((log_probability(step, t), t) for t in all_answers(3)), reverse=True
    )
    wide = random_model(seed, beam=125)
    tokens, found = beam_search(wide, 1, 3, 125)
    best = found[0][: len(scored)]
    expected = torch.tensor([p for p, _ in scored], dtype=found.dtype)
    torch.testing.assert_close(best, expected)
    assert tuple(tokens[0, 0].tolist()) == scored[0][1]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), length=st.integers(1, 6))
def test_a_beam_of_one_is_greedy(seed, length):
    step = random_model(seed)
    tokens, total = greedy(step, 1, length)
    prefix = torch.tensor([[BOS]])
    for token in tokens[0]:
        expected = step(prefix)[0].argmax()
        if prefix[0, -1] == EOS:
            expected = torch.tensor(EOS)
        assert token == expected
        prefix = torch.cat([prefix, token.view(1, 1)], 1)
    expected = log_probability(step, tokens[0].tolist())
    assert total.item() == pytest.approx(expected, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), beam=st.integers(1, 6))
def test_answers_are_different_ordered_and_scored_as_the_model_does(
    seed, beam
):
    tokens, total = beam_search(random_model(seed, beam=beam), 1, 4, beam)
    step = random_model(seed)
    real = total[0] > -torch.inf
    answers = [tuple(row) for row in tokens[0][real].tolist()]
    assert len(set(answers)) == len(answers)
    assert total[0].equal(total[0].sort(descending=True).values)
    for answer, value in zip(answers, total[0], strict=False):
        expected = log_probability(step, answer)
        assert value.item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("beam", [1, 3])
def test_examples_of_a_batch_do_not_meet(beam):
    together, total = beam_search(random_model(4, beam=beam), 3, 5, beam)
    for at in range(3):

        def step(prefix, at=at):
            rows = torch.full((3 * beam, prefix.shape[1]), BOS)
            rows[at * beam : (at + 1) * beam] = prefix
            logits = random_model(4, beam=beam)(rows)
            return logits[at * beam : (at + 1) * beam]

        alone, value = beam_search(step, 1, 5, beam)
        assert alone[0].equal(together[at])
        torch.testing.assert_close(value[0], total[at])


def test_after_the_end_only_the_end_follows():
    tokens, _ = beam_search(random_model(2, beam=4), 1, 6, 4)
    for row in tokens[0]:
        ended = (row == EOS).cumsum(0) > 0
        assert (row[ended] == EOS).all()


def test_a_beam_finds_what_greedy_walks_past():
    """a is likelier than b at first, but whatever follows a is unlikely."""
    a, b = 3, 4
    first = torch.tensor([0, 0, 0, 0.6, 0.4])
    after_a = torch.tensor([0.2, 0.2, 0.2, 0.2, 0.2])
    after_b = torch.tensor([0, 0, 0.9, 0.1, 0])

    def step(prefix):
        if prefix.shape[1] == 1:
            return first.log().expand(len(prefix), V)
        is_a = (prefix[:, 1:2] == a).float()
        return (is_a * after_a + (1 - is_a) * after_b).log()

    assert greedy(step, 1, 2)[0][0, 0] == a
    tokens, total = beam_search(step, 1, 2, 2)
    assert tokens[0, 0].tolist() == [b, EOS]
    assert total[0, 0].exp().item() == pytest.approx(0.36)


def test_the_search_stops_asking_when_every_answer_has_ended():
    asked = []

    def step(prefix):
        asked.append(prefix.shape[1])
        logits = torch.zeros(len(prefix), V)
        logits[:, EOS] = 50
        return logits

    tokens, _ = greedy(step, 2, 10)
    assert asked == [1] and (tokens == EOS).all() and tokens.shape == (2, 10)


@pytest.mark.parametrize("name", ["batch", "length", "beam"])
def test_less_than_one_of_anything_is_refused(name):
    asked = {"batch": 1, "length": 1, "beam": 1, name: 0}
    with pytest.raises(ValueError, match=f"{name} is 0; expected at least 1"):
        beam_search(random_model(0), **asked)
