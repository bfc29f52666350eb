"""Speculative decoding writes what the model alone would have written."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.decoder_only import (
    BLOCK_2018,
    BLOCK_TODAY,
    DecoderOnly,
    accepted,
    chi_squared,
    passes,
    residual,
    speculate,
    tokens_per_pass,
    verify,
    with_temperature,
)
from attnbook.mechanisms.decoder_only.sampling import drawn_from

V, LONGEST = 5, 24


def target(design=BLOCK_2018, seed=0):
    torch.manual_seed(seed)
    model = DecoderOnly(V, 8, 2, 1, LONGEST, design=design).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.6 * torch.randn_like(parameter))
    return model


class Remembered(DecoderOnly):
    """The same logits as a model's, each computed once, to be drawn often."""

    def __init__(self, model):
        super().__init__(V, 8, 2, 1, LONGEST)
        self.known, self.row, self.model = {}, [], model

    def forward(self, ids, cache):
        first = int(cache.lengths)
        self.row[first:] = ids[0].tolist()
        cache.lengths = cache.lengths + ids.shape[1]
        return torch.stack(
            [
                self.logits(tuple(self.row[: t + 1]))
                for t in range(first, len(self.row))
            ]
        )[None], None

    def logits(self, context):
        if context not in self.known:
            found, _ = self.model(torch.tensor([context]))
            self.known[context] = found[0, -1].detach()
        return self.known[context]


def table_draft(context):
    """A draft that looks at the last token alone, and is often wrong."""
    rows = torch.Generator().manual_seed(1)
    table = torch.randn(V, V, generator=rows, dtype=torch.float64)
    return table.softmax(-1)[context[-1]]


def test_the_remembered_model_is_the_model():
    model, chances = target(), [torch.Generator().manual_seed(0) for _ in "12"]
    first, again = (
        [one.tokens for one in passes(which, table_draft, [1, 2], 3, chance)]
        for which, chance in zip(
            (model, Remembered(model)), chances, strict=True
        )
    )
    assert first == again


def distributions(rows, seed):
    made = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rows, V, generator=made, dtype=torch.float64)
        .mul(1.5)
        .softmax(-1)
    )


def true_pairs(model, prompt, temperature=1.0):
    """Probability of each pair of next two tokens, (V·V,)."""

    def p(ids):
        logits = model(torch.tensor([ids]))[0][0, -1] / temperature
        return logits.detach().softmax(-1)

    first = p(prompt)
    return torch.cat([first[a] * p([*prompt, a]) for a in range(V)])


def pairs_written(model, draft, prompt, gamma, count, adjust=None):
    chance = torch.Generator().manual_seed(0)
    found, model = torch.zeros(V * V), Remembered(model)
    for _ in range(count):
        ids = []
        for one in passes(model, draft, prompt, gamma, chance, adjust):
            ids += one.tokens
            if len(ids) > 1:
                break
        found[ids[0] * V + ids[1]] += 1
    return found


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_accepting_or_redrawing_gives_p_exactly(seed):
    """By the sum over all cases, without any draw."""
    p, q = distributions(2, seed)
    keep = q * (p / q).clamp(max=1)  # proposed and accepted
    redrawn = (1 - keep.sum()) * residual(p, q)
    torch.testing.assert_close(keep + redrawn, p)
    torch.testing.assert_close(keep.sum(), torch.minimum(p, q).sum())


@pytest.mark.parametrize("gamma", [1, 2, 3, 4])
def test_a_verified_round_gives_the_model_s_distribution(gamma):
    """Its first token, over 8,000 rounds, against p by χ²."""
    p, q = distributions(gamma + 1, 3), distributions(gamma, 4)
    chance = torch.Generator().manual_seed(0)
    counts, lengths = torch.zeros(V), torch.zeros(gamma + 1)
    for _ in range(8000):
        drafted = drawn_from(q, chance)
        n, following = verify(p, q, drafted, chance)
        counts[int(drafted[0]) if n else following] += 1
        lengths[n] += 1
    assert chi_squared(counts, p[0]).p_value > 0.01
    alpha = torch.minimum(p[:gamma], q).sum(-1)  # of each place
    reached = torch.cat([torch.ones(1), alpha.cumprod(0)])
    expected = reached - torch.cat([reached[1:], torch.zeros(1)])
    assert chi_squared(lengths, expected).p_value > 0.01


@pytest.mark.parametrize(
    ("gamma", "design"), [(0, BLOCK_2018), (1, BLOCK_TODAY), (3, BLOCK_2018)]
)
def test_two_tokens_written_have_the_model_s_distribution(gamma, design):
    model, prompt = target(design), [1, 2, 0]
    counts = pairs_written(model, table_draft, prompt, gamma, 1500)
    assert chi_squared(counts, true_pairs(model, prompt)).p_value > 0.01


def test_a_temperature_applies_to_the_target():
    model, prompt = target(), [1, 2, 0]
    counts = pairs_written(
        model,
        table_draft,
        prompt,
        2,
        1500,
        lambda logits: with_temperature(logits, 0.5),
    )
    expected = true_pairs(model, prompt, 0.5)
    assert chi_squared(counts, expected).p_value > 0.01
    other = true_pairs(model, prompt)
    assert chi_squared(counts, other).p_value < 1e-6


def accept_the_likeliest(p, q, drafted, generator):
    """Bug: a proposal passes only where it is the model's first choice."""
    n = int((p[: len(drafted)].argmax(-1) == drafted).long().cumprod(0).sum())
    after = p[n] if n == len(drafted) else residual(p[n], q[n])
    return n, int(drawn_from(after, generator))


