"""Exercise 09.4: Keep a state for each text of a row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from attnbook.checks.long_context.packed_mistaken import mistaken
from attnbook.checks.long_context.packed_mistakes import MISTAKES
from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal


def _packed_linear(query, key, value, text):
    T = query.shape[1]
    place = torch.arange(T)
    own = (text[:, :, None] == text[:, None]) & (text >= 0)[:, None]
    own = own & (place <= place[:, None])  # (B, T, T)
    q, k = F.elu(query) + 1, F.elu(key) + 1
    scores = torch.einsum("bthd,bshd->btsh", q, k) * own[..., None]
    total = scores.sum(2)[..., None]  # (B, T, H, 1)
    read = torch.einsum("btsh,bshv->bthv", scores, value)
    output = read / torch.where(total > 0, total, 1)
    last = (text == text.amax(1, keepdim=True)) & (text >= 0)  # (B, T)
    k = k * last[..., None, None]
    pairs = torch.einsum("bshd,bshv->bhdv", k, value)
    return output, pairs, k.sum(1)


# -- right, written differently ----------------------------------------------


def _token_by_token(query, key, value, text):
    """A loop over rows and tokens, with a state that begins anew."""
    B, T, H, d_k = query.shape
    outputs, states, totals = [], [], []
    for b in range(B):
        pairs = torch.zeros(H, d_k, value.shape[-1])
        keys, now, row = torch.zeros(H, d_k), -1, []
        for t in range(T):
            if text[b, t] < 0:
                row.append(torch.zeros(H, value.shape[-1]))
                continue
            if text[b, t] != now:
                pairs, keys = torch.zeros_like(pairs), torch.zeros_like(keys)
                now = int(text[b, t])
            k, q = F.elu(key[b, t]) + 1, F.elu(query[b, t]) + 1  # (H, d_k)
            pairs = pairs + k[..., None] * value[b, t, :, None]
            keys = keys + k
            read = (q[:, None] @ pairs)[:, 0]  # (H, d_v)
            row.append(read / (q * keys).sum(-1, keepdim=True).clamp(1e-9))
        outputs.append(torch.stack(row))
        states.append(pairs)
        totals.append(keys)
    return torch.stack(outputs), torch.stack(states), torch.stack(totals)


def _sums_of_each_text(query, key, value, text):
    """A running sum over the whole row for each text, the others at 0."""
    q = torch.where(query > 0, query + 1, query.clamp(max=0).exp())
    k = torch.where(key > 0, key + 1, key.clamp(max=0).exp())
    output = torch.zeros_like(value)
    B, _, H, d_k = k.shape
    pairs = torch.zeros(B, H, d_k, value.shape[-1])
    keys = torch.zeros(B, H, d_k)
    for n in range(int(text.max()) + 1):
        mine = (text == n)[..., None, None]  # (B, T, 1, 1)
        sums = (k * mine).cumsum(1)  # (B, T, H, d_k)
        products = k[..., None] * value[..., None, :] * mine[..., None]
        products = products.cumsum(1)  # (B, T, H, d_k, d_v)
        total = (q * sums).sum(-1, keepdim=True)
        read = (q[..., None] * products).sum(-2)
        safe = total.masked_fill(total == 0, 1)
        output = torch.where(mine, read / safe, output)
        has = mine.any(1)  # (B, 1, 1)
        keys = torch.where(has, sums[:, -1], keys)
        pairs = torch.where(has[..., None], products[:, -1], pairs)
    return output, pairs, keys


# -- cases -------------------------------------------------------------------


def _packed_case(name, text, H, d_k, d_v, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    text = torch.tensor(text)
    B, T = text.shape
    return Case(
        name,
        (
            normal(generator, B, T, H, d_k, scale=scale),
            normal(generator, B, T, H, d_k, scale=scale),
            normal(generator, B, T, H, d_v),
            text,
        ),
    )


def _worked_packing():
    """Features of 1 and of 2, so that outputs are weighted means."""
    query = torch.zeros(1, 5, 1, 1)
    key = torch.tensor([0.0, 1, 0, 1, 5]).view(1, 5, 1, 1)
    value = torch.tensor([3.0, 6, 2, 5, 9]).view(1, 5, 1, 1)
    text = torch.tensor([[0, 0, 1, 1, -1]])
    return Case("the worked example", (query, key, value, text))


def _numbers_of_200():
    """Some queries have no feature above 0, nor have some keys."""
    case = _packed_case(
        "numbers of 200",
        [[0, 0, 0, 1, 1], [0, 0, 1, 1, -1], [0, 1, 1, 1, 1]],
        2,
        3,
        4,
        seed=46,
    )
    query, key, value, text = case.arguments
    query[0, 1, 0] = torch.tensor([-200.0, -190, -210])
    key[1, 0] = -200.0
    query[2, 3] = 200.0
    key[2, 2, 1] = torch.tensor([200.0, -200, 200])
    return Case(case.name, (query, key, value, text))


def _sums_of_0():
    """Two queries that have no feature above 0, in a row without padding."""
    case = _packed_case("sums of 0", [[0, 0, 0, 0, 1]] * 2, 2, 3, 2, seed=49)
    query = case.arguments[0]
    query[0, 2, 0] = -200.0
    query[1, 4] = torch.tensor([-190.0, -200, -210])
    return case


def _one_each(random, drawn):
    """Rows of one text each."""
    return [[0] * drawn["T"]] * int(random.integers(2, 4))


def _some_each(random, drawn):
    """Rows of several texts, without padding."""
    rows = []
    for _ in range(int(random.integers(2, 4))):
        steps = random.random(drawn["T"] - 1) < 0.4
        steps[random.integers(len(steps))] = True
        rows.append([0, *np.cumsum(steps).tolist()])
    return rows


def _padded(random, drawn):
    """Rows of several texts with padding behind and inside of them."""
    rows = _some_each(random, drawn)
    for row in rows:
        for place in random.integers(1, len(row), 2):
            row[place] = -1
    rows[0][-1] = -1
    return [*rows, [-1] * drawn["T"]]


def _sized(text):
    return anew(
        _without_length,
        T=(5, 8),
        text=text,
        H=(2, 3),
        d_k=(2, 4),
        d_v=(2, 4),
    )


def _without_length(name, T, **drawn):
    return _packed_case(name, **drawn)


def _holds_nan(case, outputs):
    large = ("numbers of 200", "sums of 0")
    return case.name in large and bool(outputs[0].isnan().any())


EXERCISE = Exercise(
    "09-packed-linear",
    "Keep a state for each text of a row",
    points=4,
    reference=_packed_linear,
    cases=[
        _worked_packing(),
        _packed_case("one text a row", [[0] * 6] * 2, 3, 2, 4, seed=41),
        _packed_case("one long text", [[0] * 9] * 3, 2, 4, 3, seed=42),
        _packed_case(
            "several texts a row",
            [[0, 0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 1, 1, 2]],
            3,
            2,
            4,
            seed=43,
        ),
        _packed_case(
            "padding at the end",
            [[0, 0, 0, 1, -1, -1], [0, 0, 0, 0, 0, -1], [0, 1, 1, 2, 2, 2]],
            2,
            4,
            3,
            seed=44,
        ),
        _packed_case(
            "padding inside",
            [
                [0, 0, -1, -1, 0, 0, 1, 1],
                [-1, 0, 0, 1, -1, 1, 1, -1],
                [0, -1, 1, 1, 1, -1, 2, 2],
            ],
            2,
            3,
            2,
            seed=45,
        ),
        _packed_case(
            "a row of padding", [[-1] * 4, [0, 0, 1, 1]], 3, 2, 2, seed=47
        ),
        _numbers_of_200(),
        _sums_of_0(),
        _packed_case(
            "all sizes alike",
            [[0, 0, 1], [0, 1, 1], [0, 0, -1]],
            3,
            3,
            3,
            seed=48,
        ),
    ],
    mistakes=[
        replace(one, shows=_holds_nan)
        if one.name == "nothing divided by nothing"
        else one
        for one in named(mistaken, MISTAKES)
    ],
    right_answers=[_token_by_token, _sums_of_each_text],
    tolerance=1e-4,
    gradients=True,
    outputs=("output", "pairs", "keys"),
    axes={"output": "B T H d_v", "pairs": "B H d_k d_v", "keys": "B H d_k"},
    parts=[
        Part(
            "one",
            "one text in each row",
            1,
            tries=("one text a row", "one long text"),
            fresh=_sized(_one_each),
        ),
        Part(
            "several",
            "several texts in a row",
            1,
            tries=("several texts a row", "all sizes alike"),
            fresh=_sized(_some_each),
        ),
        Part(
            "padding",
            "padding, and features of 0",
            1,
            tries=(
                "the worked example",
                "padding at the end",
                "padding inside",
                "a row of padding",
                "numbers of 200",
            ),
            fresh=_sized(_padded),
        ),
        Part(
            "gradients",
            "the gradients",
            1,
            tries=("one long text", "several texts a row", "sums of 0"),
            gradients=True,
            fresh=_sized(_some_each),
        ),
    ],
)
