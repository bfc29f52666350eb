"""Known mistakes of who measures the attention distance of exercise 05.3."""

from __future__ import annotations

import torch

from attnbook.judging.named_mistakes import named


def _mistaken_distances(weights, mistake):
    """How far back each row looks, (B, H, T)."""
    T, S = weights.shape[-2:]
    query = torch.arange(T) + S - T  # (T,)
    if mistake == "no offset":
        query = torch.arange(T)
    if mistake == "last":
        query = torch.full((T,), S - 1)
    if mistake in ("late", "early"):
        query = query + (1 if mistake == "late" else -1)
    key = torch.arange(S)  # (S,)
    distance = (query[:, None] - key).to(weights.dtype)  # (T, S)
    if mistake == "squared":
        distance = distance**2
    elif mistake == "back only":
        distance = distance.clamp(min=0)
    elif mistake == "key minus query":
        distance = -distance
    elif mistake != "signed":
        distance = distance.abs()
    if mistake == "one more":
        distance = distance + 1
    if mistake == "where":
        distance = key.expand(T, S).to(weights.dtype)
    if mistake == "softmax again":
        weights = weights.softmax(-1)
    if mistake in ("first T keys", "last T keys"):
        places = torch.arange(T)
        distance = (places[:, None] - places).to(weights.dtype).abs()
        first = mistake == "first T keys"
        weights = weights[..., :T] if first else weights[..., S - T :]
    if mistake == "farthest":
        return (distance * (weights > 0)).amax(-1)
    if mistake == "argmax":
        best = weights.argmax(-1)  # (B, H, T)
        return distance[torch.arange(T), best]
    if mistake == "unweighted":
        found = (distance * (weights > 0)).sum(-1)
        return found / (weights > 0).sum(-1).clamp(min=1)
    if mistake == "mean place":
        place = (weights * key.to(weights.dtype)).sum(-1)  # (B, H, T)
        return (query - place).abs()
    return (weights * distance).sum(-1)


def _distances_among_the_real(weights, query_mask, mistake):
    """The same where positions leave out the rows of padding."""
    T, S = weights.shape[-2:]
    if mistake == "counts the real":
        query = query_mask.cumsum(-1) - 1 + S - T  # (B, T)
    else:
        query = torch.arange(T) + S - query_mask.sum(-1, keepdim=True)
    distance = (query[..., None] - torch.arange(S)).abs()  # (B, T, S)
    return (weights * distance[:, None]).sum(-1)


def _mistaken(weights, query_mask, mistake):
    """The same with a mistake."""
    if mistake in ("counts the real", "ends at the real"):
        found = _distances_among_the_real(weights, query_mask, mistake)
    else:
        found = _mistaken_distances(weights, mistake)  # (B, H, T)
    real = found.masked_fill(~query_mask[:, None], 0.0)
    rows = query_mask.sum(-1, keepdim=True)  # (B, 1)
    if mistake == "each sentence":
        return real.sum(-1) / rows
    if mistake == "each row":
        return real
    if mistake == "list":
        return found.transpose(1, 2)[query_mask].mean(0).tolist()
    if mistake == "array":
        return found.transpose(1, 2)[query_mask].mean(0).numpy()
    if mistake == "mean over heads":
        return found.transpose(1, 2)[query_mask].mean(1)
    if mistake == "root of squares":
        return _mistaken(weights, query_mask, "squared").sqrt()
    if mistake == "mask on keys":
        kept = weights * query_mask[:, None, None]
        found = _mistaken_distances(kept, mistake)
        return found.sum((0, 2)) / query_mask.sum()
    if mistake == "squeezed":
        return _mistaken(weights, query_mask, "").squeeze()
    if mistake == "last query":
        return found[..., -1].mean(0)
    if mistake == "mask on heads":
        found = found.masked_fill(~query_mask, 0.0)
        return found.sum((0, 2)) / query_mask.sum()
    if mistake == "mask picks heads":
        return found[query_mask].mean(0)
    if mistake == "first sentence":
        return found[0][:, query_mask[0]].mean(-1)
    if mistake == "by sentence":
        return (real.sum(-1) / rows * rows).sum(0) / rows.sum()
    if mistake == "mask as a length":
        query_mask = torch.arange(query_mask.shape[1]) < rows
    if mistake == "mixed":
        real = query_mask[:, None].expand_as(found)
        return found[real].view(weights.shape[1], -1).mean(-1)
    if mistake == "upside down":
        query_mask = ~query_mask
    counted = query_mask[:, None].expand_as(found)  # (B, H, T)
    if mistake == "padding":
        counted = torch.ones_like(counted)
    if mistake == "nan":
        found = found * counted
    elif mistake != "padding in the sum":
        found = found.masked_fill(~counted, 0.0)
    return _mistaken_mean(found, counted, weights.shape[-1], mistake)


