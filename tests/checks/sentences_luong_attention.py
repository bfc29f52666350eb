"""Sentences of the exercises of chapter 02, and the case that fails."""

import torch
import torch.nn.functional as F

from attnbook.checks.luong_attention import EXERCISES
from attnbook.mechanisms.additive import masked_softmax

ONE_NUMBER = "Two decimal places are enough."


def whole_numbers(question):
    return float(round(EXERCISES["02-predict"].reference(question)))


def banded(query, key, value, mask, W, D, over_all=False):
    T = query.shape[1]
    projected = key @ W.T if W is not None else key
    key, value = (F.pad(x, (0, 0, D, D)) for x in (projected, value))
    allowed = F.pad(mask, (D, D))
    window = torch.arange(T)[:, None] + torch.arange(2 * D + 1)
    scores = (key[:, window] @ query[..., None]).squeeze(-1)
    weights = masked_softmax(scores, allowed[:, window])
    if over_all:
        every = masked_softmax(query @ projected.mT, mask[:, None])
        places = window.expand(len(query), -1, -1)
        weights = F.pad(every, (D, D)).gather(2, places)
    squares = torch.arange(-D, D + 1) ** 2
    weights = weights * torch.exp(-squares / (2 * (D / 2) ** 2))
    return (weights[..., None] * value[:, window]).sum(2), weights


def without_a_matrix(query, key, value, mask, W, D):
    return banded(query, key, value, mask, None, D)


def a_softmax_over_all_keys(query, key, value, mask, W, D):
    return banded(query, key, value, mask, W, D, over_all=True)


def the_output_alone(query, key, value, mask, W, D):
    output, weights = banded(query, key, value, mask, W, D)
    return output, torch.zeros_like(weights)


def in_numpy(query, key, value, mask, log_scale, eps=1e-6):
    """Right numbers, and no way back."""
    exercise = EXERCISES["02-cosine-attention"]
    with torch.no_grad():
        return exercise.reference(query, key, value, mask, log_scale, eps)


def by_autograd(scores, raw, lengths, D, upstream):
    exercise = EXERCISES["02-window-backward"]
    inputs = scores.clone().requires_grad_(), raw.clone().requires_grad_()
    centre = lengths[:, None] * inputs[1].sigmoid()
    distance = torch.arange(scores.shape[-1]) - centre[..., None]
    weights = inputs[0].softmax(-1) * torch.exp(-2 * (distance / D) ** 2)
    torch.autograd.grad(weights, inputs, upstream)
    return exercise.reference(scores, raw, lengths, D, upstream)


