"""Experts with a limited room, and what often goes wrong.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

from __future__ import annotations

import math

import torch


def _room(kept, k, factor, N, E, mistake):
    """How many tokens an expert takes."""
    tokens = N if mistake == "padding makes room" else int(kept.sum())
    choices = 1 if mistake == "room without k" else k
    exact = factor * choices * tokens / E
    if mistake == "rounded down":
        return math.floor(exact)
    if mistake == "rounded to nearest":
        return round(exact)
    if mistake == "at least one":
        return max(math.ceil(exact), 1)
    if mistake == "factor ignored":
        return math.ceil(choices * tokens / E)
    if mistake == "one more than the whole part":
        return math.floor(exact) + 1
    if mistake == "divided by k":
        return math.ceil(factor * tokens / (E * k))
    if mistake == "rounded before the factor":
        return math.ceil(choices * tokens / E) * factor
    if mistake == "room without experts":
        return math.ceil(factor * choices * tokens)
    return math.ceil(exact) + (mistake == "one too many")


def _queue(order, weight, kept, mistake):
    """The choices (token, rank) in the order in which they are seated."""
    N, k = order.shape
    tokens = range(N)
    if mistake == "last tokens first":
        tokens = list(reversed(tokens))
    ranks = weight.detach()
    queue = [(n, c) for c in range(k) for n in tokens]
    if mistake == "token by token":
        queue = [(n, c) for n in tokens for c in range(k)]
    elif mistake == "last choices first":
        queue = [(n, c) for c in reversed(range(k)) for n in range(N)]
    elif mistake == "best first":
        queue.sort(key=lambda pair: -float(ranks[pair]))
    elif mistake == "best first in a round":
        queue.sort(key=lambda pair: (pair[1], -float(ranks[pair])))
    if mistake in ("padding seated", "padding takes seats"):
        return queue
    return [(n, c) for n, c in queue if kept[n]]


def _weights(scores, best, mistake):
    """The weights of the choices, (N, k)."""
    chosen = scores.gather(-1, best)
    if mistake == "over all experts":
        return scores.softmax(-1).gather(-1, best)
    if mistake == "sigmoid":
        return chosen.sigmoid()
    if mistake == "sigmoid, divided":
        weight = chosen.sigmoid()
        return weight / weight.sum(-1, keepdim=True)
    if mistake == "alike":
        return torch.full_like(chosen, 1 / chosen.shape[1])
    if mistake == "ones":
        return torch.ones_like(chosen)
    if mistake == "scores":
        return chosen
    if mistake == "softmax twice":
        return scores.softmax(-1).gather(-1, best).softmax(-1)
    if mistake == "over tokens":
        return chosen.softmax(0)
    if mistake == "logarithms":
        return chosen.log_softmax(-1)
    if mistake == "divided by the root of k":
        return (chosen / chosen.shape[1] ** 0.5).softmax(-1)
    if mistake == "detached":
        return chosen.softmax(-1).detach()
    if mistake == "overflow":
        return chosen.exp() / chosen.exp().sum(-1, keepdim=True)
    return chosen.softmax(-1)


def mistaken(scores, kept, k, factor, mistake):
    """Return weights and slots (N, E), with a mistake."""
    N, E = scores.shape
    ranked = scores.detach()
    if mistake == "late of equals":
        order = (
            E
            - 1
            - ranked.flip(-1).argsort(dim=-1, descending=True, stable=True)
        )
    else:
        order = ranked.argsort(
            dim=-1, descending=mistake != "worst", stable=True
        )
    if mistake == "best alone":
        k = 1
    best = order[:, :k]
    room = _room(kept, k, factor, N, E, mistake)
    weight = _weights(scores, best, mistake)
    taken = torch.zeros(k, E).long()
    seated = torch.zeros(N, k, dtype=torch.bool)
    slot = torch.full((N, E), -1)
    pick = best.clone()
    for count, (n, c) in enumerate(
        _queue(order[:, :k], weight, kept, mistake)
    ):
        e = int(best[n, c])
        row = c if mistake.startswith("each round anew") else 0
        if mistake == "next best":
            free = [int(x) for x in order[n] if taken[0, x] < room]
            free = [x for x in free if slot[n, x] < 0]
            if free and taken[0, e] >= room:
                e = free[0]
                pick[n, c] = e
        at = int(taken[row, e])
        taken[row, e] += 1
        if at >= room and mistake != "nobody refused":
            if mistake == "slot of the refused":
                slot[n, e] = at
            continue
        seated[n, c] = True
        first = int(mistake == "slots from 1")
        slot[n, e] = at + first if mistake != "one count" else count
    if mistake == "padding takes seats":
        seated = seated & kept[:, None]
        slot = torch.where(kept[:, None], slot, -1)
    if mistake == "whole token":
        whole = seated.all(-1, keepdim=True)
        seated = seated & whole
        slot = torch.where(whole, slot, -1)
    if mistake == "weight of the refused":
        seated = kept[:, None].expand_as(seated)
    elif mistake == "padding weighs":
        seated = seated | ~kept[:, None]
    weight = weight * seated
    if mistake == "divided again":
        total = weight.sum(-1, keepdim=True)
        weight = weight / torch.where(total > 0, total, 1)
    if mistake == "zero for none":
        slot = slot.clamp(min=0)
    elif mistake == "yes in place of a number":
        slot = torch.where(slot >= 0, 1, -1)
    elif mistake == "the token in place of the seat":
        slot = torch.where(slot >= 0, torch.arange(N)[:, None], -1)
    if mistake == "in the order of rank":
        full = scores.new_zeros(N, E)
        full[:, :k] = weight
        return full, slot
    return scores.new_zeros(N, E).scatter(1, pick, weight), slot


_ROUNDS = "All first choices, token by token; then all second choices."
_ROOM = "⌈factor · k · n / E⌉, where n counts the tokens that are kept."
_SOFTMAX = "scores.gather(-1, best).softmax(-1), with best (N, k)."

MISTAKES = [
    (
        "token by token",
        "seated token by token",
        "The second choice of a token takes its seat before the first choice "
        "of the next token.",
        _ROUNDS,
    ),
    (
        "last choices first",
        "last choices first",
        "Second choices take their seats before first choices.",
        _ROUNDS,
    ),
    (
        "last tokens first",
        "last tokens first",
        "In each round the last token takes its seat first.",
        _ROUNDS,
    ),
    (
        "best first",
        "the largest weights first",
        "Seats go to the largest weights. They should go by rounds, and in a "
        "round in the order of the tokens.",
        _ROUNDS,
    ),
    (
        "best first in a round",
        "the largest weights of a round first",
        "In a round the seats go to the largest weights. They should go in "
        "the order of the tokens.",
        _ROUNDS,
    ),
    (
        "each round anew",
        "counts that begin anew with each round",
        "Second choices are counted from 0 again, so that two tokens get the "
        "same seat of an expert.",
        "What must the count of the second round begin with?",
    ),
    (
        "rounded down",
        "a room rounded down",
        "The room is rounded down.",
        _ROOM,
    ),
    (
        "rounded to nearest",
        "a room rounded to the nearest number",
        "The room is rounded to the nearest whole number.",
        _ROOM,
    ),
    (
        "one too many",
        "one token too many",
        "An expert takes one token more than it has room for.",
        "The seats are 0 to room - 1: compare with < room.",
    ),
    (
        "room without k",
        "a room without k",
        "The room does not count that each token makes k choices.",
        _ROOM,
    ),
    (
        "factor ignored",
        "the factor ignored",
        "The room is the even share, without the factor.",
        _ROOM,
    ),
    (
        "padding makes room",
        "padding that makes room",
        "The room is computed from all N places, also from padding.",
        _ROOM,
    ),
    (
        "padding takes seats",
        "padding that takes seats",
        "Padding has no weight, but it takes seats, and real tokens are "
        "refused.",
        "Leave padding out before you count.",
    ),
    (
        "padding seated",
        "padding that is seated",
        "Padding is sent to experts like a token.",
        "What should the rows of padding be?",
    ),
    (
        "padding weighs",
        "padding with weights",
        "Padding takes no seat, but its weights are not 0.",
        "What should the rows of padding be?",
    ),
    (
        "divided again",
        "weights divided again",
        "After some choices are refused you divide by the sum of the rest. "
        "A refused weight is lost.",
        "Once, over the k choices, before anybody is refused.",
    ),
    (
        "over all experts",
        "weights over all experts",
        "These weights sum to 1 over all E experts. They should sum to 1 "
        "over the k chosen ones, before anybody is refused.",
        _SOFTMAX,
    ),
    (
        "sigmoid",
        "sigmoid in place of softmax",
        "The weights are sigmoids of the scores.",
        _SOFTMAX,
        "sigmoid, divided",
    ),
    (
        "softmax twice",
        "softmax twice",
        "You take the softmax of probabilities.",
        _SOFTMAX,
    ),
    (
        "over tokens",
        "softmax over the tokens",
        "The softmax runs over the tokens, not over the choices of a token.",
        _SOFTMAX,
    ),
    (
        "alike",
        "equal weights",
        "All choices of a token have the same weight.",
        _SOFTMAX,
        "ones",
    ),
    ("scores", "scores as weights", "The weights are raw scores.", _SOFTMAX),
    (
        "overflow",
        "exponentials that overflow",
        "exp(200) is infinite in single precision, and infinity divided by "
        "infinity is NaN.",
        "Take softmax, or subtract the largest score first.",
    ),
    (
        "detached",
        "no gradient through the weights",
        "The values are right. No gradient flows to the scores.",
        "Detach the choice, not the weights.",
    ),
    (
        "late of equals",
        "of equal scores the later expert",
        "Of two equal scores you choose the later expert.",
        "argsort(dim=-1, descending=True, stable=True).",
    ),
    (
        "worst",
        "the lowest scores chosen",
        "You choose the experts with the lowest scores.",
        "descending=True.",
    ),
    (
        "best alone",
        "the first choice alone",
        "Only the best expert of a token is chosen.",
        "Each token makes k choices.",
    ),
    (
        "in the order of rank",
        "columns in the order of rank",
        "The weights stand in the columns 0 to k - 1. Column e belongs to "
        "expert e.",
        "zeros(N, E).scatter(1, best, weight).",
    ),
    (
        "next best",
        "refused tokens sent on",
        "A refused choice goes to another expert that has room.",
        "A refused choice is dropped.",
    ),
    (
        "nobody refused",
        "nobody refused",
        "Experts take all tokens that choose them, or the room does not "
        "divide the choices among the E experts.",
        "⌈factor · k · n / E⌉, and slot < room.",
        "room without experts",
    ),
    (
        "whole token",
        "all or nothing",
        "A token with one refused choice loses its other choices too.",
        "A choice is refused, not a token.",
    ),
    (
        "weight of the refused",
        "weights of refused choices",
        "A refused choice has no slot, but it still has a weight.",
        "Where slot is -1, the weight is 0.",
    ),
    (
        "slot of the refused",
        "slots of refused choices",
        "A refused choice has a slot that its expert does not have.",
        "A slot is 0 to room - 1, or -1.",
    ),
    (
        "slots from 1",
        "slots counted from 1",
        "The first seat of an expert is number 1 in yours.",
        "A running count includes the token itself: subtract 1.",
    ),
    (
        "one count",
        "one count for all experts",
        "You count the seats of all experts together.",
        "Each expert has seats of its own.",
    ),
    (
        "zero for none",
        "0 where there is no slot",
        "Where a token has no seat, the slot is 0. That is the first seat.",
        "-1 where there is none.",
    ),
    (
        "one more than the whole part",
        "one more than the whole part",
        "A room without a remainder is one too large: you add 1 to the whole "
        "part. Round up instead.",
        _ROOM,
    ),
    (
        "divided by k",
        "a room divided by k",
        "k makes the room larger. You divide by it.",
        _ROOM,
    ),
    (
        "rounded before the factor",
        "a room rounded before the factor",
        "You round up first, and then multiply by the factor.",
        _ROOM,
    ),
    (
        "logarithms",
        "logarithms of the weights",
        "You return the logarithms of the weights.",
        _SOFTMAX,
    ),
    (
        "divided by the root of k",
        "scores divided by the root of k",
        "The scores are divided by a root before the softmax.",
        _SOFTMAX,
    ),
    (
        "yes in place of a number",
        "1 in place of the number of the seat",
        "Where a token has a seat, your slot is 1. It is the number of the "
        "seat.",
        "Seats of an expert are numbered 0, 1, 2 and so on.",
    ),
    (
        "the token in place of the seat",
        "the number of the token in place of the seat",
        "Your slot is the number of the token. It is the number of the seat "
        "at this expert.",
        "Seats of an expert are numbered 0, 1, 2 and so on.",
    ),
]
