"""Exercise 08.2: Repair attention in groups."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from attnbook.checks.sharing_heads.grouped_draft import draft, turn
from attnbook.checks.sharing_heads.grouped_mistakes import BUGS, MISTAKES
from attnbook.judging.exercise import Case, Exercise, Mistake, Part, Property
from attnbook.judging.fresh_cases import anew, seed_from
from attnbook.judging.tensors import normal
from attnbook.judging.unrepaired import unrepaired


def _grouped(x, T, padding, model, H, G):
    S = x.shape[1]
    q = x[:, -T:] @ model["query"].T
    q = turn(q.unflatten(-1, (H, -1)).transpose(1, 2), S - T)  # (B, H, T, d)
    k, v = (
        (x @ model[name].T).unflatten(-1, (G, -1)).transpose(1, 2)
        for name in ("key", "value")
    )  # (B, G, S, d)
    k = turn(k, 0).repeat_interleave(H // G, 1)
    v = v.repeat_interleave(H // G, 1)
    place = torch.arange(S)
    mask = (place >= padding[:, None, None]) & (place <= place[-T:, None])
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    weights = scores.masked_fill(~mask[:, None], -math.inf).softmax(-1)
    output = (weights @ v).transpose(1, 2).flatten(2)  # (B, T, H·d)
    return output @ model["output"].T, weights


# -- right, written differently ----------------------------------------------


def _head_by_head(x, T, padding, model, H, G):
    """A loop over rows and heads, without padding and without a mask of it."""
    B, S, _ = x.shape
    d = len(model["query"]) // H
    weights = torch.zeros(B, H, T, S, dtype=x.dtype)
    heads = torch.zeros(B, T, H * d, dtype=x.dtype)
    for b in range(B):
        first = int(padding[b])
        for h in range(H):
            g = h * G // H
            of_query = slice(h * d, (h + 1) * d)
            of_key = slice(g * d, (g + 1) * d)
            text = x[b, first:]
            q = turn(x[b, -T:] @ model["query"][of_query].T, S - T)
            k = turn(text @ model["key"][of_key].T, first)
            v = text @ model["value"][of_key].T
            scores = q @ k.T * d**-0.5
            hidden = torch.ones_like(scores).triu(len(text) - T + 1).bool()
            row = scores.masked_fill(hidden, float("-inf")).softmax(-1)
            weights[b, h, :, first:] = row
            heads[b, :, of_query] = row @ v
    return heads @ model["output"].T, weights


def _groups_as_an_axis(x, T, padding, model, H, G):
    """No copies: the heads of a group are an axis of their own."""
    S = x.shape[1]
    q = F.linear(x[:, S - T :], model["query"]).unflatten(-1, (G, H // G, -1))
    k = F.linear(x, model["key"]).unflatten(-1, (G, -1))
    v = F.linear(x, model["value"]).unflatten(-1, (G, -1))
    q = turn(q.movedim(1, 3), S - T)  # (B, G, H/G, T, d)
    k = turn(k.movedim(1, 2), 0)
    scores = torch.einsum("bgntd,bgsd->bgnts", q, k) / q.shape[-1] ** 0.5
    query = torch.arange(S - T, S)[:, None]
    for b, empty in enumerate(padding.tolist()):
        place = torch.arange(S)
        hidden = (place < empty) | (place > query)
        scores[b, :, :, hidden] = -torch.inf
    weights = scores.softmax(-1)
    heads = torch.einsum("bgnts,bsgd->btgnd", weights, v)
    return F.linear(heads.flatten(2), model["output"]), weights.flatten(1, 2)


# -- cases -------------------------------------------------------------------


def _grouped_case(
    name, H, G, d, T, S, padding, seed, D=None, scale=0.7, dtype=torch.float32
):
    generator = torch.Generator().manual_seed(seed)
    D = D or 2 * H
    x = normal(generator, len(padding), S, D, scale=scale)
    model = {
        "query": normal(generator, H * d, D, scale=0.6),
        "key": normal(generator, G * d, D, scale=0.6),
        "value": normal(generator, G * d, D, scale=0.6),
        "output": normal(generator, D, H * d, scale=0.6),
    }
    model = {key: matrix.to(dtype) for key, matrix in model.items()}
    for b, empty in enumerate(padding):
        x[b, :empty] = 2.0  # nobody should see that
    padding = torch.tensor(padding)
    return Case(name, (x.to(dtype), T, padding, model, H, G))


def _worked_groups():
    """Keys of 0, so that each head averages what it may see."""
    x = torch.tensor([[[1.0, 0], [0, 1], [2, 2]], [[9.0, 9], [4, 0], [0, 2]]])
    value = torch.tensor([[1.0, 0], [0, 0], [0, 1], [0, 0]])
    model = {
        "query": torch.zeros(8, 2),
        "key": torch.zeros(4, 2),
        "value": value,
        "output": torch.zeros(2, 8),
    }
    model["output"][0, 2] = 1.0  # the first feature of head 1
    model["output"][1, 4] = 1.0  # the first feature of head 2
    return Case(
        "the worked example", (x, 2, torch.tensor([0, 1]), model, 4, 2)
    )


def _scores_of_200():
    case = _grouped_case("scores of 200", 6, 3, 6, 2, 4, [0, 2], 92)
    x, T, padding, model, H, G = case.arguments
    model["query"] = 60 * model["query"]
    return Case(case.name, (x, T, padding, model, H, G))


def _padding_of(random, drawn):
    """Rows of different padding; at least T + 1 real tokens in each."""
    most = drawn["S"] - drawn["T"] - 1
    found = random.permutation(most + 1)[: int(random.integers(2, 4))]
    return [int(n) for n in found]


def _drawn_groups(name, sizes, d, T, S, padding, seed):
    H, G = sizes
    return _grouped_case(name, H, G, d, T, S, padding, seed)


def _a_row_attends_as_if_alone(answer, seed=94):
    x, T, padding, model, H, G = _grouped_case(
        "", 6, 3, 2, 2, 6, [3, 0, 1], seed
    ).arguments
    together, _ = answer(x, T, padding, model, H, G)
    for b in range(len(x)):
        alone, _ = answer(x[b : b + 1], T, padding[b : b + 1], model, H, G)
        if not torch.allclose(together[b], alone[0], atol=1e-5):
            return False
    return True


def _another_batch_of_rows(seed):
    random = np.random.default_rng(seed)
    return partial(_a_row_attends_as_if_alone, seed=seed_from(random) % 10**6)


EXERCISE = Exercise(
    "08-grouped",
    "Repair attention in groups",
    points=4,
    reference=_grouped,
    cases=[
        _worked_groups(),
        _grouped_case("one row", 6, 3, 6, 2, 5, [0], 83),
        _grouped_case("two rows", 6, 3, 6, 3, 6, [2, 0], 84),
        _grouped_case("heads of width 4", 8, 4, 4, 2, 5, [1, 2, 0], 85),
        _grouped_case("three heads in a group", 9, 3, 2, 2, 7, [0, 4], 86),
        _grouped_case("as many groups as heads", 4, 4, 6, 2, 4, [1, 0], 87),
        _grouped_case("a single new token", 6, 3, 2, 1, 6, [4, 0, 2], 88),
        _grouped_case("one group", 4, 1, 6, 2, 5, [0, 2], 89),
        _grouped_case(
            "in double precision",
            8,
            4,
            2,
            4,
            5,
            [0, 1],
            90,
            dtype=torch.float64,
        ),
        _scores_of_200(),
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
    right_answers=[_head_by_head, _groups_as_an_axis],
    properties=[
        Property(
            "A row of a batch gets what it would get alone.",
            _a_row_attends_as_if_alone,
            anew=_another_batch_of_rows,
        ),
    ],
    tolerance=1e-5,
    outputs=("output", "weights"),
    axes={"output": "B T D", "weights": "B H T S"},
    fresh=anew(
        _drawn_groups,
        sizes=[(6, 3), (8, 4), (9, 3), (12, 4), (10, 5)],
        d=[2, 6],
        T=(2, 3),
        S=(5, 7),
        padding=_padding_of,
    ),
    parts=[
        Part("two", "two of the five bugs fixed", 1, mended=2),
        Part("four", "four of the five bugs fixed", 1, mended=4),
        Part("all", "all five bugs fixed", 2, mended=5),
    ],
)
