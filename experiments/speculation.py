"""Speculative decoding with the n-gram model as draft: how much, how true.

    python -m attnbook.experiments.speculation

trains small decoder-only models on the English text, drafts for them with an
n-gram model of the same tokens, and writes two tables.

`speculation.csv` has a row for each model and γ, the number of proposals in a
pass: how often a proposal is accepted, the tokens that a pass gives and those
of the formula, the milliseconds of a token, and the p-value of a χ² test that
the first two tokens after a prompt have the model's own distribution. With
γ = 0 nothing is drafted.

`speculation_bugs.csv` has the same test for three well-known bugs, and the
distance of the first token's distribution from the model's: half the sum of
absolute differences, 0 for equal and 1 for disjoint ones. It is computed
exactly, from the probabilities of model and draft; so is the distance for a
right implementation, which is 0.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from attnbook.data.english_text import PYTHON
from attnbook.experiments.command import SEEDS, command
from attnbook.experiments.text_models import Text, text, trained, untrained
from attnbook.mechanisms.decoder_only import (
    BLOCK_2018,
    DecoderOnly,
    Fit,
    Pass,
    accepted,
    chi_squared,
    passes,
    residual,
    tokens_per_pass,
    verify,
)
from attnbook.mechanisms.decoder_only.sampling import drawn_from
from attnbook.mechanisms.n_gram import NGram

TABLES = ("speculation", "speculation_bugs")
GAMMAS = (0, 2, 3, 4)
STEPS, RATE = 400, 8e-3
ORDER, DISCOUNT = 3, 0.8
DRAWS = 2000
LEAST = 20.0  # draws that are expected of each outcome of the test
PROMPT = 8  # tokens
TOKENS = 40  # written after each prompt
PROMPTS = 25
HOTTER = 2.0  # the temperature that one of the bugs forgets

Draft = Callable[[Sequence[int]], Tensor]


class Rule(NamedTuple):
    """A way to draft and to judge, and what the first token then is.

    `proposals` turns the draft's probabilities into those that it is sampled
    from. `verify` is as in `passes`. `first` is the distribution of the
    first token, from the model's p and the draft's q, (V,) each.
    """

    proposals: Callable[[Tensor], Tensor]
    verify: Callable
    first: Callable[[Tensor, Tensor], Tensor]


def hotter(q: Tensor) -> Tensor:
    """The draft's probabilities at temperature `HOTTER`."""
    return (q.log() / HOTTER).softmax(-1)


def cooler(q: Tensor) -> Tensor:
    """Undo `hotter`."""
    return (q.log() * HOTTER).softmax(-1)


def accept_the_likeliest(p, q, drafted, generator=None):
    """Bug: a proposal is accepted where it is the model's first choice."""
    gamma = len(drafted)
    n = int((p[:gamma].argmax(-1) == drafted).long().cumprod(0).sum())
    after = p[n] if n == gamma else residual(p[n], q[n])
    return n, int(drawn_from(after, generator))


def redraw_from_p(p, q, drafted, generator=None):
    """Bug: after a rejection the token comes from p, not from (p − q)₊."""
    uniforms = torch.rand(len(drafted), dtype=p.dtype, generator=generator)
    n = accepted(p, q, drafted, uniforms)
    return n, int(drawn_from(p[n], generator))


def judge_another_draft(p, q, drafted, generator=None):
    """Bug: proposals are drawn at one temperature and tested at another."""
    return verify(p, cooler(q), drafted, generator)


def _after(kept: Tensor, redrawn: Tensor) -> Tensor:
    """The distribution of a token that is kept, or else redrawn."""
    return kept + (1 - kept.sum()) * redrawn


def _first_of_likeliest(p: Tensor, q: Tensor) -> Tensor:
    best = torch.zeros_like(p)
    best[p.argmax()] = 1
    return _after(q * best, residual(p, q))


def _first_of_other_draft(p: Tensor, q: Tensor) -> Tensor:
    kept = hotter(q) * (p / q).clamp(max=1)
    return _after(kept, residual(p, q))


def _same(q: Tensor) -> Tensor:
    return q


RULES = {
    "right": Rule(_same, verify, lambda p, q: p),
    "the likeliest is accepted": Rule(
        _same, accept_the_likeliest, _first_of_likeliest
    ),
    "redrawn from p": Rule(
        _same,
        redraw_from_p,
        lambda p, q: _after(torch.minimum(p, q), p),
    ),
    "another temperature is tested": Rule(
        hotter, judge_another_draft, _first_of_other_draft
    ),
}


def distance(p: Tensor, q: Tensor) -> float:
    """Total variation: half the sum of the absolute differences."""
    return 0.5 * (p - q).abs().sum().item()


def drafting(model: NGram) -> Draft:
    """The n-gram model as a draft; each context is computed once."""
    known: dict[tuple[int, ...], Tensor] = {}

    def draft(ids: Sequence[int]) -> Tensor:
        context = tuple(ids[len(ids) - model.order + 1 :])
        if context not in known:
            found = model.probabilities(context)
            known[context] = torch.from_numpy(found).double()
        return known[context]

    return draft


@torch.no_grad()
def pair_probabilities(model: DecoderOnly, prompt: Sequence[int]) -> Tensor:
    """The model's probability of each pair of next two tokens, (V, V)."""
    V = model.vocabulary
    start = torch.tensor(prompt).expand(V, -1)  # (V, T)
    then = torch.cat([start, torch.arange(V)[:, None]], dim=1)  # (V, T + 1)
    x, _ = model.read(then)
    second = model.logits(x[:, -1]).double().softmax(-1)  # (V, V)
    first = model.logits(x[0, -2]).double().softmax(-1)  # (V,)
    return first[:, None] * second


