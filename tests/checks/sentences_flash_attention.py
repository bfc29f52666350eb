"""Sentences of the exercises of chapter 10, and the case that fails."""

import torch

from attnbook.checks.flash_attention import EXERCISES
from attnbook.judging.tables_of_pairs import HALF_A_TABLE

_LAST = "The $T$ queries are the *last* $T$ of"


def in_two_tiles(query, key, value, slopes, tile):
    right = EXERCISES["10-slanted"].reference
    return right(query, key, value, slopes, (key.shape[2] + 1) // 2)


def keeping_the_tiles(query, key, value, slopes, tile):
    """Right, but all tiles of scores are kept until the end."""
    T, S = query.shape[2], key.shape[2]
    kept = []
    for begin in range(0, S, tile):
        k = key[:, :, begin : begin + tile]
        far = torch.arange(S - T, S)[:, None] - torch.arange(
            begin, begin + k.shape[2]
        )
        scores = query @ k.mT / query.shape[-1] ** 0.5
        scores = scores - slopes[:, None, None] * far
        kept.append(scores.masked_fill(far < 0, -torch.inf))
    lse = torch.stack([each.logsumexp(-1) for each in kept]).logsumexp(0)
    output = 0
    for scores, v in zip(kept, value.split(tile, 2), strict=True):
        output = output + (scores - lse[..., None]).exp() @ v
    return output, lse


def by_autograd(query, key, value, output, lse, d_output, tile):
    """Right, by PyTorch's own way back, a query at a time."""
    T, S = query.shape[2], key.shape[2]
    leaves = [x.detach().requires_grad_() for x in (query, key, value)]
    sums = [torch.zeros_like(x) for x in leaves]
    with torch.enable_grad():
        for t in range(T):
            q, seen = leaves[0][..., t : t + 1, :], S - T + t + 1
            k, v = leaves[1][..., :seen, :], leaves[2][..., :seen, :]
            weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
            found = torch.autograd.grad(
                weights @ v, leaves, d_output[..., t : t + 1, :]
            )
            sums = [a + b for a, b in zip(sums, found, strict=True)]
    return tuple(sums)


def keeping_the_weights(query, key, value, output, lse, d_output, tile):
    """Right, but the weights of the tiles that are seen are kept."""
    T, S = query.shape[2], key.shape[2]
    kept = []
    for first in range(0, T, tile):
        place = torch.arange(S - T, S)[first : first + tile, None]
        q = query[:, :, first : first + tile]
        for begin in range(0, int(place[-1]) + 1, tile):
            k = key[:, :, begin : begin + tile]
            ahead = torch.arange(begin, begin + k.shape[2]) > place
            scores = q @ k.mT / query.shape[-1] ** 0.5
            scores = scores.masked_fill(ahead, -torch.inf)
            logs = lse[:, :, first : first + tile, None]
            kept.append((scores - logs).exp())
    right = EXERCISES["10-backward"].reference
    return right(query, key, value, output, lse, d_output, tile)


SENTENCES = {
    "10-predict": [
        (
            "A tile in which everything is masked is not computed.",
            "a: all tiles",
            "question a",
        ),
        (
            "Each query sees its own key and the 99 before it.",
            "b: causal without a window",
            "question b",
        ),
        (
            "Count the FLOPs of all products of matrices in the forward and "
            "the backward pass together.",
            "c: the backward pass alone",
            "question c",
        ),
        (
            "Attention in tiles keeps the output and the log-sum-exp instead.",
            "d: the output alone",
            "question d",
        ),
        (
            "The first tile sets the base.",
            "e: the first score counted",
            "question e",
        ),
        (
            "by more than the threshold 2.5.",
            "e: every rise followed",
            "question e",
        ),
        (
            "Then this score becomes the new base.",
            "e: the base moved by every rise",
            "question e",
        ),
        (
            "What is the output over all keys?",
            "f: the plain mean",
            "question f",
        ),
    ],
    "10-tiles": [
        (
            "The places after them are padding, which no query may see.",
            "no mask",
            "texts of other lengths",
        ),
        (
            "The scores are $q \\cdot k / \\sqrt d$.",
            "no scale",
            "whole tiles",
        ),
        (
            "They may be anything from −220 to 220, and they may rise or "
            "fall along a row.",
            "no maximum at all",
            "scores of 200",
        ),
        (
            "The last tile may be shorter.",
            "the last, shorter tile left out",
            "a last tile cut short",
        ),
        (
            "the sum and the mixed values are multiplied by the same factor.",
            "a sum that is not rescaled",
            "whole tiles",
        ),
        (
            "Return the output and the log-sum-exp, a natural logarithm.",
            "the maximum in place of the log-sum-exp",
            "whole tiles",
        ),
        (
            "A query with nothing to attend to has the output 0",
            "nothing divided by nothing",
            "a text of no keys",
        ),
        (
            "and the log-sum-exp −∞.",
            "a log-sum-exp of 0 where nothing is allowed",
            "a text of no keys",
        ),
    ],
    "10-slanted": [
        (
            "never form a table of all pairs:",
            "half a table or more at once",
            HALF_A_TABLE,
        ),
        (
            _LAST,
            "distances from the beginning of the text",
            "fewer queries than keys",
        ),
        ("and sees the keys 0 to $p$.", "no mask", "whole tiles"),
        (
            "where $m_h$ is the slope of head $h$.",
            "the slope of the first head for all",
            "whole tiles",
        ),
        (
            "These scores, with their bias, may be anything from −220 to 220.",
            "a finite number in place of -inf",
            "scores of -215",
        ),
        (
            "Without it, $q \\cdot k / \\sqrt{d_k}$ may be larger.",
            "a bias outside of the maximum",
            "a steep slope",
        ),
        (
            "At no moment may all tensors that you have made hold together "
            "half as many numbers as there are pairs of a query and a key, "
            "or more.",
            in_two_tiles,
            HALF_A_TABLE,
        ),
        (
            "So do not keep the tiles either.",
            keeping_the_tiles,
            HALF_A_TABLE,
        ),
        (
            "The last tile may be shorter.",
            "the last, shorter tile left out",
            "a last tile cut short",
        ),
        (
            "the log-sum-exp of the scores of each query, with their bias.",
            "the maximum in place of the log-sum-exp",
            "whole tiles",
        ),
    ],
    "10-merge": [
        (
            "The model also has a sink: one more score in each row, which "
            "belongs to a key whose value is 0.",
            "no sink",
            "two pieces",
        ),
        (
            "No piece contains it.",
            "a sink in each piece",
            "two pieces",
        ),
        (
            "The log-sum-exps are natural logarithms,",
            "powers of 2",
            "two pieces",
        ),
        (
            "the log-sum-exp of the sink alone is the sink itself.",
            "the sink taken for its exponential",
            "two pieces",
        ),
        (
            "Each head has its own sink.",
            "one mean sink for all heads",
            "two pieces",
        ),
        (
            "the log-sum-exp of all scores, including the sink.",
            "a log-sum-exp without the sink",
            "two pieces",
        ),
        (
            "If no piece has a key, the sink takes all of the weight:",
            "a maximum without the sink",
            "no keys at all",
        ),
        (
            "Log-sum-exps and sinks may be anything from −310 to 310.",
            "a floor under the log-sum-exps",
            "log-sum-exps of 300",
        ),
        (
            "Gradients flow through everything: outputs, log-sum-exps and "
            "sink.",
            "no gradient to the sink",
            "two pieces",
        ),
        (
            "They are finite, also in rows for which no piece has a key.",
            "NaN gradients in rows without keys",
            "no keys at all",
        ),
    ],
    "10-backward": [
        (
            _LAST,
            "queries at the beginning of the text",
            "fewer queries than keys",
        ),
        ("and sees the keys 0 to $p$.", "no mask", "whole tiles"),
        (
            "`torch.autograd`, `torch.func` and "
            "`F.scaled_dot_product_attention` are switched off.",
            by_autograd,
            "whole tiles",
        ),
        (
            "So do not keep the tiles either.",
            keeping_the_weights,
            HALF_A_TABLE,
        ),
        (
            "The scores are $q \\cdot k / \\sqrt{d_k}$.",
            "no scale",
            "whole tiles",
        ),
        (
            "They may be anything from −220 to 220.",
            "a finite number in place of -inf",
            "scores of -215",
        ),
        (
            "the last one may be shorter.",
            "the last, shorter tile left out",
            "a last tile cut short",
        ),
        (
            "Never form a table with an entry for each pair of a query and "
            "a key, not even of a mask.",
            "half a table or more at once",
            HALF_A_TABLE,
        ),
        (
            "Return the gradients of the loss with respect to `query`, "
            "`key` and `value`.",
            "keys before queries",
            "whole tiles",
        ),
    ],
}