def redraw_from_p(p, q, drafted, generator):
    """Bug: after a rejection the next token comes from p, not from p − q."""
    uniforms = torch.rand(len(drafted), dtype=p.dtype, generator=generator)
    n = accepted(p, q, drafted, uniforms)
    return n, int(drawn_from(p[n], generator))


def drafted_hotter(p, q, drafted, generator):
    """Bug: the draft was sampled from q, another one is tested."""
    cooler = (2 * q.log()).softmax(-1)
    return verify(p, cooler, drafted, generator)


@pytest.mark.parametrize(
    "bug", [accept_the_likeliest, redraw_from_p, drafted_hotter]
)
def test_each_well_known_bug_moves_the_distribution(bug):
    p, q = distributions(3, 3), distributions(2, 4)
    chance = torch.Generator().manual_seed(0)
    counts = torch.zeros(V)
    for _ in range(4000):
        drafted = drawn_from(q, chance)
        n, following = bug(p, q, drafted, chance)
        counts[int(drafted[0]) if n else following] += 1
    assert chi_squared(counts, p[0]).p_value < 1e-4


def test_a_draft_that_is_the_model_is_always_accepted():
    model = target()

    def itself(context):
        logits, _ = model(torch.tensor([context]))
        return logits[0, -1].detach().softmax(-1)

    chance = torch.Generator().manual_seed(0)
    ids, number = speculate(model, itself, [1], 20, 3, chance)
    assert len(ids) == 20 and number == 5


def test_a_draft_that_is_always_wrong_gives_one_token_per_pass():
    model = target()

    def forbidden(context):
        """All on token 4, which the adjusted model never writes."""
        return torch.tensor([0.0, 0, 0, 0, 1])

    def without_4(logits):
        return logits.masked_fill(torch.arange(V) == 4, -torch.inf)

    ids, number = speculate(model, forbidden, [1], 9, 3, adjust=without_4)
    assert number == 9 and 4 not in ids


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 20),
    gamma=st.integers(0, 6),
    seed=st.integers(0, 100),
    length=st.integers(1, 5),
)
def test_as_many_tokens_as_asked_for_in_no_more_passes(
    count, gamma, seed, length
):
    chance = torch.Generator().manual_seed(seed)
    ids, number = speculate(
        target(), table_draft, [1] * length, count, gamma, chance
    )
    assert len(ids) == count
    assert -(-count // (gamma + 1)) <= number <= count


def test_the_cache_holds_what_was_kept_and_nothing_else():
    """Greedy on both sides: the text is that of greedy decoding."""
    model = target(BLOCK_TODAY)

    def greedy(logits):
        return logits * 1e6

    for seed in range(5):
        ids, _ = speculate(
            model,
            table_draft,
            [1, 3],
            LONGEST - 1,
            3,
            torch.Generator().manual_seed(seed),
            adjust=greedy,
        )
        row = [1, 3]
        for token in ids:
            assert int(model(torch.tensor([row]))[0][0, -1].argmax()) == token
            row.append(token)


def test_passes_end_where_the_model_can_read_no_further():
    found = list(passes(target(), table_draft, [1, 2], 4))
    assert 2 + sum(len(one.tokens) for one in found) == LONGEST + 1
    for one in found:
        assert len(one.tokens) == one.accepted + 1
        assert one.accepted <= one.judged <= 4


@pytest.mark.parametrize("alpha", [0.0, 0.4, 0.9])
@pytest.mark.parametrize("gamma", [1, 3, 4])
def test_tokens_per_pass_is_leviathan_s_formula(alpha, gamma):
    expected = (1 - alpha ** (gamma + 1)) / (1 - alpha)
    assert tokens_per_pass(alpha, gamma) == pytest.approx(expected)
    assert tokens_per_pass(1.0, gamma) == gamma + 1


def test_the_formula_holds_where_acceptance_is_independent():
    p, q = distributions(2, 8)
    gamma, chance = 3, torch.Generator().manual_seed(0)
    alpha = float(torch.minimum(p, q).sum())
    drafted = [drawn_from(q.expand(gamma, -1), chance) for _ in range(8000)]
    counts = [
        verify(p.expand(gamma + 1, -1), q.expand(gamma, -1), d, chance)[0]
        for d in drafted
    ]
    mean = 1 + sum(counts) / len(counts)
    assert mean == pytest.approx(tokens_per_pass(alpha, gamma), abs=0.05)


def test_nothing_to_redraw_where_both_agree():
    p = distributions(1, 0)
    torch.testing.assert_close(residual(p, p), p)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: speculate(target(), table_draft, [], 3, 2), "empty"),
        (lambda: speculate(target(), table_draft, [1], 0, 2), "count is 0"),
        (lambda: speculate(target(), table_draft, [1], 3, -1), "gamma is -1"),
        (lambda: speculate(target(), table_draft, [1], 25, 2), "at most 24"),
        (
            lambda: speculate(target(), lambda c: torch.ones(4), [1], 3, 2),
            r"draft has shape \(4,\); expected \(5,\)",
        ),
        (
            lambda: accepted(
                distributions(2, 0),
                distributions(3, 0),
                torch.tensor([0, 1]),
                torch.rand(2),
            ),
            "one row for each proposal",
        ),
        (lambda: tokens_per_pass(1.2, 3), "a probability"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