def pairs_written(
    model: DecoderOnly,
    draft: Draft,
    prompt: Sequence[int],
    gamma: int,
    draws: int,
    seed: int,
    rule: Rule = RULES["right"],
) -> Tensor:
    """How often each pair of tokens came first after the prompt, (V, V)."""
    chance = torch.Generator().manual_seed(seed)
    counts = torch.zeros(model.vocabulary, model.vocabulary)
    for _ in range(draws):
        ids: list[int] = []
        for one in passes(
            model,
            lambda context: rule.proposals(draft(context)),
            prompt,
            gamma,
            chance,
            verify=rule.verify,
        ):
            ids += one.tokens
            if len(ids) > 1:
                break
        counts[ids[0], ids[1]] += 1
    return counts


def unmoved(counts: Tensor, probabilities: Tensor, q: Tensor) -> Fit:
    """Test that pairs come from their probabilities.

    Most pairs are rare, and are counted together with others. Pairs whose
    first token the draft overrates alike are counted together, since a bug
    is felt there.

    Args:
        counts: (V, V).
        probabilities: (V, V).
        q: (V,), the draft's probabilities of the first token.
    """
    order = (q / probabilities.sum(1)).argsort()
    return chi_squared(
        counts[order].flatten(), probabilities[order].flatten(), LEAST
    )


def speeds(
    model: DecoderOnly,
    draft: Draft,
    prompts: Iterable[Sequence[int]],
    gammas: Sequence[int],
    tokens: int,
    seed: int,
) -> dict[int, dict[str, float]]:
    """Write after each prompt, and count: some columns of `speculation`.

    Each γ writes after a prompt in its turn, so that a busy machine slows
    all of them.

    Args:
        model: the target.
        draft: proposes.
        prompts: lists of ids.
        gammas: numbers of proposals.
        tokens: at least so many are written after each prompt.
        seed: of the draws.
    """
    chances = {g: torch.Generator().manual_seed(seed) for g in gammas}
    found: dict[int, list[Pass]] = {gamma: [] for gamma in gammas}
    seconds = dict.fromkeys(gammas, 0.0)
    for prompt in prompts:
        for gamma in gammas:
            written, started = 0, time.process_time()
            for one in passes(model, draft, prompt, gamma, chances[gamma]):
                found[gamma].append(one)
                written += len(one.tokens)
                if written >= tokens:
                    break
            seconds[gamma] += time.process_time() - started
    return {
        gamma: _summed_up(found[gamma], gamma, seconds[gamma])
        for gamma in gammas
    }


def _summed_up(found: list[Pass], gamma: int, seconds: float) -> dict:
    """The columns that `speeds` gives."""
    count = sum(len(one.tokens) for one in found)
    judged = sum(one.judged for one in found)
    alpha = sum(one.accepted for one in found) / judged if judged else 0.0
    return {
        "passes": len(found),
        "judged": judged,
        "acceptance": round(alpha, 4),
        "tokens a pass": round(count / len(found), 4),
        "formula": round(tokens_per_pass(alpha, gamma), 4),
        "ms a token": round(1e3 * seconds / count, 3),
    }


def measure(
    seed: int,
    of: Text,
    gammas: Sequence[int],
    steps: int = STEPS,
    draws: int = DRAWS,
    prompts: int = PROMPTS,
    tokens: int = TOKENS,
) -> dict[str, list[dict]]:
    """Train one model and measure: its rows of each of `TABLES`.

    The prompts are pieces of the validation text.
    """
    model = untrained(BLOCK_2018, seed, of)
    trained(model, of, steps, RATE, seed)
    draft = drafting(
        NGram.fit(of.parts["train"].ids, ORDER, of.tokens.size, DISCOUNT)
    )
    ids = of.parts["validation"].ids
    starts = [
        ids[at : at + PROMPT]
        for at in range(0, len(ids) - PROMPT, len(ids) // prompts)
    ][:prompts]
    prompt = starts[seed % len(starts)]
    truth = pair_probabilities(model, prompt)
    p, q = truth.sum(1), draft(prompt)
    known = {"python": PYTHON, "seed": seed, "steps": steps}
    rows, bugs = [], []
    found = speeds(model, draft, starts, gammas, tokens, seed)
    for gamma in gammas:
        counts = pairs_written(model, draft, prompt, gamma, draws, seed)
        rows.append(
            {
                **known,
                "γ": gamma,
                **found[gamma],
                **_tested(counts, truth, q),
            }
        )
        print(rows[-1], flush=True)
    gamma = max(gammas)
    for name, rule in islice(RULES.items(), 1, None):
        counts = pairs_written(model, draft, prompt, gamma, draws, seed, rule)
        bugs.append(
            {
                **known,
                "bug": name,
                "γ": gamma,
                "distance": round(distance(rule.first(p, q), p), 4),
                **_tested(counts, truth, q),
            }
        )
        print(bugs[-1], flush=True)
    return dict(zip(TABLES, (rows, bugs), strict=True))


def _tested(counts: Tensor, truth: Tensor, q: Tensor) -> dict[str, float]:
    """Columns of the χ² test."""
    fit = unmoved(counts, truth, q)
    return {
        "draws": int(counts.sum()),
        "χ²": round(fit.statistic, 1),
        "degrees": fit.degrees,
        "p-value": float(f"{fit.p_value:.3g}"),
    }


def run(
    seeds: Iterable[int] = SEEDS, gammas: Sequence[int] = GAMMAS
) -> dict[str, list[dict]]:
    """Measure a model of each seed: the rows of each of `TABLES`."""
    torch.set_num_threads(1)
    of = text()
    found = [measure(seed, of, gammas) for seed in seeds]
    return {name: [r for each in found for r in each[name]] for name in TABLES}


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS, gammas=GAMMAS)
