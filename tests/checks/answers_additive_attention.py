"""Answers to the exercises of chapter 01, right but for what is handed in."""

import torch
from torch.utils.checkpoint import checkpoint

from attnbook.mechanisms.additive import masked_softmax


def concat(scores=None, weigh=None, right=None, left=None):
    """A right answer to the repair, but for what is handed in."""

    def answer(query, key, value, mask, weight, v):
        T, S = query.shape[1], key.shape[1]
        if left is not None:
            first = left(query, S)
        else:
            first = query.repeat_interleave(S, 1).view(len(query), T, S, -1)
        if right is not None:
            beside = right(key, T).view(len(query), T, S, -1)
        else:
            beside = key[:, None].repeat(1, T, 1, 1)
        pair = torch.cat([first, beside], -1)
        found = torch.tanh(pair @ weight.T) @ v
        if scores is not None:
            found = scores(pair, weight, v)
        if weigh is not None:
            weights = weigh(found, mask[:, None])
        else:
            weights = masked_softmax(found, mask[:, None])
        return weights.bmm(value), weights

    return answer


def output_detached(query, key, value, mask, weight, v):
    _, weights = concat()(query, key, value, mask, weight, v)
    return weights.detach() @ value, weights


def shared_anew(scores, mask):
    weights = scores.softmax(-1) * mask
    return weights / (weights.sum(-1, keepdim=True) + 1e-12)


def only_counted(scores, mask):
    first = torch.arange(mask.shape[-1]) < mask.sum(-1, keepdim=True)
    return masked_softmax(scores, first)


def masked_late_beside_an_empty_one(scores, mask):
    """The softmax of -inf where no sentence of the batch is empty."""
    if mask.any(-1).all():
        return scores.masked_fill(~mask, -torch.inf).softmax(-1)
    return scores.softmax(-1) * mask


def log_of_the_mask(scores, mask):
    return (scores + mask.float().log()).softmax(-1)


def log_of_nearly_the_mask(scores, mask):
    weights = (scores + (mask.float() + 1e-9).log()).softmax(-1)
    return weights * mask.any(-1, keepdim=True)


def rate(best=None, rows=None, empty=0.0):
    """A right error rate, but for what is handed in."""

    def answer(weights, alignment, target_mask):
        counted = target_mask & alignment.any(-1)
        if rows is not None:
            counted = rows(alignment, target_mask)
        if not counted.any():
            return empty
        truth, weights = alignment[counted], weights[counted]
        links = weights.argmax(-1) if best is None else best(weights)
        hits = truth.gather(1, links[:, None]).sum().item()
        return 1 - 2 * hits / (len(truth) + truth.sum().item())

    return answer


def all_that_tie_are_linked(weights, alignment, target_mask):
    links = weights == weights.max(-1, keepdim=True).values
    counted = target_mask & alignment.any(-1)
    if not counted.any():
        return 0.0
    links, truth = links[counted], alignment[counted]
    hits = (links & truth).sum().item()
    return 1 - 2 * hits / (links.sum().item() + truth.sum().item())


def rows_up_to_a_break(weights, alignment, target_mask):
    made = hits = true = 0
    for row, truth, real in zip(weights, alignment, target_mask, strict=True):
        for t in range(len(real)):
            if not (real[t] and truth[t].any()):
                break
            made, true = made + 1, true + truth[t].sum().item()
            hits += truth[t, row[t].argmax()].item()
    return 1 - 2 * hits / (made + true) if made else 0.0


def no_link_without_weight(weights, alignment, target_mask):
    counted = target_mask & alignment.any(-1)
    if not counted.any():
        return 0.0
    truth = alignment[counted]
    top, best = weights[counted].max(-1, keepdim=True)
    made = top > 0
    hits = (truth.gather(1, best) & made).sum().item()
    return 1 - 2 * hits / (made.sum().item() + truth.sum().item())


def tally(add=None, weigh=masked_softmax, end=None, bent=None):
    """A right tally, but for what is handed in."""

    def answer(query, key, value, mask, W_q, W_k, w_c, v):
        covered, rows = torch.zeros(key.shape[:2]), []
        for t in range(query.shape[1]):
            hidden = (query[:, t] @ W_q.T)[:, None] + key @ W_k.T
            term = covered[..., None] * w_c
            if bent is None:
                scores = torch.tanh(hidden + term) @ v
            else:
                scores = bent(hidden, term) @ v
            rows.append(weigh(scores, mask))
            more = covered + rows[-1]
            covered = more if add is None else add(covered, rows)
        weights = torch.stack(rows, 1)
        return (weights @ value, weights) if end is None else end(rows, value)

    return answer


def masked_at_the_end(query, key, value, mask, W_q, W_k, w_c, v):
    plain = tally(weigh=lambda scores, mask: scores.softmax(-1))
    _, weights = plain(query, key, value, mask, W_q, W_k, w_c, v)
    weights = weights * mask[:, None]
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)
    return weights @ value, weights


def scored(query, piece, v):
    return torch.tanh(query[:, :, None] + piece[:, None]) @ v


def pieces(cut=None, step=None, weigh=masked_softmax):
    """A right answer in pieces, but for what is handed in."""

    def answer(query, key, value, mask, W_q, W_k, v, chunk):
        query, key = query @ W_q.T, key @ W_k.T
        found = []
        for piece in key.split(chunk, 1) if cut is None else cut(key, chunk):
            if step is None:
                found.append(
                    checkpoint(scored, query, piece, v, use_reentrant=False)
                )
            else:
                found.append(step(query, piece, v))
        weights = weigh(torch.cat(found, -1), mask[:, None])
        return weights @ value, weights

    return answer


def pieces_of_queries(query, key, value, mask, W_q, W_k, v, chunk):
    keys = key @ W_k.T
    scores = [
        checkpoint(scored, piece @ W_q.T, keys, v, use_reentrant=False)
        for piece in query.split(chunk, 1)
    ]
    weights = masked_softmax(torch.cat(scores, 1), mask[:, None])
    return weights @ value, weights


def one_query_at_a_time(query, key, value, mask, W_q, W_k, v, chunk):
    return pieces_of_queries(query, key, value, mask, W_q, W_k, v, 1)


def piece_read_late(query, key, value, mask, W_q, W_k, v, chunk):
    query, key, scores = query @ W_q.T, key @ W_k.T, []
    for start in range(0, key.shape[1], chunk):
        scores.append(
            checkpoint(
                lambda query: scored(query, key[:, start : start + chunk], v),  # noqa: B023
                query,
                use_reentrant=False,
            )
        )
    weights = masked_softmax(torch.cat(scores, -1), mask[:, None])
    return weights @ value, weights


def the_rest_stays_at_0(query, key, value, mask, W_q, W_k, v, chunk):
    query, key = query @ W_q.T, key @ W_k.T
    scores = torch.zeros(len(query), query.shape[1], key.shape[1])
    for n in range(key.shape[1] // chunk):
        part = slice(n * chunk, (n + 1) * chunk)
        scores[..., part] = checkpoint(
            scored, query, key[:, part], v, use_reentrant=False
        )
    weights = masked_softmax(scores, mask[:, None])
    return weights @ value, weights
