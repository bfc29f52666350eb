"""Slips of a fresh trial of exercises 12.2 to 12.5, told by their names."""

import math

import pytest
import torch
import torch.nn.functional as F
from verdicts import named, parts_of

from attnbook.checks.experts_and_state_spaces import EXERCISES

SEAT, BALANCE, SCAN, WRITE = (
    EXERCISES[f"12-{name}"]
    for name in ("seat", "balance", "scan-maps", "write-chunks")
)

# -- a limited room ----------------------------------------------------------


def by_loops(scores, kept, k, factor, room=None, weigh=None, slots=None):
    N, E = scores.shape
    n = int(kept.sum())
    space = room(factor, k, n, E) if room else math.ceil(factor * k * n / E)
    best = scores.detach().argsort(dim=-1, descending=True, stable=True)
    best, taken = best[:, :k], [0] * E
    seated, slot = torch.zeros(N, k), torch.full((N, E), -1)
    for c in range(k):
        for i in range(N):
            e = int(best[i, c])
            if kept[i] and taken[e] < space:
                seated[i, c], slot[i, e] = 1, taken[e]
                taken[e] += 1
    chosen = scores.gather(-1, best)
    weight = (weigh(chosen) if weigh else chosen.softmax(-1)) * seated
    full = torch.zeros(N, E).scatter(1, best, weight)
    return full, slots(slot) if slots else slot


def test_seats_by_loops_are_right():
    assert SEAT.diagnose(by_loops) is None


@pytest.mark.parametrize(
    ("slip", "name"),
    [
        (
            {"room": lambda factor, k, n, E: int(factor * k * n / E) + 1},
            "one more than the whole part",
        ),
        (
            {"room": lambda factor, k, n, E: math.ceil(factor * n / (k * E))},
            "a room divided by k",
        ),
        (
            {"room": lambda factor, k, n, E: math.ceil(k * n / E) * factor},
            "a room rounded before the factor",
        ),
        (
            {"weigh": lambda chosen: chosen.log_softmax(-1)},
            "logarithms of the weights",
        ),
        (
            {"slots": lambda slot: (slot >= 0).long() * 2 - 1},
            "1 in place of the number of the seat",
        ),
    ],
)
def test_slips_in_seats_have_a_name(slip, name):
    assert named(SEAT, lambda *inputs: by_loops(*inputs, **slip)) == name


# -- a balance loss ----------------------------------------------------------


def by_layers(layers, biases, kept, k, loss, ranked=None):
    losses = []
    for scores, bias in zip(layers, biases, strict=True):
        p = scores[kept].softmax(-1)
        moved = ranked(p, bias) if ranked else p + bias
        index = moved.topk(k).indices
        f = F.one_hot(index, p.shape[1]).float().mean((0, 1))
        losses.append(loss(f, p))
    return sum(losses) / len(losses)


def right_loss(f, p):
    return len(f) * (f * p.mean(0)).sum()


@pytest.mark.parametrize(
    ("slip", "name"),
    [
        (
            {"loss": lambda f, p: len(p) * (f * p.mean(0)).sum()},
            "the number of tokens in place of E",
        ),
        (
            {"loss": lambda f, p: len(f) * (f * p.log().mean(0)).sum()},
            "logarithms of probabilities",
        ),
        (
            {"loss": right_loss, "ranked": lambda p, bias: p * bias},
            "a bias that multiplies",
        ),
    ],
)
def test_slips_in_a_loss_have_a_name(slip, name):
    assert named(BALANCE, lambda *inputs: by_layers(*inputs, **slip)) == name


def test_one_biased_softmax_for_choice_and_loss_has_a_name():
    def answer(layers, biases, kept, k):
        moved = [s + b for s, b in zip(layers, biases, strict=True)]
        none = [0 * b for b in biases]
        return BALANCE.reference(moved, none, kept, k)

    name = "a bias added to the scores before everything"
    assert named(BALANCE, answer) == name


# -- a scan ------------------------------------------------------------------


def in_rounds(A, b, state, join=None, start=None, whole=None):
    first_A, b, reach = A, b[..., None], 1
    while reach < A.shape[1]:
        late, early = A[:, reach:], A[:, :-reach]
        turned = join(late, early) if join else late
        joined = turned @ b[:, :-reach] + b[:, reach:]
        b = torch.cat([b[:, :reach], joined], 1)
        A = torch.cat([A[:, :reach], late @ early], 1)
        reach *= 2
    column = state[:, None, :, None]
    h = (start(A, column) if start else A @ column) + b
    return h[..., 0], whole(first_A, A) if whole else A[:, -1]


def test_a_scan_in_rounds_is_right():
    assert SCAN.diagnose(in_rounds) is None


def zeros_at_the_end(A, b, state):
    B, T, d, _ = A.shape
    more = 2 ** math.ceil(math.log2(T)) - T
    A = torch.cat([A, A.new_zeros(B, more, d, d)], 1)
    b = torch.cat([b, b.new_zeros(B, more, d)], 1)
    h, product = in_rounds(A, b, state)
    return h[:, :T], product


def in_blocks(A, b, state, carry):
    rows, product, start = [], torch.eye(A.shape[-1]), state
    for some_A, some_b in zip(A.split(4, 1), b.split(4, 1), strict=True):
        h, last = in_rounds(some_A, some_b, start)
        rows.append(h)
        start, product = carry(state), last @ product
    return torch.cat(rows, 1), product