def _mistaken_mean(found, counted, S, mistake):
    """From (B, H, T) to a number for each head."""
    _, H, T = found.shape
    if mistake == "upside down":
        return found.sum((0, 2)) / (~counted).sum((0, 2))
    if mistake == "sum":
        return found.sum((0, 2))
    if mistake == "by T":
        return found.sum((0, 2)) / T
    if mistake == "by B":
        return found.sum((0, 2)) / len(found)
    if mistake == "by H":
        return found.sum((0, 2)) / counted.sum()
    if mistake == "divided by T":
        return found.mean((0, 2))
    if mistake == "sentences":
        rows = counted.sum(-1).clamp(min=1)  # (B, H)
        return (found.sum(-1) / rows).mean(0)
    if mistake in ("one number", "a scalar"):
        mean = found.sum() / counted.sum()
        return mean if mistake == "a scalar" else mean.expand(H)
    if mistake == "by the longest":
        return found.sum((0, 2)) / counted.sum((0, 2)) / (S - 1)
    if mistake == "relative":
        return found.sum((0, 2)) / counted.sum((0, 2)) / S
    return found.sum((0, 2)) / counted.sum((0, 2))


_ROWS = [
    (
        "no offset",
        "queries counted from 0",
        "With T < S the queries are the *last* T of the S positions, "
        "as when a model goes on writing. Yours start at 0.",
        "The first query stands at S - T.",
    ),
    (
        "signed",
        "distances with a sign",
        "A key 2 ahead and one 2 behind cancel to 0. Both are 2 away.",
        "The absolute value.",
    ),
    (
        "squared",
        "squared distances",
        "Distances are squared. The question is the mean distance, in tokens.",
        "The absolute value.",
    ),
    (
        "one more",
        "a token is 1 away from itself",
        "All distances are one too large: query and key in the same "
        "place have distance 0.",
        "Both arange must count the same positions.",
    ),
    (
        "argmax",
        "only the greatest weight",
        "You take the distance of the one key with the greatest weight. A "
        "head that spreads its attention looks at all keys.",
        "Weigh each distance by its weight.",
    ),
    (
        "unweighted",
        "every key counts the same",
        "The distances are averaged without their weights.",
        "A sum of weight times distance; the weights sum to 1.",
    ),
    (
        "padding",
        "padding is counted",
        "Rows of queries that are padding are counted.",
        "query_mask is True for the rows that are real.",
    ),
    (
        "sum",
        "a sum, not a mean",
        "This is a sum over the rows, so a head would seem to look further "
        "in a longer text.",
        "Divide by the number of rows that count.",
    ),
    (
        "divided by T",
        "divided by all rows",
        "The sum leaves padding out, and the division counts it: B·T rows.",
        "How many True are there in query_mask?",
    ),
    (
        "sentences",
        "a mean of means",
        "Each sentence counts the same, whether it has two rows or "
        "twenty. Each row should.",
        "Sum over the batch, then divide once.",
    ),
    (
        "one number",
        "heads averaged together",
        "All heads get the same number. Heads differ: that is the "
        "point of the measure.",
        "Sum over the batch and the queries, dimensions 0 and 2.",
        "a scalar",
    ),
    (
        "relative",
        "divided by the length",
        "The distance is divided by S, or S - 1. The distance should be in "
        "tokens.",
        "The last line, or a mean over the keys instead of a sum.",
        "by the longest",
    ),
    (
        "back only",
        "keys ahead count as 0",
        "Keys that stand after the query count as 0 away. A key 2 "
        "ahead is 2 away.",
        "The absolute value.",
    ),
    (
        "key minus query",
        "distances with the other sign",
        "Keys before the query get a negative distance. Make it positive.",
        "The absolute value.",
    ),
    (
        "late",
        "queries one place too far",
        "Your last query stands at S. Positions are 0 to S - 1.",
        "The first query stands at S - T.",
    ),
    (
        "where",
        "where it looks, not how far",
        "You average the keys' positions. The question is how far they are "
        "from the query.",
        "|p - j|, weighed by the weights.",
    ),
    (
        "softmax again",
        "a second softmax",
        "`weights` went through a softmax already.",
        "Weigh by `weights` as they are.",
    ),
    (
        "first T keys",
        "as many keys as queries",
        "You take T of the S keys. All S are attended to.",
        "The distances are (T, S).",
        "last T keys",
    ),
    (
        "farthest",
        "the farthest key",
        "You take the distance of the farthest key with a weight. A head "
        "looks at all keys, but gives little weight to some.",
        "Weigh each distance by its weight.",
    ),
    (
        "root of squares",
        "the root of the mean square",
        "You take the root of the mean of squared distances. The question "
        "is their mean.",
        "The absolute value, and no square.",
    ),
    (
        "mean over heads",
        "a mean over the heads",
        "You average over the heads and keep the rows. Average over the rows "
        "and keep the heads.",
        "(H,) comes back: sum over B and T.",
    ),
    (
        "last query",
        "the last query alone",
        "Only the last row of each sentence is measured.",
        "The mean runs over all real rows of the batch.",
    ),
    (
        "mask on keys",
        "the mask meets the keys",
        "query_mask is laid on the last axis, the keys. It says which "
        "*queries* are real.",
        "query_mask[:, None] for (B, H, T).",
    ),
    (
        "list",
        "a list or an array",
        "The numbers are right, but return a tensor.",
        "No .tolist() and no .numpy().",
        "array",
    ),
    (
        "last",
        "all queries in the last place",
        "Each query is taken to stand at S - 1. Only the last one does.",
        "T positions, from S - T to S - 1.",
    ),
    (
        "each sentence",
        "a row for each sentence",
        "You return (B, H). One mean runs over all real rows of the batch.",
        "Sum over B and T, then divide once.",
    ),
    (
        "each row",
        "no mean over the rows",
        "You return (B, H, T), a distance for each row.",
        "Sum over B and T, and divide by the number of real rows.",
    ),
    (
        "early",
        "queries one place too early",
        "Your last query stands at S - 2. The last position is S - 1.",
        "The first query stands at S - T.",
    ),
    (
        "mean place",
        "the distance of the mean place",
        "You average the places first. A head that looks 2 back "
        "and 2 ahead is then 0 away.",
        "Distances first, then their mean by weight.",
    ),
    (
        "mask on heads",
        "the mask meets the heads",
        "query_mask (B, T) is laid on (B, H, T) from the right: it "
        "picks rows by head, not by sentence.",
        "query_mask[:, None] is (B, 1, T).",
    ),
    (
        "mask picks heads",
        "the mask picks heads",
        "query_mask (B, T) is an index into (B, H, T): it picks "
        "sentences and *heads*.",
        "Bring T beside B first, or mask with query_mask[:, None].",
    ),
    (
        "first sentence",
        "the first sentence alone",
        "Only the first sentence of the batch is measured.",
        "The mean runs over all real rows of the batch.",
    ),
    (
        "mixed",
        "heads cut across sentences",
        "The rows picked by the mask come sentence by sentence. "
        "Cut into H pieces they mix heads.",
        "Sum over B and T while the axis of heads is there.",
    ),
    (
        "upside down",
        "the mask upside down",
        "Real rows are set to 0 and padding is kept.",
        "query_mask is True for the rows that are real.",
    ),
    (
        "padding in the sum",
        "padding in the sum",
        "The division counts the real rows, but the sum holds "
        "those of padding, too.",
        "Set the rows of padding to 0 before the sum.",
    ),
    (
        "by T",
        "divided by the length of one sentence",
        "The sum over the batch is divided by T, so a head would seem to "
        "look further in a larger batch.",
        "How many True are there in query_mask?",
    ),
    (
        "by B",
        "divided by the number of sentences",
        "The sum over all rows is divided by B, so a head would seem to look "
        "further in a longer text.",
        "How many True are there in query_mask?",
    ),
    (
        "by H",
        "divided by the heads, too",
        "The rows are counted once for each head. A head has B·T "
        "of them at most.",
        "query_mask.sum() counts each row once.",
    ),
    (
        "counts the real",
        "positions without the padding",
        "You number the real rows alone. Rows of padding have positions, too.",
        "p_t is t + S - T, whatever the mask.",
        "ends at the real",
    ),
    (
        "by sentence",
        "a sentence without a real row",
        "A sentence may consist of padding only. Its mean is 0/0, which is "
        "NaN, and NaN stays in any sum.",
        "Sum over the batch, then divide once.",
    ),
    (
        "mask as a length",
        "the mask taken for a length",
        "You take as many rows from the start of a sentence as are real. "
        "Padding may stand in front of them, or between.",
        "Which rows are real, not how many.",
    ),
    (
        "nan",
        "0 times NaN",
        "Rows of padding are multiplied by 0, and 0 times NaN, or times "
        "infinity, is NaN.",
        "masked_fill, torch.where, or pick the real rows.",
    ),
    (
        "squeezed",
        "axes squeezed away",
        "squeeze() takes away every axis of size 1. With one head, or one "
        "query, that is an axis which you need.",
        "Sum over named axes; for one head (1,) comes back.",
    ),
]

MISTAKES = named(_mistaken, _ROWS)
