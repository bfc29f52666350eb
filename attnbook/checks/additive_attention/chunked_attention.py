"""Exercise 01.5: Additive attention in pieces."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from attnbook.checks.additive_attention import chunked_mistakes
from attnbook.checks.additive_attention.late_masks import (
    large_scores,
    late_weights,
    padded_in_front,
)
from attnbook.judging.attention_inputs import attention_inputs
from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Part,
    Property,
)
from attnbook.judging.fresh_cases import anew, one_empty, seed_from
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal
from attnbook.judging.watching import kept_for_backward, largest_tensor
from attnbook.mechanisms.masked_softmax import masked_softmax


def _scores(query, key, v):
    """Scores (B, T, S) of projected queries and keys."""
    return torch.tanh(query[:, :, None] + key[:, None]) @ v


def _recomputed(query, key, v):
    return checkpoint(_scores, query, key, v, use_reentrant=False)


def _chunked_attention(query, key, value, mask, W_q, W_k, v, chunk):
    left, right = query @ W_q.T, key @ W_k.T  # (B, T, d_a), (B, S, d_a)
    scores = [
        _recomputed(left, piece, v)  # (B, T, chunk)
        for piece in right.split(chunk, dim=1)
    ]
    weights = masked_softmax(torch.cat(scores, dim=-1), mask[:, None])
    return weights @ value, weights


def _mistaken(query, key, value, mask, W_q, W_k, v, chunk, mistake):
    """The same with a mistake."""
    left, right = query @ W_q.T, key @ W_k.T  # (B, T, d_a), (B, S, d_a)
    pieces = right.split(chunk, dim=1)  # each (B, chunk, d_a)
    if mistake in ("last dropped", *_RESTS):
        pieces = pieces[: max(1, key.shape[1] // chunk)]
    if mistake in ("batch in pieces", "batch in chunks"):
        cut = right.chunk if mistake == "batch in chunks" else right.split
        pieces = cut(chunk)
    if mistake == "padding skipped":
        masks = mask.split(chunk, dim=1)
        pieces = [
            piece
            for piece, part in zip(pieces, masks, strict=True)
            if part.any()
        ]
    if mistake == "kept":
        scores = [_scores(left, piece, v) for piece in pieces]
    elif mistake == "detached":
        scores = [_recomputed(left, piece, v).detach() for piece in pieces]
    elif mistake == "keys detached":
        scores = [_recomputed(left, piece.detach(), v) for piece in pieces]
    elif mistake == "read late":  # when it is called again, on the way back
        scores, last = [], pieces[-1]
        for piece in pieces:
            now = [piece]
            scores.append(
                checkpoint(
                    lambda query, now=now: _scores(query, now[0], v),
                    left,
                    use_reentrant=False,
                )
            )
            now[0] = last
    elif mistake == "reentrant":
        scores = [
            checkpoint(_scores, left, piece, v, use_reentrant=True)
            for piece in pieces
        ]
    elif mistake == "no tanh":
        scores = [(left[:, :, None] + piece[:, None]) @ v for piece in pieces]
    elif mistake == "v detached":
        scores = [_recomputed(left, piece, v.detach()) for piece in pieces]
    elif mistake == "queries detached":
        scores = [_recomputed(left.detach(), piece, v) for piece in pieces]
    elif mistake == "wrong piece":
        scores = [
            _recomputed(left, right[:, : piece.shape[1]], v)
            for piece in pieces
        ]
    else:
        scores = [_recomputed(left, piece, v) for piece in pieces]
    if mistake == "own maximum":
        masks = mask[:, None].split(chunk, dim=-1)
        scores = [
            score - score.masked_fill(~part, -1e9).amax(-1, keepdim=True)
            for score, part in zip(scores, masks, strict=True)
        ]
    if mistake in ("softmax a piece", "mean of pieces"):
        masks = mask[:, None].split(chunk, dim=-1)
        weights = torch.cat(
            [
                masked_softmax(score, part)
                for score, part in zip(scores, masks, strict=True)
            ],
            dim=-1,
        )
        if mistake == "mean of pieces":
            weights = weights / len(scores)
        return weights @ value, weights
    scores = torch.cat(scores, dim=-1)  # (B, T, S)
    if mistake in _RESTS:
        rest = key.shape[1] - scores.shape[-1]
        pad = torch.nn.functional.pad
        scores = pad(scores, (0, rest), value=_RESTS[mistake])
    weights = late_weights(scores, mask[:, None], (mistake,))
    if mistake == "output detached":
        return weights.detach() @ value, weights
    return weights @ value, weights


# What the scores hold where no piece was written.
_RESTS = {"rest at 0": 0.0, "rest at -inf": -torch.inf}


def _whole(query, key, value, mask, W_q, W_k, v, chunk):
    scores = _scores(query @ W_q.T, key @ W_k.T, v)
    weights = masked_softmax(scores, mask[:, None])
    return weights @ value, weights


class _ScoresByHand(torch.autograd.Function):
    """Scores in pieces, with the backward pass written out."""

    @staticmethod
    def forward(ctx, query, key, v, chunk):
        ctx.save_for_backward(query, key, v)
        ctx.chunk = chunk
        pieces = key.split(chunk, dim=1)
        return torch.cat([_scores(query, piece, v) for piece in pieces], -1)

    @staticmethod
    def backward(ctx, upstream):
        query, key, v = ctx.saved_tensors
        for_query, for_v = torch.zeros_like(query), torch.zeros_like(v)
        for_key = []
        for piece, g in zip(
            key.split(ctx.chunk, dim=1),
            upstream.split(ctx.chunk, dim=-1),
            strict=True,
        ):
            hidden = torch.tanh(query[:, :, None] + piece[:, None])
            for_v += torch.einsum("bts,btsa->a", g, hidden)
            inner = g[..., None] * v * (1 - hidden**2)  # (B, T, chunk, d_a)
            for_query += inner.sum(2)
            for_key.append(inner.sum(1))
        return for_query, torch.cat(for_key, dim=1), for_v, None


def _chunked_by_hand(query, key, value, mask, W_q, W_k, v, chunk):
    scores = _ScoresByHand.apply(query @ W_q.T, key @ W_k.T, v, chunk)
    weights = masked_softmax(scores, mask[:, None])
    return weights @ value, weights


def _chunked_by_sentence(query, key, value, mask, W_q, W_k, v, chunk):
    """One sentence at a time, and the scores written where they belong."""
    S = key.shape[1]
    rows = []
    for b in range(len(query)):
        left = query[b : b + 1] @ W_q.T  # (1, T, d_a)
        scores = []
        for start in range(0, S, chunk):
            piece = key[b : b + 1, start : start + chunk] @ W_k.T
            scores.append(_recomputed(left, piece, v))  # (1, T, chunk)
        rows.append(torch.cat(scores, dim=-1))
    weights = masked_softmax(torch.cat(rows), mask[:, None])
    return torch.einsum("bts,bsv->btv", weights, value), weights


def _pieces_of_queries(query, key, value, mask, W_q, W_k, v, chunk):
    right = key @ W_k.T
    scores = [
        _recomputed(piece, right, v)
        for piece in (query @ W_q.T).split(chunk, dim=1)
    ]
    weights = masked_softmax(torch.cat(scores, dim=1), mask[:, None])
    return weights @ value, weights


def _other_pieces(query, key, value, mask, W_q, W_k, v, chunk, size):
    """`size(chunk, S)` keys at a time, in place of `chunk`."""
    left, right = query @ W_q.T, key @ W_k.T
    scores = [
        _recomputed(left, piece, v)
        for piece in right.split(size(chunk, key.shape[1]), dim=1)
    ]
    weights = masked_softmax(torch.cat(scores, dim=-1), mask[:, None])
    return weights @ value, weights


def _filled_up(query, key, value, mask, W_q, W_k, v, chunk):
    """Keys are made up, so that `chunk` divides their number."""
    S = key.shape[1]
    right = torch.nn.functional.pad(key @ W_k.T, (0, 0, 0, -S % chunk))
    scores = [
        _recomputed(query @ W_q.T, piece, v)
        for piece in right.split(chunk, dim=1)
    ]
    scores = torch.cat(scores, dim=-1)[..., :S]
    weights = masked_softmax(scores, mask[:, None])
    return weights @ value, weights


class _Watched(int):
    """A chunk with which the memory is measured, and nothing else."""


def _run(answer, query, key, value, mask, W_q, W_k, v, chunk):
    """Return what an answer returns, or how many keys it handles at once."""
    if not isinstance(chunk, _Watched):
        return answer(query, key, value, mask, W_q, W_k, v, chunk)
    with largest_tensor(answer) as largest:
        result = answer(query, key, value, mask, W_q, W_k, v, int(chunk))
    one_key = len(query) * query.shape[1] * len(v)  # (B, T, 1, d_a)
    return {
        "keys in the largest tensor": round(largest.amount / one_key, 2),
        "result": result,
    }


def _chunked_case(name, lengths, T, S, d_q, d_k, d_v, d_a, chunk, seed):
    generator = torch.Generator().manual_seed(seed)
    return Case(
        name,
        (
            *attention_inputs(generator, lengths, T, S, d_q, d_k, d_v),
            normal(generator, d_a, d_q, scale=0.7),
            normal(generator, d_a, d_k, scale=0.7),
            normal(generator, d_a),
            chunk,
        ),
    )


def _large_case():
    return Case("scores of 200", (*large_scores(), 3))


def _memory_case(chunk, name="the largest tensor", S=64, seed=40):
    """Sizes in which a piece of the hidden layer is the largest tensor."""
    case = _chunked_case("", [S - 14], 24, S, 5, 6, 2, 32, chunk, seed=seed)
    return Case(
        f"{name}, chunk = {chunk}",
        (*case.arguments[:-1], _Watched(chunk)),
        look="Cut the projected keys along S, `chunk` keys per piece, before "
        "you add query and key.",
    )


_LARGE = _chunked_case("", [48, 30], 48, 48, 5, 6, 4, 64, 4, seed=39)


def _leaves(case):
    """Copies, as an answer may change what it is given for all who follow."""
    return [
        x.clone().requires_grad_(x.is_floating_point())
        if isinstance(x, Tensor)
        else x
        for x in case.arguments
    ]


def _keeps_no_whole_tensor(answer, case=_LARGE):
    with kept_for_backward(answer) as kept:
        output, _ = answer(*_leaves(case))
    right, _ = _chunked_attention(*case.arguments)
    query, key, *_, v, _ = case.arguments
    hidden = 4 * len(query) * query.shape[1] * key.shape[1] * len(v)
    return kept.amount < hidden / 4 and torch.allclose(
        output, right, atol=1e-4
    )


def _keeps_no_whole_tensor_anew(seed):
    random = np.random.default_rng(seed)
    S, seed = int(random.integers(40, 56)), seed_from(random)
    case = _chunked_case("", [S, S - 18], 48, S, 5, 6, 4, 64, 4, seed=seed)
    return partial(_keeps_no_whole_tensor, case=case)


def _with_the_rest(chunk, S):
    return chunk + S % chunk


def _shared_out(chunk, S):
    pieces = -(-S // chunk)
    return -(-S // pieces)


def _half_if_too_large(chunk, S):
    return chunk if chunk <= S else max(1, S // 2)


def _one_if_too_large(chunk, S):
    return chunk if chunk <= S else 1


_SIZES = {
    "T": (2, 4),
    "d_q": (2, 4),
    "d_k": (2, 4),
    "d_v": (2, 4),
    "d_a": (2, 5),
    "chunk": (1, 8),
}


def _full_lengths(random, drawn):
    return [drawn["S"]] * int(random.integers(2, 4))


def _in_little_memory(seed):
    """Values and gradients, and the memory on sizes that nobody has seen."""
    yield from anew(_chunked_case, S=(2, 7), lengths=_full_lengths, **_SIZES)(
        seed
    )
    random = np.random.default_rng(seed)
    chunk, S = map(int, random.integers((4, 56), (17, 80)))
    yield _memory_case(chunk, "drawn anew", S, seed_from(random))


EXERCISE = Exercise(
    "01-chunked-attention",
    "Additive attention in pieces",
    points=5,
    reference=_chunked_attention,
    cases=[
        _chunked_case("two pieces", [4, 4], 3, 4, 2, 3, 2, 5, 2, seed=31),
        _chunked_case("a short last piece", [7, 7], 3, 7, 3, 2, 4, 5, 3, 32),
        _chunked_case(
            "padding in two pieces", [4, 7], 2, 7, 2, 2, 3, 4, 3, 33
        ),
        _chunked_case("chunk above S", [4, 4], 3, 4, 3, 5, 2, 3, 9, seed=34),
        _chunked_case("chunk = 1", [5, 5], 4, 5, 2, 3, 3, 3, 1, seed=35),
        _chunked_case("nothing to read", [5, 0], 2, 5, 3, 2, 2, 4, 2, 36),
        _chunked_case("all sizes alike", [3, 3, 2], 3, 3, 3, 3, 3, 3, 2, 37),
        _chunked_case(
            "nothing to read, and padding", [4, 0, 2], 2, 4, 2, 3, 2, 4, 3, 42
        ),
        _large_case(),
        _memory_case(chunk=4),
        _memory_case(chunk=16),
        _memory_case(chunk=24),
        _memory_case(chunk=100),
        padded_in_front(
            _chunked_case("padding in front", [3, 5], 2, 5, 2, 3, 2, 4, 2, 41)
        ),
        _chunked_case("one key", [1, 1], 2, 1, 3, 2, 2, 3, 2, seed=38),
    ],
    mistakes=[
        *named(_mistaken, chunked_mistakes.ROWS),
        Mistake(
            "the whole tensor",
            "The values are right, but a tensor of shape (B, T, S, d_a) is "
            "formed.",
            _whole,
            "Project the keys, split them along S, and score piece by piece.",
        ),
        Mistake(
            "`chunk` pieces in place of pieces of `chunk` keys",
            "The values are right, but `chunk` is the number of your pieces. "
            "It should be their size.",
            partial(_other_pieces, size=lambda chunk, S: -(-S // chunk)),
            "torch.chunk wants the number of pieces, torch.split their size.",
        ),
        Mistake(
            "pieces of queries",
            "The values are right, but you cut the queries into pieces, not "
            "the keys.",
            _pieces_of_queries,
            "Which axis do you split? Keys are axis 1 of the projected keys.",
        ),
        Mistake(
            "one more key than `chunk`",
            "The values are right, but each piece holds chunk + 1 keys.",
            partial(_other_pieces, size=lambda chunk, S: chunk + 1),
            "A slice start : start + chunk ends before its second number.",
        ),
        Mistake(
            "pieces of another size",
            "The values are right, but your pieces do not have `chunk` keys.",
            partial(_other_pieces, size=lambda chunk, S: 2 * chunk),
            "How many keys does one call of checkpoint get?",
            also=(
                partial(_other_pieces, size=lambda n, S: max(1, n // 2)),
                partial(_other_pieces, size=lambda n, S: max(1, n - 1)),
                partial(_other_pieces, size=lambda n, S: n * n),
            ),
        ),
        Mistake(
            "the rest in the last piece",
            "The values are right, but you add the remaining keys to the "
            "last piece, which then has more than `chunk`.",
            partial(_other_pieces, size=_with_the_rest),
            "The last piece may be shorter, never longer.",
        ),
        Mistake(
            "a last piece that is filled up",
            "The values are right, but you add keys until `chunk` divides "
            "their number.",
            _filled_up,
            "With torch.split the last piece can be shorter, also if it is "
            "the only one.",
        ),
        Mistake(
            "pieces made equal",
            "The values are right, but your pieces are all equally large, so "
            "none has `chunk` keys.",
            partial(_other_pieces, size=_shared_out),
            "torch.split makes pieces of `chunk` keys, and the rest goes "
            "into the last.",
        ),
        Mistake(
            "a chunk above S is made smaller",
            "The values are right. But if `chunk` is more than S, there "
            "should be one piece with all the keys.",
            partial(_other_pieces, size=_half_if_too_large),
            "split gives one piece of S keys; you need no special case.",
            also=(partial(_other_pieces, size=_one_if_too_large),),
        ),
        Mistake(
            "pieces that do not follow `chunk`",
            "The values are right, but your pieces always have the same "
            "size. `chunk` has no effect.",
            partial(_other_pieces, size=lambda chunk, S: 1),
            "Where does your code use `chunk`?",
            also=tuple(
                partial(_other_pieces, size=lambda chunk, S, n=n: n)
                for n in (*range(2, 21), 24, 32, 40, 48)
            ),
        ),
    ],
    right_answers=[
        _chunked_by_hand,
        _chunked_by_sentence,
    ],
    properties=[
        Property(
            "What autograd keeps for the backward pass is less than a "
            "quarter of (B, T, S, d_a).",
            _keeps_no_whole_tensor,
            "Which step can be computed again on the way back?",
            anew=_keeps_no_whole_tensor_anew,
        ),
    ],
    run=_run,
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B T d_v", "weights": "B T S"},
    parts=[
        Part(
            "values",
            "the values, whatever the chunk",
            1,
            tries=(
                "two pieces",
                "a short last piece",
                "chunk above S",
                "chunk = 1",
                "one key",
            ),
            fresh=anew(
                _chunked_case, S=(1, 7), lengths=_full_lengths, **_SIZES
            ),
        ),
        Part(
            "padding",
            "padding, and sentences with nothing to read",
            1,
            tries=(
                "padding in two pieces",
                "nothing to read",
                "nothing to read, and padding",
                "all sizes alike",
                "scores of 200",
                "padding in front",
            ),
            fresh=anew(
                _chunked_case, S=(2, 7), lengths=one_empty("S"), **_SIZES
            ),
        ),
        Part(
            "gradients",
            "the gradients",
            1,
            tries=(
                "two pieces",
                "a short last piece",
                "nothing to read",
                "all sizes alike",
            ),
            gradients=True,
            fresh=anew(_chunked_case, S=(1, 7), lengths="S", **_SIZES),
        ),
        Part(
            "memory",
            "values and gradients in the memory of one piece",
            2,
            tries=(
                "two pieces",
                "the largest tensor, chunk = 4",
                "the largest tensor, chunk = 16",
                "the largest tensor, chunk = 24",
                "the largest tensor, chunk = 100",
                "What autograd keeps for the backward pass is less than a "
                "quarter of (B, T, S, d_a).",
            ),
            gradients=True,
            fresh=_in_little_memory,
        ),
    ],
)
