"""Exercise 09.3: Repair a cache that rolls."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from attnbook.checks.long_context.stream_draft import draft, turn
from attnbook.checks.long_context.stream_mistakes import BUGS, MISTAKES
from attnbook.judging.comparison import kind_of
from attnbook.judging.exercise import Case, Exercise, Mistake, Part, Property
from attnbook.judging.fresh_cases import anew, seed_from
from attnbook.judging.parts import WrongAnswer
from attnbook.judging.tensors import normal
from attnbook.judging.unrepaired import unrepaired


def _stream(texts, cuts, model, window, slots):
    results = []
    for text, pieces in zip(texts, cuts, strict=True):
        B, _, D = text.shape
        key, value = torch.zeros(2, B, slots, D)
        done, outputs = 0, []
        for x in text.split(pieces, 1):
            T = x.shape[1]
            places = done + torch.arange(T)
            query = turn(x @ model["query"].T, places)
            new = turn(x @ model["key"].T, places)
            key = torch.cat([key, new], 1)  # (B, slots + T, D)
            value = torch.cat([value, x @ model["value"].T], 1)
            held = done - slots + torch.arange(slots + T)
            far = places[:, None] - held  # (T, slots + T)
            mask = (held >= 0) & (far >= 0) & (far < window)
            outputs.append(
                F.scaled_dot_product_attention(query, key, value, mask)
            )
            key, value = key[:, -slots:], value[:, -slots:]
            done += T
        results.append(torch.cat(outputs, 1))
    return results


# -- right, written differently ----------------------------------------------


def _all_at_once(texts, cuts, model, window, slots):
    """Without a cache: dense attention under the mask of the window."""

    def read(text):
        places = torch.arange(text.shape[1])
        far = places[:, None] - places
        query, key = (
            turn(text @ model[name].T, places) for name in ("query", "key")
        )
        scores = query @ key.mT / text.shape[2] ** 0.5
        scores = scores.masked_fill((far < 0) | (far >= window), -torch.inf)
        return scores.softmax(-1) @ (text @ model["value"].T)

    return [read(text) for text in texts]


def _in_a_ring(texts, cuts, model, window, slots):
    """Token by token: the token at place p stands in slot p mod slots."""
    results = []
    for text in texts:
        B, n, D = text.shape
        key, value = torch.zeros(2, B, slots, D)
        held = torch.full((slots,), -1)
        rows = []
        for p in range(n):
            x, place = text[:, p : p + 1], torch.tensor([p])
            slot = p % slots
            key[:, slot] = turn(x @ model["key"].T, place)[:, 0]
            value[:, slot] = (x @ model["value"].T)[:, 0]
            held[slot] = p
            scores = turn(x @ model["query"].T, place) @ key.mT / D**0.5
            none = (held < 0) | (held <= p - window)
            weights = scores.masked_fill(none, -torch.inf).softmax(-1)
            rows.append(weights @ value)
        results.append(torch.cat(rows, 1))
    return results


# -- cases -------------------------------------------------------------------


def _run_stream(answer, texts, cuts, model, window, slots):
    """Call an answer, and put its texts one after the other."""
    result = answer(texts, cuts, model, window, slots)
    if not isinstance(result, (tuple, list)):
        raise WrongAnswer(
            "expected a list with a tensor (B, n, D) for each text; yours "
            f"returns {kind_of(result)}."
        )
    try:
        return torch.cat(list(result), 1)
    except (TypeError, RuntimeError):
        return list(result)


def _stream_case(name, B, D, cuts, window, slots, seed, scale=1.0):
    """`cuts` holds the lengths of the pieces of each text."""
    generator = torch.Generator().manual_seed(seed)
    model = {
        "query": normal(generator, D, D, scale=0.8 * scale),
        "key": normal(generator, D, D, scale=0.8 * scale),
        "value": normal(generator, D, D, scale=0.7),
    }
    texts = [normal(generator, B, sum(pieces), D) for pieces in cuts]
    return Case(name, (texts, cuts, model, window, slots))


def _worked_stream():
    """Queries and keys of zeros: each output is the mean of what is seen."""
    text = torch.zeros(1, 5, 2)
    text[0, :, 0] = torch.tensor([4.0, 8, 2, 6, 0])
    zero = torch.zeros(2, 2)
    model = {"query": zero, "key": zero.clone(), "value": torch.eye(2)}
    return Case("the worked example", ([text], [[3, 1, 1]], model, 2, 3))


def _cuts_of(random, drawn):
    """Two texts: a prompt, single tokens and some pieces, a long one too."""
    found = []
    for _ in range(2):
        pieces = [int(random.integers(2, 9))]
        pieces += [1] * int(random.integers(2, 5))
        pieces += [int(n) for n in random.integers(1, 5, 2)]
        found.append([*pieces, *[1] * int(random.integers(1, 4))])
    return found


def _cuts_make_no_difference(answer, seed=61, window=3, slots=5):
    texts, _, model, window, slots = _stream_case(
        "", 2, 4, [[12]], window, slots, seed
    ).arguments
    found = [
        answer(texts, cuts, model, window, slots)[0]
        for cuts in ([[12]], [[5, 1, 1, 3, 1, 1]], [[1] * 12])
    ]
    return all(torch.allclose(found[0], one, atol=1e-5) for one in found)


def _cuts_make_no_difference_anew(seed):
    random = np.random.default_rng(seed)
    window = int(random.integers(2, 5))
    return partial(
        _cuts_make_no_difference,
        seed=seed_from(random) % 10**6,
        window=window,
        slots=window + int(random.integers(0, 3)),
    )


EXERCISE = Exercise(
    "09-stream",
    "Repair a cache that rolls",
    points=4,
    reference=_stream,
    cases=[
        _worked_stream(),
        _stream_case("token by token", 2, 4, [[1] * 7], 3, 5, seed=31),
        _stream_case(
            "a prompt, then tokens", 2, 4, [[4, *[1] * 7]], 3, 5, seed=32
        ),
        _stream_case(
            "a prompt longer than the buffer", 3, 4, [[8, 1, 1, 1]], 3, 4, 33
        ),
        _stream_case(
            "pieces of other lengths", 2, 6, [[3, 2, 4, 1, 3]], 4, 6, seed=34
        ),
        _stream_case(
            "two texts", 2, 4, [[5, 1, 1, 1], [2, 1, 1, 3, 1]], 3, 5, seed=35
        ),
        _stream_case(
            "as many slots as the window",
            2,
            4,
            [[3, 1, 1, 2, 1]],
            3,
            3,
            seed=36,
        ),
        _stream_case(
            "shorter than the window", 2, 4, [[2, 1], [3]], 6, 8, seed=37
        ),
        _stream_case(
            "scores of 200", 2, 4, [[4, 1, 1, 1, 1]], 3, 5, 38, scale=9.0
        ),
        _stream_case(
            "all sizes alike", 4, 4, [[4, 1, 1, 4]] * 2, 4, 4, seed=39
        ),
    ],
    mistakes=[
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
    ],
    right_answers=[_all_at_once, _in_a_ring],
    properties=[
        Property(
            "Into which pieces a text is cut makes no difference.",
            _cuts_make_no_difference,
            anew=_cuts_make_no_difference_anew,
        ),
    ],
    tolerance=1e-4,
    axes={"output": "B n D"},
    run=_run_stream,
    fresh=anew(
        _stream_case,
        B=(2, 3),
        D=[4, 6],
        cuts=_cuts_of,
        window=(2, 4),
        slots=lambda random, drawn: (
            drawn["window"] + int(random.integers(1, 4))
        ),
    ),
    parts=[
        Part("two", "two of the five bugs fixed", 1, mended=2),
        Part("four", "four of the five bugs fixed", 1, mended=4),
        Part("all", "all five bugs fixed", 2, mended=5),
    ],
)
