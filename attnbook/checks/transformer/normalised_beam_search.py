"""Exercise 06.5: Search with a beam, and weigh by length."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F

from attnbook.checks.transformer.beam_mistakes import MISTAKES
from attnbook.judging.comparison import kind_of
from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Part,
    Property,
    WrongAnswer,
)
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal


def _penalty(length, alpha):
    return ((5 + length) / 6) ** alpha


def _normalised_beam_search(step, beam, length, alpha, bos, eos):
    live, ended = [([bos], 0.0)], []
    for _ in range(length):
        logits = step(torch.tensor([tokens for tokens, _ in live]))  # (N, V)
        so_far = torch.tensor([score for _, score in live])
        total = logits.log_softmax(-1) + so_far[:, None]
        N, V = total.shape
        values, places = total.flatten().topk(min(beam - len(ended), N * V))
        before, live = live, []
        for score, place in zip(values.tolist(), places.tolist(), strict=True):
            tokens = [*before[place // V][0], place % V]
            (ended if place % V == eos else live).append((tokens, score))
        if not live or len(ended) >= beam:
            break
    scored = [
        (t[1:], s / _penalty(len(t) - 1, alpha)) for t, s in ended + live
    ]
    scored.sort(key=lambda pair: -pair[1])
    return [t for t, _ in scored], [s for _, s in scored]


def _mistaken_penalty(length, alpha, mistake):
    if mistake == "mean":
        return length
    if mistake == "by the length":
        return length**alpha
    if mistake == "without the five":
        return (length / 6) ** alpha
    if mistake == "five beside":
        return (5 + length / 6) ** alpha
    if mistake == "six beside":
        return (5 + length) ** alpha / 6
    if mistake == "six times":
        return (5 + length) ** alpha * 6
    if mistake == "six alone":
        return (5 + length) / 6**alpha
    if mistake in ("no penalty", "at each step"):
        return 1.0
    if mistake == "penalty without alpha":
        return (5 + length) / 6
    if mistake == "alpha as a factor":
        return alpha * (5 + length) / 6
    if mistake == "times the penalty":
        return 1 / _penalty(length, alpha)
    if mistake == "with BOS":
        length += 1
    elif mistake == "without EOS":
        length -= 1
    return _penalty(length, alpha)


def _mistaken_picks(logits, live, places, alpha, mistake):
    """What goes on: a score, a row and a token of each."""
    if mistake == "probabilities":
        log_p = logits.softmax(-1)
    elif mistake == "logits":
        log_p = logits
    elif mistake == "over prefixes":
        log_p = logits.log_softmax(0)
    elif mistake == "over candidates":
        log_p = logits.flatten().log_softmax(0).view_as(logits)
    else:
        log_p = logits.log_softmax(-1)  # (N, V)
    total = log_p + torch.tensor([score for _, score in live])[:, None]
    bos, written = live[0][0][0], len(live[0][0])
    if mistake == "last token alone":
        total = log_p
    elif mistake in ("at each step", "at each step and the end"):
        total = total / _penalty(written, alpha)
    elif mistake == "never BOS":
        total[:, bos] = -math.inf
    N, V = total.shape
    if mistake == "each its best" and N > 1:
        best, chosen = total.max(-1)
        return list(zip(best.tolist(), range(N), chosen.tolist(), strict=True))
    most = V if mistake == "one row's worth" else N * V
    if mistake != "no candidates left":
        places = min(places, most)
    values, found = total.flatten().topk(places, largest=mistake != "worst")
    picks = []
    for i, (score, place) in enumerate(
        zip(values.tolist(), found.tolist(), strict=True)
    ):
        row, token = place // V, place % V
        if mistake == "row and token exchanged":
            row, token = place % N, place // N
        elif mistake == "mixed up":
            row = i % N
        picks.append((score, row, token))
    return picks


def _mistaken(step, beam, length, alpha, bos, eos, mistake):
    """The same with a mistake."""
    if mistake == "greedy":
        beam = 1
    elif mistake == "bos is 0":
        bos = 0
    elif mistake == "eos is 1":
        eos = 1
    more = {"one more": 1, "one less": -1}
    live, ended = [([bos], 0.0)], []
    if mistake == "all begin alike":
        live = live * beam
    places_kept = mistake in ("places kept", "places kept, then cut")
    for _ in range(length + more.get(mistake, 0)):
        logits = step(torch.tensor([tokens for tokens, _ in live]))
        places = beam if places_kept else beam - len(ended)
        if mistake == "never BOS, of the others":
            logits = logits.clone()
            logits[:, bos] = -math.inf
        picks = _mistaken_picks(logits, live, places, alpha, mistake)
        before, live = live, []
        if mistake == "every end":
            ends = logits.log_softmax(-1)[:, eos].tolist()
            ended += [
                ([*tokens, eos], score + end)
                for (tokens, score), end in zip(before, ends, strict=True)
            ]
            picks = [pick for pick in picks if pick[2] != eos]
        for i, (score, row, token) in enumerate(picks):
            if mistake == "taken again" and len(ended) + len(live) >= places:
                break
            if mistake == "taken again, by place" and i >= beam - len(ended):
                break
            tokens = [*before[row][0], token]
            if token == eos and mistake != "past the end":
                ended.append((tokens, score))
            else:
                live.append((tokens, score))
        if not live or (mistake == "first end" and ended):
            break
        if mistake != "places kept" and len(ended) >= beam:
            break
    if not (mistake == "unfinished lost" and ended):
        ended = ended + live
    answers, scores = _mistaken_answers(ended, alpha, eos, mistake)
    if mistake == "places kept, then cut":
        return answers[:beam], scores[:beam]
    return answers, scores


def _mistaken_answers(ended, alpha, eos, mistake):
    """The answers and their scores, from prefixes and sums."""
    if mistake == "EOS added and counted":
        ended = [(t if t[-1] == eos else [*t, eos], s) for t, s in ended]
    spared = eos if mistake == "EOS not counted" else None
    scored = [
        (
            t,
            s
            / _mistaken_penalty(
                len(t) - 1 - (t[-1] == spared), alpha, mistake
            ),
        )
        for t, s in ended
    ]
    if mistake == "unfinished raw":
        scored = [
            (t, score if t[-1] == eos else s)
            for (t, score), (_, s) in zip(scored, ended, strict=True)
        ]
    if mistake == "sorted by probability":
        order = sorted(range(len(ended)), key=lambda i: -ended[i][1])
        scored = [scored[i] for i in order]
    elif mistake == "worst first":
        scored.sort(key=lambda pair: pair[1])
    elif mistake == "the living last":
        scored.sort(key=lambda pair: (pair[0][-1] != eos, -pair[1]))
    elif mistake == "sorted by tokens":
        scored.sort()
    elif mistake != "in order of ending":
        scored.sort(key=lambda pair: -pair[1])
    if mistake == "probabilities returned":
        scored = [(t, math.exp(s)) for t, s in scored]
    elif mistake == "sign of the scores":
        scored = [(t, -s) for t, s in scored]
    elif mistake == "raw scores":
        raw = {tuple(t): s for t, s in ended}
        scored = [(t, raw[tuple(t)]) for t, _ in scored]
    if mistake == "BOS returned":
        return [t for t, _ in scored], [s for _, s in scored]
    if mistake == "best alone":
        scored = scored[:1]
    answers = [t[1:] for t, _ in scored]
    if mistake == "EOS dropped":
        answers = [[k for k in t if k != eos] for t in answers]
    elif mistake == "last dropped":
        answers = [t[:-1] for t in answers]
    elif mistake == "BOS dropped":
        answers = [[k for k in t if k != ended[0][0][0]] for t in answers]
    elif mistake == "EOS added":
        answers = [t if t[-1] == eos else [*t, eos] for t in answers]
    return answers, [s for _, s in scored]


def _beam_with_competition(
    step, beam, length, alpha, bos, eos, normalised=False
):
    """The ended keep their places only while they are among the best."""

    def rank(pair):
        tokens, score = pair
        ended = _penalty(len(tokens) - 1, alpha) if normalised else 1
        return -score / ended

    kept = [([bos], 0.0)]
    for _ in range(length):
        live = [pair for pair in kept if pair[0][-1] != eos]
        if not live:
            break
        rows = step(torch.tensor([tokens for tokens, _ in live]))
        grown = [
            ([*tokens, k], score + gain)
            for (tokens, score), row in zip(
                live, rows.log_softmax(-1).tolist(), strict=True
            )
            for k, gain in enumerate(row)
        ]
        ended = [pair for pair in kept if pair[0][-1] == eos]
        kept = sorted(ended + grown, key=rank)[:beam]
    scored = [(s / _penalty(len(t) - 1, alpha), t[1:]) for t, s in kept]
    scored.sort(reverse=True)
    return [t for _, t in scored], [s for s, _ in scored]


def _beam_search_with_tensors(step, beam, length, alpha, bos, eos):
    prefix = torch.full((1, 1), bos)
    total = torch.zeros(1)
    found = []
    for t in range(1, length + 1):
        log_p = F.log_softmax(step(prefix), dim=-1)
        candidates = (total[:, None] + log_p).flatten()
        order = candidates.argsort(descending=True)[: beam - len(found)]
        token = order % log_p.shape[1]
        prefix = torch.cat(
            [prefix[order // log_p.shape[1]], token[:, None]], dim=1
        )
        total = candidates[order]
        done = (token == eos) | (t == length)
        lp = ((5 + t) / 6) ** alpha
        found += [
            (row[1:].tolist(), score.item() / lp)
            for row, score in zip(prefix[done], total[done], strict=True)
        ]
        prefix, total = prefix[~done], total[~done]
        if not len(prefix):
            break
    found = sorted(found, key=lambda each: each[1], reverse=True)
    return [tokens for tokens, _ in found], [score for _, score in found]


def _beam_search_by_recursion(step, beam, length, alpha, bos, eos):
    """One level of the tree a call, and the ended handed upwards."""

    def grow(live, places):
        if not live or not places:
            return []
        if len(live[0][0]) > length:
            return live
        logits = step(torch.tensor([tokens for tokens, _ in live]))
        rows = logits.double().log_softmax(-1).tolist()
        candidates = [
            ([*tokens, k], score + gain)
            for (tokens, score), row in zip(live, rows, strict=True)
            for k, gain in enumerate(row)
        ]
        best = sorted(candidates, key=lambda c: c[1])[-places:]
        ended = [c for c in best if c[0][-1] == eos]
        rest = [c for c in best if c[0][-1] != eos]
        return ended + grow(rest, places - len(ended))

    found = [
        (score * (6 / (4 + len(tokens))) ** alpha, tokens[1:])
        for tokens, score in grow([([bos], 0.0)], beam)
    ]
    found.sort(reverse=True)
    return [tokens for _, tokens in found], [score for score, _ in found]


def _table_step(table):
    return partial(_next_from, table)


def _next_from(table, prefix):
    """The next token hangs on every token of the prefix and its place."""
    places = torch.arange(prefix.shape[1])
    return table[places, prefix].sum(1)  # (N, V)


def _run_beam(answer, step, beam, length, alpha, bos, eos):
    """Call an answer; plain lists of plain numbers come back."""
    result = answer(step, beam, length, alpha, bos, eos)
    try:
        answers, scores = result
        answers = [[int(token) for token in tokens] for tokens in answers]
        return answers, [float(score) for score in scores]
    except (TypeError, ValueError) as error:
        raise WrongAnswer(
            "expected (answers, scores), a list of lists of token ids and a "
            f"list of numbers; yours returns {kind_of(result)} that is not."
        ) from error


def _beam_case(name, V, beam, length, alpha, seed, eos=1, bos=0):
    generator = torch.Generator().manual_seed(seed)
    step = _table_step(normal(generator, length, V, V, scale=1.2))
    return Case(name, (step, beam, length, alpha, bos, eos))


def _toy_step(prefix):
    """Tokens 0 BOS, 1 EOS, 2 and 3; the step depends on the place alone."""
    few = 1e-6
    if prefix.shape[1] == 1:
        row = torch.tensor([few, 0.36, 0.35, 0.29])
    else:
        row = torch.tensor([few, 0.95, 0.03, 0.02])
    return row.log().expand(len(prefix), -1)  # (N, V)


def _wide_beams_find_the_best(answer):
    """A beam as wide as the tree is an exhaustive search."""
    generator = torch.Generator().manual_seed(59)
    table, V, length = normal(generator, 3, 4, 4), 4, 3
    step, alpha = _table_step(table), 0.8
    best, todo = -math.inf, [([0], 0.0)]
    while todo:
        tokens, total = todo.pop()
        log_p = step(torch.tensor([tokens])).log_softmax(-1)[0].tolist()
        for token in range(V):
            grown, score = [*tokens, token], total + log_p[token]
            if token == 1 or len(grown) > length:
                scaled = score / ((4 + len(grown)) / 6) ** alpha
                best = max(best, scaled)
            else:
                todo.append((grown, score))
    _, scores = answer(step, 100, length, alpha, 0, 1)
    return abs(float(scores[0]) - best) < 1e-4


EXERCISE = Exercise(
    "06-normalised-beam-search",
    "Search with a beam, and weigh by length",
    points=5,
    reference=_normalised_beam_search,
    cases=[
        Case("the worked example", (_toy_step, 2, 2, 1.0, 0, 1)),
        _beam_case("two of five", 5, 2, 4, 0.6, seed=101),
        _beam_case("three of five", 5, 3, 5, 1.0, seed=81),
        _beam_case("four of six, a strong penalty", 6, 4, 5, 2.0, 62, bos=2),
        _beam_case("no penalty", 5, 3, 4, 0.0, seed=54, eos=3),
        _beam_case("a beam of one", 6, 1, 4, 0.6, seed=55),
        _beam_case("more places than tokens", 4, 6, 4, 0.6, 50, eos=2, bos=1),
        _beam_case("one token at most", 5, 3, 1, 0.6, seed=57),
    ],
    mistakes=[
        *named(_mistaken, MISTAKES),
        Mistake(
            "ended answers that can lose their place",
            "Answers that have ended compete with the living, and better "
            "prefixes push them out. Here an answer that has ended is safe.",
            _beam_with_competition,
            "Move it to a list of its own, and leave one place less.",
            also=[partial(_beam_with_competition, normalised=True)],
        ),
    ],
    right_answers=[_beam_search_with_tensors, _beam_search_by_recursion],
    properties=[
        Property(
            "A beam as wide as the tree finds the best answer there is.",
            _wide_beams_find_the_best,
        )
    ],
    tolerance=1e-5,
    outputs=("answers", "scores"),
    run=_run_beam,
    parts=[
        Part(
            "answers",
            "answers and scores of a beam of two or more",
            3,
            tries=(
                "the worked example",
                "two of five",
                "three of five",
                "four of six, a strong penalty",
            ),
            fresh=anew(
                _beam_case,
                V=(5, 6),
                beam=(2, 4),
                length=(3, 5),
                alpha=(0.4, 2.0),
                bos=[0, 2, 3],
            ),
        ),
        Part(
            "bounds",
            "narrow and wide beams, one token, no penalty",
            2,
            tries=(
                "no penalty",
                "a beam of one",
                "more places than tokens",
                "one token at most",
                "A beam as wide as the tree finds the best answer there is.",
            ),
            fresh=anew(
                _beam_case,
                V=(4, 6),
                beam=(1, 5),
                length=(1, 5),
                alpha=(0.0, 2.0),
                eos=(1, 3),
            ),
        ),
    ],
)