def without_the_first(A, joined):
    if A.shape[1] == 1:
        return torch.eye(A.shape[-1]).expand_as(A[:, 0])
    product = A[:, 1]
    for t in range(2, A.shape[1]):
        product = A[:, t] @ product
    return product


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (
            lambda *inputs: in_rounds(*inputs, join=lambda late, early: early),
            "the earlier vector times its own matrix",
        ),
        (
            lambda *inputs: in_rounds(
                *inputs, start=lambda A, s: A[:, :1] @ s
            ),
            "the state times the first matrix alone",
        ),
        (
            lambda *inputs: in_rounds(
                *inputs, start=lambda A, s: A[:, -1:] @ s
            ),
            "the state times the whole product",
        ),
        (
            lambda *inputs: in_rounds(
                *inputs, start=lambda A, s: A @ s.detach()
            ),
            "no gradient to the state",
        ),
        (
            lambda *inputs: in_rounds(
                *inputs, whole=lambda A, joined: joined[:, -1].detach()
            ),
            "no gradient through the product",
        ),
        (
            lambda *inputs: in_rounds(*inputs, whole=without_the_first),
            "the product without the first matrix",
        ),
        (zeros_at_the_end, "a product with matrices of zeros"),
        (
            lambda *inputs: in_blocks(*inputs, carry=torch.zeros_like),
            "blocks that begin with a state of zeros",
        ),
        (
            lambda *inputs: in_blocks(*inputs, carry=lambda state: state),
            "blocks that begin with the given state",
        ),
    ],
)
def test_slips_in_a_scan_have_a_name(answer, name):
    assert named(SCAN, answer) == name


# -- writing in chunks -------------------------------------------------------


def by_rows(
    query,
    key,
    value,
    beta,
    log_decay,
    state,
    chunk,
    gaps=lambda G: G[:, :, None] - G[:, None],
    masked=lambda gap, low: torch.where(low, gap, -torch.inf).exp(),
    held=lambda k, G, g, S: torch.einsum("btk,bkv->btv", k * G.exp(), S),
    matrix=lambda A: A,
    strength=lambda b: b,
    reads=lambda q, G, g: q * G.exp(),
    keeps=lambda G, g: G[:, -1].exp(),
    adds=lambda k, q, G: k * (G[:, -1:] - G).exp(),
):
    """Rows of the system one after the other, by substitution."""
    S, outputs = state, []
    for n in range(0, key.shape[1], chunk):
        q, k, v, b, g = (
            x[:, n : n + chunk] for x in (query, key, value, beta, log_decay)
        )
        G, C = g.cumsum(1), k.shape[1]
        low = torch.ones(C, C).tril().bool()[..., None]
        decay = masked(gaps(G), low)
        A = torch.einsum("btk,bsk,btsk->bts", k, k, decay)
        A = matrix(strength(b)[..., None] * A)
        right = strength(b)[..., None] * (v - held(k, G, g, S))
        U = torch.zeros_like(right[:, :0])
        for t in range(C):
            row = right[:, t : t + 1] - A[:, t : t + 1, :t] @ U
            U = torch.cat([U, row], 1)
        seen = torch.einsum("btk,bsk,btsk->bts", q, k, decay) @ U
        outputs.append(seen + reads(q, G, g) @ S)
        S = keeps(G, g)[..., None] * S + adds(k, q, G).mT @ U
    return torch.cat(outputs, 1), S


def test_rows_one_after_the_other_are_right_but_many_calls():
    assert parts_of(WRITE, by_rows) == ["one", "several", "gradients"]


@pytest.mark.parametrize(
    ("slip", "name"),
    [
        (
            {"masked": lambda gap, low: gap.exp().where(low, 0)},
            "a mask after the exponential",
        ),
        (
            {
                "gaps": lambda G: (
                    (G[:, :, None] - G[:, None])
                    .mean(-1, keepdim=True)
                    .expand(-1, -1, -1, G.shape[-1])
                )
            },
            "one decay for all channels inside a chunk",
        ),
        (
            {"gaps": lambda G: 2 * (G[:, :, None] - G[:, None])},
            "decays counted twice inside a chunk",
        ),
        (
            {"held": lambda k, G, g, S: 0 * (k @ S)},
            "errors that leave out the state of the chunk before",
        ),
        (
            {"held": lambda k, G, g, S: (k * g.exp()) @ S},
            "an error against the state with one decay",
        ),
        (
            {"matrix": lambda A: A.triu(-1)},
            "tokens that see the one before alone",
        ),
        ({"strength": lambda b: b.clamp(max=1)}, "a strength of at most 1"),
        (
            {"reads": lambda q, G, g: q * G[:, -1:].exp()},
            "the old state read as at the end of the chunk",
        ),
        (
            {"reads": lambda q, G, g: q * (G - g).exp()},
            "the old state read one decay early",
        ),
        (
            {"keeps": lambda G, g: 0 * G[:, -1]},
            "a next state of the chunk alone",
        ),
        (
            {"keeps": lambda G, g: g[:, -1].exp()},
            "an old state decayed by the last token alone",
        ),
        (
            {"keeps": lambda G, g: G[:, -1].detach().exp()},
            "no gradient through the decay of the old state",
        ),
        (
            {"adds": lambda k, q, G: k * G.exp()},
            "writes decayed from the beginning of the chunk",
        ),
        (
            {"adds": lambda k, q, G: q * (G[:, -1:] - G).exp()},
            "written under the queries",
        ),
    ],
)
def test_slips_in_a_chunk_have_a_name(slip, name):
    assert named(WRITE, lambda *inputs: by_rows(*inputs, **slip)) == name


def test_no_gradient_to_the_strengths_has_a_name():
    def answer(query, key, value, beta, *inputs):
        return WRITE.reference(query, key, value, beta.detach(), *inputs)

    assert named(WRITE, answer) == "no gradient to beta"