SENTENCES = {
    "02-predict": [
        (ONE_NUMBER, whole_numbers, "question g"),
        (
            "How many numbers does the score *general* learn?",
            "a: a square matrix",
            "question a",
        ),
        (
            "How many does *concat* learn?",
            "b: v is left out",
            "question b",
        ),
        (
            "if sentences may have up to 50 tokens?",
            "c: as long as this sentence",
            "question c",
        ),
        (
            "divide by the count of the largest tensor that general forms.",
            "d: twice as many",
            "question d",
        ),
        (
            "for the scores of *one* sentence,",
            "e: the whole batch",
            "question e",
        ),
        (
            "if each key is projected once?",
            "e: a projection for each pair",
            "question e",
        ),
        (
            "Query and keys are all doubled.",
            "f: doubled once",
            "question f",
        ),
        (
            "Now keys and values are put in reverse order.",
            "g: weights that go with the keys",
            "question g",
        ),
    ],
    "02-banded-attention": [
        (
            "Query $t$ may attend to the keys $t - D$ to $t + D$",
            "a window that is off by one",
            "the worked example",
        ),
        (
            "Places before and after the sentence, and padding, get weight 0.",
            "borders that may be attended to",
            "the worked example",
        ),
        (
            "Places before and after the sentence, and padding, get weight 0.",
            "the mask is not used",
            "a padded batch",
        ),
        (
            "The score is general, $q_t^\\top W k_s$.",
            without_a_matrix,
            "all sizes alike",
        ),
        (
            "The softmax is over the keys in the window only.",
            a_softmax_over_all_keys,
            "the worked example",
        ),
        (
            "*After* the softmax, each weight is multiplied by a Gaussian,",
            "the Gaussian inside the softmax",
            "the worked example",
        ),
        (
            "with $\\sigma = D/2$, and the weights are not normalised again.",
            "a Gaussian twice too wide",
            "the worked example",
        ),
        (
            "with $\\sigma = D/2$, and the weights are not normalised again.",
            "rows that sum to 1 again",
            "the worked example",
        ),
        (
            "Scores may be as large as 200, and so may the scores of masked "
            "places.",
            "a mask after the exponentials",
            "scores of 200",
        ),
        (
            "Scores may be as large as 200, and so may the scores of masked "
            "places.",
            "-100 in place of -inf",
            "scores of 200",
        ),
        (
            "A window with nothing to attend to gets weights of 0.",
            "-1e9 in place of -inf",
            "nothing to attend to",
        ),
        (
            "Returns `(output, weights)`, of shapes $(B, T, d_v)$ and "
            "$(B, T, 2D + 1)$.",
            the_output_alone,
            "a padded batch",
        ),
    ],
    "02-cosine-attention": [
        (
            "The cosine divides by both lengths.",
            "keys of any length",
            "Queries three times as long and keys half as long change no "
            "weight.",
        ),
        (
            "The logarithm $\\lambda$ is learnt, so that the scale "
            "$e^\\lambda$ is positive.",
            "the logarithm as the scale",
            "a padded batch",
        ),
        (
            "$\\varepsilon$ stands **under the root**:",
            "an epsilon outside the root",
            "a large eps",
        ),
        (
            "a vector of zeros then has a score of 0",
            "0/0 for a vector of zeros",
            "the worked example",
        ),
        ("and a finite gradient.", "a root of 0", "vectors of zeros"),
        ("`eps` a number.", "an epsilon of its own", "a large eps"),
        (
            "Values and gradients are checked, including the gradient of "
            "`log_scale`.",
            "a scale without gradient",
            "a padded batch",
        ),
        (
            "Values and gradients are checked, including the gradient of "
            "`log_scale`.",
            in_numpy,
            "a padded batch",
        ),
        (
            "Padding gets weights of 0, and so does a sentence with nothing "
            "to attend to.",
            "the mask is not used",
            "a padded batch",
        ),
        (
            "Padding gets weights of 0, and so does a sentence with nothing "
            "to attend to.",
            "an empty row of -inf",
            "nothing to attend to",
        ),
        (
            "The scale may be as large as 200.",
            "a mask after the exponentials",
            "a scale of 200",
        ),
    ],
    "02-temporal-attention": [
        (
            "Each exponential is divided by the sum of the exponentials "
            "that the same key had in the earlier steps",
            "the past is not used",
            "a padded batch",
        ),
        (
            "Each exponential is divided by the sum of the exponentials "
            "that the same key had in the earlier steps",
            "a sum along the sentence",
            "a padded batch",
        ),
        (
            "\\frac{\\exp(s_{tj})}{\\sum_{t' < t} \\exp(s_{t'j})}",
            "a sum that counts its own step",
            "a padded batch",
        ),
        (
            "\\frac{\\exp(s_{tj})}{\\sum_{t' < t} \\exp(s_{t'j})}",
            "the future is in the sum",
            "A later query cannot change earlier weights.",
        ),
        (
            "At the first step there is no division:",
            "the last row is rolled to the front",
            "one step",
        ),
        (
            "your function must not return NaN for scores of 200.",
            "exponentials that overflow",
            "large scores",
        ),
        (
            "your function must not return NaN for scores of 200.",
            "scores that are cut off",
            "large scores",
        ),
        (
            "your function must not return NaN for scores of 200.",
            "-100 in place of -inf",
            "from 200 to -200",
        ),
        (
            "Padding gets weights of 0, and so does a sentence with nothing "
            "to read.",
            "the mask is not used",
            "a padded batch",
        ),
        (
            "Padding gets weights of 0, and so does a sentence with nothing "
            "to read.",
            "0/0 where there is nothing to read",
            "nothing to read",
        ),
        (
            "Values and gradients are checked.",
            "a past without gradient",
            "a padded batch",
        ),
    ],
    "02-window-backward": [
        (
            "where $\\sigma = D/2$,",
            "σ = D",
            "the worked example",
        ),
        (
            "$\\alpha$ is the softmax of the scores over the keys $s < n$",
            "padding in the window",
            "a padded batch",
        ),
        (
            "with $|s - p| \\le D$.",
            "a softmax over the whole sentence",
            "the worked example",
        ),
        (
            "with $|s - p| \\le D$.",
            "an edge that is left out",
            "keys on the window's edge",
        ),
        (
            "over the keys $s < n$",
            "keys after the end of the sentence",
            "a padded batch",
        ),
        (
            "There is one $p$ for each sentence and query.",
            "summed over the queries",
            "two sentences",
        ),
        (
            "The $w$ are not divided by their sum.",
            "as if rows summed to 1",
            "two sentences",
        ),
        (
            "return the derivatives with respect to the scores and to $r$.",
            "the gradient of the centre, not of raw",
            "the worked example",
        ),
        (
            "Scores may be as large as 200, also outside the window.",
            "a mask after the exponentials",
            "scores of 200",
        ),
        (
            "You cannot use PyTorch's own derivatives",
            by_autograd,
            "the worked example",
        ),
        (
            "A sentence of length 0 gets gradients of 0.",
            "0/0 for a sentence without tokens",
            "nothing to attend to",
        ),
    ],
}
