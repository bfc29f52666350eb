"""Exercise 07.2: Repair a writer that keeps keys and values."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from itertools import chain

import numpy as np
import torch
import torch.nn.functional as F

from attnbook.checks.decoder_only.write_draft import draft, draw
from attnbook.checks.decoder_only.write_mistakes import (
    BUGS,
    MISTAKES,
    SEE_EMPTY,
)
from attnbook.judging.comparison import kind_of
from attnbook.judging.exercise import Case, Exercise, Mistake, Part, Property
from attnbook.judging.fresh_cases import anew, seed_from
from attnbook.judging.parts import WrongAnswer
from attnbook.judging.tensors import normal
from attnbook.judging.unrepaired import unrepaired


def _nucleus(logits, p):
    best, order = logits.softmax(-1).sort(descending=True)
    best = best.masked_fill(best.cumsum(-1) - best >= p, 0)
    best = best / best.sum(-1, keepdim=True)
    return torch.zeros_like(best).scatter(-1, order, best)


def _write(batches, model, temperature, p):
    B, (L, D) = len(batches[0][0]), model["places"].shape
    rows = torch.arange(B)
    written, chances = [], []
    for prompts, lengths, numbers in batches:
        key, value = torch.zeros(2, B, L, D)
        start, read, counts = torch.zeros_like(lengths), prompts, lengths
        tokens, seen = [], []
        for number in numbers.T:
            places = start[:, None] + torch.arange(read.shape[1])  # (B, T)
            x = model["tokens"][read] + model["places"][places]  # (B, T, D)
            key[rows[:, None], places] = x @ model["key"].T
            value[rows[:, None], places] = x @ model["value"].T
            mask = torch.arange(L) <= places[..., None]  # (B, T, L)
            x = x + F.scaled_dot_product_attention(
                x @ model["query"].T, key, value, mask
            )
            start = start + counts
            logits = x[rows, counts - 1] @ model["logits"].T  # (B, V)
            seen.append(_nucleus(logits / temperature, p))
            tokens.append(draw(seen[-1], number))
            read, counts = tokens[-1][:, None], torch.ones_like(lengths)
        written.append(torch.stack(tokens, 1))  # (B, N)
        chances.append(torch.stack(seen, 1))  # (B, N, V)
    return written, chances


# -- right, written differently ----------------------------------------------


def _write_anew(batches, model, temperature, p):
    """Without any cache: each step runs over the whole text of a row."""

    def chances_after(text):
        x = model["tokens"][text] + model["places"][: len(text)]
        query, key, value = (
            x @ model[name].T for name in ("query", "key", "value")
        )
        scores = query[-1] @ key.T / math.sqrt(x.shape[1])
        last = x[-1] + scores.softmax(-1) @ value
        chances = (model["logits"] @ last / temperature).softmax(-1)
        kept, total = torch.zeros_like(chances), 0.0
        for token in chances.argsort(descending=True).tolist():
            if total < p:
                kept[token] = chances[token]
                total += chances[token].item()
        return kept / kept.sum()

    written, seen = [], []
    for prompts, lengths, numbers in batches:
        rows, maps = [], []
        for prompt, length, line in zip(
            prompts.tolist(), lengths.tolist(), numbers, strict=True
        ):
            text, chances = prompt[:length], []
            for number in line:
                chances.append(chances_after(text))
                text.append(int(draw(chances[-1], number)))
            rows.append(text[length:])
            maps.append(torch.stack(chances))
        written.append(torch.tensor(rows))
        seen.append(torch.stack(maps))
    return written, seen


def _write_row_by_row(batches, model, temperature, p):
    """A cache for each row, which grows by concatenation."""

    def row(prompt, numbers):
        key = value = torch.zeros(0, model["places"].shape[1])
        read, tokens, seen = prompt, [], []
        for number in numbers:
            place = torch.arange(len(key), len(key) + len(read))
            x = model["tokens"][read] + model["places"][place]
            key = torch.cat([key, x @ model["key"].T])
            value = torch.cat([value, x @ model["value"].T])
            scores = x[-1] @ model["query"].T @ key.T / x.shape[1] ** 0.5
            last = x[-1] + scores.softmax(0) @ value
            logits = last @ model["logits"].T / temperature
            seen.append(_nucleus(logits[None], p)[0])
            read = draw(seen[-1], number)[None]
            tokens.append(read)
        return torch.cat(tokens), torch.stack(seen)

    written, chances = [], []
    for prompts, lengths, numbers in batches:
        rows = [
            row(prompt[:length], line)
            for prompt, length, line in zip(
                prompts, lengths, numbers, strict=True
            )
        ]
        tokens, seen = zip(*rows, strict=True)
        written.append(torch.stack(tokens))
        chances.append(torch.stack(seen))
    return written, chances


# -- cases -------------------------------------------------------------------


def _run_write(answer, batches, model, temperature, p):
    """Call an answer; tokens are whole numbers, whatever their type."""
    result = answer(batches, model, temperature, p)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise WrongAnswer(
            "expected (written, chances), two lists with a tensor for each "
            f"batch; yours returns {kind_of(result)}."
        )
    return tuple(map(_stacked, result))


def _stacked(found):
    """One tensor of all batches, where there is one of each, and alike."""
    try:
        return torch.stack(list(found))
    except (TypeError, RuntimeError):
        return found


def _model(generator, V, D, L, scale):
    return {
        "tokens": normal(generator, V, D),
        "places": normal(generator, L, D, scale=0.7),
        "query": normal(generator, D, D),
        "key": normal(generator, D, D),
        "value": normal(generator, D, D, scale=0.7),
        "logits": normal(generator, V, D, scale=scale),
    }


def _write_case(
    name, lengths, N, V, D, seed, temperature=0.8, p=0.7, scale=0.6, extra=0
):
    """`lengths` of the prompts: a list for each batch, of as many rows."""
    generator = torch.Generator().manual_seed(seed)
    batches, room = [], 1
    for each in lengths:
        T = max(each) + extra
        room += T + N
        batches.append(
            (
                torch.randint(V, (len(each), T), generator=generator),
                torch.tensor(each),
                torch.rand(len(each), N, generator=generator) * 0.99,
            )
        )
    model = _model(generator, V, D, room, scale)
    return Case(name, (batches, model, temperature, p))


def _worked_writing():
    """Uniform weights; what is seen is averaged, and powers of 4 compared."""
    eye = torch.eye(3)
    batch = (
        torch.tensor([[0, 1], [2, 0]]),
        torch.tensor([2, 1]),
        torch.tensor([[0.1, 0.9], [0.5, 0.5]]),
    )
    model = {"tokens": eye, "places": torch.zeros(9, 3)}
    model |= {"query": 0 * eye, "key": 0 * eye, "value": eye}
    model["logits"] = math.log(2) * eye
    return Case("the worked example", ([batch, batch], model, 0.5, 0.85))


def _large_logits():
    """One token has a logit of 200 or more, at each place another."""
    case = _write_case("large logits", [[3, 2]], 3, 5, 3, 28, scale=1.0)
    batches, model, temperature, p = case.arguments
    model["logits"] = model["logits"] * 90
    return Case(case.name, (batches, model, temperature, p))


def _batches_of(random, drawn):
    """Two batches of as many rows, prompts of different lengths."""
    B = int(random.integers(2, 4))
    return [
        [int(n) for n in random.choice(np.arange(1, 5), B, replace=False)]
        for _ in range(2)
    ]


def _one_of_two_alike_stays(answer):
    """Two tokens have 0.5 each, the others nothing; p is 0.5."""
    D, V = 3, 4
    model = {name: torch.eye(D) for name in ("query", "key", "value")}
    model |= {"tokens": torch.ones(V, D), "places": torch.zeros(6, D)}
    model["logits"] = torch.zeros(V, D)
    model["logits"][1:3] = -200
    prompts, lengths = torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1])
    batch = prompts, lengths, torch.tensor([[0.3], [0.7]])
    _, chances = answer([batch], model, 1.0, 0.5)
    return bool((torch.as_tensor(chances[0]).max(-1).values > 0.9).all())


def _codes_of(bugs):
    """Other code with the same bugs: a new buffer for each batch; `< p` for
    `<= p` where the token that crosses is dropped, `<=` for `<` where not."""
    emptied = len(bugs) > 1 if "not reset" in bugs else SEE_EMPTY & {*bugs}
    tie = "below p" if "crossing" in bugs else "one more at a tie"
    found = [(), ("emptied",)] if emptied else [()]
    if tie not in bugs:
        found += [(*each, tie) for each in found]
    return [partial(draft, bugs=(*bugs, *each)) for each in found[1:]]


def _with_other_code(mistake):
    codes = mistake.answer, *mistake.also
    others = [_codes_of(code.keywords["bugs"]) for code in codes]
    return replace(mistake, also=(*codes[1:], *chain(*others)))


def _a_row_writes_as_if_alone(answer, seed=61):
    batches, model, temperature, p = _write_case(
        "", [[4, 2, 3]], 3, 6, 4, seed
    ).arguments
    [(prompts, lengths, numbers)] = batches
    together, _ = answer(batches, model, temperature, p)
    alone = [
        answer(
            [(prompts[b : b + 1, :n], lengths[b : b + 1], numbers[b : b + 1])],
            model,
            temperature,
            p,
        )[0][0]
        for b, n in enumerate(lengths.tolist())
    ]
    return torch.equal(torch.as_tensor(together[0]), torch.cat(alone))


def _another_batch_of_rows(seed):
    random = np.random.default_rng(seed)
    return partial(_a_row_writes_as_if_alone, seed=seed_from(random) % 10**6)


EXERCISE = Exercise(
    "07-write",
    "Repair a writer that keeps keys and values",
    points=4,
    reference=_write,
    cases=[
        _worked_writing(),
        _write_case("prompts of one length", [[3, 3]], 4, 5, 4, seed=111),
        _write_case("prompts of other lengths", [[2, 4, 3]], 4, 6, 4, seed=22),
        _write_case("two batches", [[3, 2], [2, 4]], 3, 5, 3, seed=111),
        _write_case("wider than any prompt", [[2, 3]], 3, 6, 4, 107, extra=2),
        _write_case("p of 1", [[1, 3], [3, 2]], 3, 4, 4, seed=25, p=1.0),
        _write_case("a small p", [[2, 1, 4]], 3, 5, 4, seed=102, p=0.2),
        _large_logits(),
        _write_case(
            "all sizes alike", [[3, 2, 1]] * 3, 3, 3, 3, 27, temperature=1.7
        ),
    ],
    mistakes=map(
        _with_other_code,
        (
            *unrepaired(BUGS, draft, begins="Begin with"),
            *(
                Mistake(
                    name,
                    sentence,
                    partial(draft, bugs=bugs),
                    look,
                    also=[partial(draft, bugs=other) for other in more],
                    bugs=1,
                )
                for bugs, name, sentence, look, *more in MISTAKES
            ),
        ),
    ),
    right_answers=[_write_anew, _write_row_by_row],
    properties=[
        Property(
            "A row of a batch writes what it would write alone.",
            _a_row_writes_as_if_alone,
            anew=_another_batch_of_rows,
        ),
        Property(
            "Of two tokens that have 0.5 each, p = 0.5 keeps one.",
            _one_of_two_alike_stays,
        ),
    ],
    tolerance=1e-5,
    outputs=("written", "chances"),
    axes={"written": "batches B N", "chances": "batches B N V"},
    run=_run_write,
    fresh=anew(
        _write_case,
        lengths=_batches_of,
        N=(2, 4),
        V=(4, 6),
        D=(3, 5),
        temperature=(0.5, 1.5),
        p=(0.5, 0.8),
    ),
    parts=[
        Part("two", "two of the five bugs fixed", 1, mended=2),
        Part("four", "four of the five bugs fixed", 1, mended=4),
        Part("all", "all five bugs fixed", 2, mended=5),
    ],
)
