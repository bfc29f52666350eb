"""Exercise 04.4: Let the heads talk."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew, lengths
from attnbook.judging.masked_weights import masked_weights
from attnbook.judging.named_mistakes import named
from attnbook.judging.tensors import normal, token_mask
from attnbook.mechanisms.masked_softmax import masked_softmax


def _mix(matrix, x):
    """Mix the heads of (B, H, T, S) by a matrix (H_new, H)."""
    return torch.einsum("gh,bhts->bgts", matrix, x)


def _talking_heads(query, key, value, mask, mix_scores, mix_weights):
    scores = query @ key.transpose(-2, -1) / key.shape[-1] ** 0.5
    scores = _mix(mix_scores, scores)  # (B, H_k, T, S) to (B, H, T, S)
    weights = masked_softmax(scores, mask[:, None, None])
    weights = _mix(mix_weights, weights)  # (B, H_v, T, S)
    return weights @ value, weights


def _mistaken(query, key, value, mask, mix_scores, mix_weights, mistake):
    """The same with a mistake."""
    d_k = key.shape[-1]
    before, after = mix_scores, mix_weights
    if mistake == "matrices without gradient":
        before, after = before.detach(), after.detach()
    if mistake == "swapped":
        before, after = after, before
    if mistake in ("transposed", "scores transposed"):
        before = before.T
    if mistake in ("transposed", "weights transposed"):
        after = after.T
    allowed = mask[:, None, None]  # (B, 1, 1, S)
    if mistake == "mask on the heads":
        allowed = mask[:, None]  # (B, 1, S) meets (B, H, T, S) from the right
    scores = query @ key.transpose(-2, -1)  # (B, H_k, T, S)
    if mistake == "by d":
        scores = scores / d_k
    elif mistake == "wide":
        scores = scores / (d_k * query.shape[1]) ** 0.5
    elif mistake != "unscaled":
        scores = scores / d_k**0.5
    if mistake in ("early mask", "early -1e9"):
        low = -torch.inf if mistake == "early mask" else -1e9
        scores = scores.masked_fill(~allowed, low)
    elif mistake == "weights first":
        scores = masked_softmax(scores, allowed)
    if mistake not in ("silent scores", "silent"):
        scores = _mix(before, scores)  # (B, H, T, S)
    if mistake in ("early mask", "early -1e9"):
        weights = scores.softmax(-1)
    elif mistake == "weights first":
        weights = scores
    elif mistake == "divided again":
        weights = scores.softmax(-1) * allowed
        weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-9)
    elif mistake == "by exp":
        powers = scores.exp() * allowed
        total = powers.sum(-1, keepdim=True)
        weights = powers / torch.where(total == 0, 1, total)
    elif mistake == "-100":
        weights = scores.masked_fill(~allowed, -100.0).softmax(-1)
        weights = weights * allowed.any(-1, keepdim=True)
    else:
        dim = 1 if mistake == "over heads" else -1
        weights = masked_weights(
            masked_softmax, scores, allowed, (mistake,), dim
        )
    if mistake == "outputs mixed":
        return _mix(after, weights @ value), _mix(after, weights)
    if mistake not in ("silent weights", "silent"):
        plain = weights
        weights = _mix(after, weights)  # (B, H_v, T, S)
        if mistake == "plain weights returned":
            return weights @ value, plain
    if mistake == "rows to 1":
        total = weights.sum(-1, keepdim=True)
        weights = weights / torch.where(total == 0, 1, total)
    elif mistake == "softmax twice":
        weights = masked_softmax(weights, allowed)
    elif mistake == "none below 0":
        weights = weights.clamp(min=0)
    return weights @ value, weights


def _talking_by_convolution(query, key, value, mask, mix_scores, mix_weights):
    """To mix the heads of a map is a convolution of 1 by 1."""
    scores = torch.einsum("bhtd,bhsd->bhts", query, key)
    scores = scores * key.shape[-1] ** -0.5
    scores = F.conv2d(scores, mix_scores[:, :, None, None])
    weights = masked_softmax(scores, mask[:, None, None])
    weights = F.conv2d(weights, mix_weights[:, :, None, None])
    return torch.einsum("bhts,bhsv->bhtv", weights, value), weights


def _talking_by_loops(query, key, value, mask, mix_scores, mix_weights):
    plain = [
        q @ k.transpose(-2, -1) / k.shape[-1] ** 0.5
        for q, k in zip(query.unbind(1), key.unbind(1), strict=True)
    ]  # each (B, T, S)
    weights = []
    for row in mix_scores:
        mixed = sum(w * score for w, score in zip(row, plain, strict=True))
        weights.append(masked_softmax(mixed, mask[:, None]))
    spoken = [
        sum(w * one for w, one in zip(row, weights, strict=True))
        for row in mix_weights
    ]
    output = [
        w @ v for w, v in zip(spoken, value.unbind(1), strict=True)
    ]  # each (B, T, d_v)
    return torch.stack(output, 1), torch.stack(spoken, 1)


def _talking_by_matmul(query, key, value, mask, mix_scores, mix_weights):
    """The heads moved to the end, as nn.Linear wants them."""
    scores = query @ key.transpose(-2, -1) / key.shape[-1] ** 0.5
    scores = F.linear(scores.movedim(1, -1), mix_scores)  # (B, T, S, H)
    weights = masked_softmax(scores, mask[:, None, :, None], dim=2)
    weights = F.linear(weights, mix_weights).movedim(-1, 1)
    return weights @ value, weights


def _talk_case(name, lengths, heads, T, S, d_k, d_v, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    B, (H_k, H, H_v) = len(lengths), heads
    return Case(
        name,
        (
            normal(generator, B, H_k, T, d_k, scale=scale),
            normal(generator, B, H_k, S, d_k, scale=scale),
            normal(generator, B, H_v, S, d_v),
            token_mask(lengths, S),
            normal(generator, H, H_k, scale=0.8),
            normal(generator, H_v, H, scale=0.8),
        ),
    )


def _silent_heads_are_plain_heads(answer):
    query, key, value, mask, *_ = _talk_case(
        "", [5, 5], (3, 3, 3), 4, 5, 2, 3, 49
    ).arguments
    same = torch.eye(3)
    output, _ = answer(query, key, value, mask, same, same)
    plain = F.scaled_dot_product_attention(query, key, value)
    return torch.allclose(output, plain, atol=1e-5)


_MISTAKES = [
    (
        "early mask",
        "-inf among the scores that are mixed",
        "Padding has the score -inf before the mixing. Times a "
        "negative number that is +inf, and -inf + inf is NaN.",
        "Mix the finite scores first, then mask.",
    ),
    (
        "early -1e9",
        "-1e9 among the scores that are mixed",
        "Padding has the score -1e9 before the mixing. Times a "
        "negative number it is the largest score of all.",
        "Mix the finite scores first, then mask.",
    ),
    (
        "transposed",
        "both matrices transposed",
        "The heads that come out are the *rows* of a mixing matrix, "
        "as in nn.Linear.",
        "new[g] is the sum over h of matrix[g, h] · old[h].",
    ),
    (
        "scores transposed",
        "mix_scores transposed",
        "The first mixing goes by columns. The heads that come out "
        "are the *rows* of the matrix, as in nn.Linear.",
        "new[i] is the sum over h of mix_scores[i, h] · old[h].",
    ),
    (
        "weights transposed",
        "mix_weights transposed",
        "The second mixing goes by columns. The heads that come out "
        "are the *rows* of the matrix, as in nn.Linear.",
        "new[g] is the sum over i of mix_weights[g, i] · old[i].",
    ),
    (
        "silent",
        "heads that do not talk",
        "This is plain multi-head attention: neither the scores nor "
        "the weights are mixed.",
        "Both small matrices: are they used?",
    ),
    (
        "mask on the heads",
        "a mask that lands on the heads",
        "mask[:, None] is (B, 1, S), and next to (B, H, T, S) its B "
        "stands where the heads are: each *head* gets the mask of a "
        "sentence.",
        "Shapes are matched from the right: mask[:, None, None].",
    ),
    (
        "swapped",
        "the two matrices changed over",
        "mix_weights mixes the scores and mix_scores the weights.",
        "The names say what each of them mixes.",
    ),
    (
        "silent scores",
        "scores that are not mixed",
        "The heads do not talk before the softmax.",
        "mix_scores, between the scores and the softmax.",
    ),
    (
        "silent weights",
        "weights that are not mixed",
        "The heads do not talk after the softmax.",
        "mix_weights, between the softmax and the values.",
    ),
    (
        "weights first",
        "both mixings after the softmax",
        "The first mixing comes after the softmax too. It belongs on "
        "the scores.",
        "Scores, mix, softmax, mix, values.",
    ),
    (
        "outputs mixed",
        "outputs mixed in place of weights",
        "You blended the values of each head first, then mixed. A "
        "mixed map has to meet the values of *its* head.",
        "(mix_weights · weights) @ value.",
    ),
    (
        "plain weights returned",
        "the weights before the mixing",
        "The output is right. The weights that you return are those "
        "before they are mixed.",
        "Return the weights that meet the values.",
    ),
    (
        "rows to 1",
        "rows divided by their sum",
        "After the mixing you made each row sum to 1 again. Mixed "
        "weights may sum to anything, and be negative.",
        "Nothing stands between the second mixing and the values.",
    ),
    (
        "none below 0",
        "weights cut off at 0",
        "Mixed weights below 0 are set to 0. A weight may be negative here.",
        "Nothing stands between the second mixing and the values.",
    ),
    (
        "divided again",
        "zeros after the softmax, divided again",
        "The padding is struck out after the softmax, and rows divided by "
        "what is left. If padding has by far the largest score, nothing is.",
        "Use masked_softmax: -inf before the softmax.",
    ),
    (
        "by exp",
        "exponentials that overflow",
        "Above 88, exp is infinite in single precision, and ∞/∞ is NaN.",
        "Use masked_softmax, which takes the largest score off first.",
    ),
    (
        "-100",
        "a finite score for what is masked",
        "Padding gets a score of -100, say. Where all tokens score less, "
        "it takes the weight.",
        "Use masked_softmax: -inf is below any score.",
    ),
    (
        "matrices without gradient",
        "matrices without gradient",
        "The values are right, but the two mixing matrices cannot learn.",
        "A .detach(), a .tolist() or a torch.tensor(...) on the matrices.",
    ),
    (
        "softmax twice",
        "a second softmax",
        "There is a softmax after the second mixing too.",
        "Nothing stands between the second mixing and the values.",
    ),
    (
        "unscaled",
        "no scale",
        "The scores are not divided by √d_k.",
        "The line that makes the scores.",
    ),
    (
        "by d",
        "divided by d_k",
        "The scores are divided by d_k. It is its square root that "
        "keeps their spread.",
        "The line that makes the scores.",
    ),
    (
        "wide",
        "the scale of all heads together",
        "The scores are divided by √(H_k · d_k). A head's dot "
        "product has d_k terms.",
        "The line that makes the scores.",
    ),
    (
        "over heads",
        "a softmax over the heads",
        "For each query and key, the weights sum to 1 over the "
        "heads. The softmax runs over the keys.",
        "The keys are the last axis: dim=-1.",
    ),
    (
        "over queries",
        "a softmax over the queries",
        "For each key, the weights sum to 1 over the queries. The "
        "softmax runs over the keys.",
        "The keys are the last axis: dim=-1.",
    ),
    (
        "late mask",
        "a mask after the softmax",
        "The mask cuts weights off after the softmax, so the share "
        "of the padding is lost.",
        "Use masked_softmax.",
    ),
    (
        "inverted",
        "the mask is inverted",
        "The padding is attended to and the tokens are not.",
        "True = may attend.",
    ),
    (
        "unmasked",
        "the mask is not used",
        "The padding has weight.",
        "masked_softmax(scores, mask[:, None, None]).",
    ),
    (
        "-1e9",
        "-1e9 in place of -inf",
        "A sentence with nothing to attend to gets equal weights: "
        "all its scores are -1e9. Its weights should be 0.",
        "masked_softmax handles such rows.",
    ),
    (
        "nan",
        "an empty row of -inf",
        "A sentence with nothing to attend to has only scores of "
        "-inf, and their softmax is 0/0. Its weights should be 0.",
        "masked_softmax handles such rows.",
    ),
]


def _no_empty_lengths(random, drawn):
    return lengths(random, drawn["S"], least=1)


def _an_empty_one(random, drawn):
    return [*lengths(random, drawn["S"], least=1), 0]


def _three_counts(random, _):
    return random.integers(2, 5, 3).tolist()


EXERCISE = Exercise(
    "04-talking-heads",
    "Let the heads talk",
    points=4,
    reference=_talking_heads,
    cases=[
        Case(
            "the worked example",
            (
                torch.tensor([[[[1.0]], [[2.0]]]] * 2),  # (2, 2, 1, 1)
                torch.tensor([[[[1.0], [0.0]], [[0.0], [1.0]]]] * 2),
                torch.tensor([[[[8.0], [4.0]], [[1.0], [0.0]]]] * 2),
                torch.tensor([[True, True], [True, False]]),
                torch.tensor([[1.0, 1.0], [0.0, 1.0]]),
                torch.tensor([[1.0, -1.0], [0.0, 2.0]]),
            ),
        ),
        _talk_case("two heads", [4, 3], (2, 2, 2), 3, 4, 3, 2, seed=41),
        _talk_case("more heads", [5, 2, 4], (2, 3, 2), 3, 5, 2, 4, seed=42),
        _talk_case("three counts", [4, 4], (4, 3, 2), 2, 4, 3, 5, seed=43),
        _talk_case("nothing to attend to", [4, 0], (2, 3, 4), 3, 4, 2, 3, 44),
        _talk_case("all sizes alike", [3, 0, 2], (3, 3, 3), 3, 3, 3, 3, 45),
        _talk_case("one key", [1, 1], (2, 2, 3), 4, 1, 3, 2, seed=46),
        _talk_case("large scores", [1, 6], (2, 3, 2), 3, 6, 4, 3, 47, 12.0),
    ],
    mistakes=named(_mistaken, _MISTAKES),
    right_answers=[
        _talking_by_convolution,
        _talking_by_loops,
        _talking_by_matmul,
    ],
    properties=[
        Property(
            "With identity matrices the heads are those of "
            "F.scaled_dot_product_attention.",
            _silent_heads_are_plain_heads,
        )
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("output", "weights"),
    axes={"output": "B H_v T d_v", "weights": "B H_v T S"},
    parts=[
        Part(
            "values",
            "output and weights where some key may be attended to",
            2,
            tries=(
                "the worked example",
                "two heads",
                "more heads",
                "three counts",
                "one key",
                "With identity matrices the heads are those of "
                "F.scaled_dot_product_attention.",
            ),
            fresh=anew(
                _talk_case,
                S=(1, 5),
                lengths=_no_empty_lengths,
                heads=_three_counts,
                T=(1, 4),
                d_k=(1, 4),
                d_v=(1, 5),
            ),
        ),
        Part(
            "bounds",
            "sentences with nothing to attend to, and scores of 200",
            1,
            tries=("nothing to attend to", "all sizes alike", "large scores"),
            fresh=anew(
                _talk_case,
                S=(2, 5),
                lengths=_an_empty_one,
                heads=_three_counts,
                T=(2, 4),
                d_k=(2, 4),
                d_v=(2, 5),
                scale=(8.0, 12.0),
            ),
        ),
        Part(
            "gradients",
            "the gradients, those of both matrices too",
            1,
            tries=(
                "two heads",
                "more heads",
                "three counts",
                "nothing to attend to",
            ),
            gradients=True,
            fresh=anew(
                _talk_case,
                S=(1, 5),
                lengths="S",
                heads=_three_counts,
                T=(1, 4),
                d_k=(1, 4),
                d_v=(1, 5),
            ),
        ),
    ],
)
