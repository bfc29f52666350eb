"""Wrong answers to exercises 12.2 and 12.3 that are no known mistake."""

import math

import pytest
import torch
import torch.nn.functional as F
from unforeseen import assert_told_by_its_numbers
from verdicts import named, parts_of

from attnbook.checks.experts_and_state_spaces import EXERCISES

SEAT, BALANCE = EXERCISES["12-seat"], EXERCISES["12-balance"]

# -- what nobody foresaw -----------------------------------------------------


def with_a_lower_temperature(scores, kept, k, factor):
    _, slot = SEAT.reference(scores, kept, k, factor)
    weights, _ = SEAT.reference(1.4 * scores, kept, k, factor)
    return weights, slot


def with_a_margin(layers, biases, kept, k):
    return BALANCE.reference(layers, biases, kept, k) + 0.1


@pytest.mark.parametrize(
    ("whose", "answer"),
    [(SEAT, with_a_lower_temperature), (BALANCE, with_a_margin)],
)
def test_what_nobody_foresaw_is_told_by_its_numbers(whose, answer):
    assert_told_by_its_numbers(whose.diagnose(answer))


# -- a limited room ----------------------------------------------------------


def by_running_counts(
    scores,
    kept,
    k,
    factor,
    room=lambda factor, k, n, N, E: math.ceil(factor * k * n / E),
    choose=lambda scores, k: scores.detach().argsort(
        dim=-1, descending=True, stable=True
    )[:, :k],
    number=lambda chosen: chosen.flatten(0, 1).cumsum(0).view_as(chosen) - 1,
    weigh=lambda scores, best: scores.gather(-1, best).softmax(-1),
    fits=lambda number, room: number < room,
    padded=lambda chosen, kept: chosen * kept[:, None],
    finish=lambda weight, seated: weight * seated,
):
    """One-hot choices, numbered along the tokens."""
    N, E = scores.shape
    space = room(factor, k, int(kept.sum()), N, E)
    best = choose(scores, k)
    chosen = padded(F.one_hot(best.T, E), kept)  # (k, N, E)
    at = number(chosen)
    seated = chosen * fits(at, space)
    full = torch.zeros(N, E).scatter(1, best, weigh(scores, best))
    slot = torch.where(seated.bool(), at, -1).amax(0)
    return finish(full, seated.sum(0)), slot


def by_topk(*inputs):
    """Right, but for ties."""
    return by_running_counts(
        *inputs,
        choose=lambda scores, k: (
            scores.shape[1]
            - 1
            - scores.detach()
            .flip(-1)
            .argsort(dim=-1, descending=True, stable=True)[:, :k]
        ),
    )


def by_token(*inputs):
    def number(chosen):
        order = chosen.transpose(0, 1)  # (N, k, E)
        at = order.flatten(0, 1).cumsum(0).view_as(order) - 1
        return at.transpose(0, 1)

    return by_running_counts(*inputs, number=number)


def by_round_anew(*inputs):
    return by_running_counts(*inputs, number=lambda c: c.cumsum(1) - 1)


def counted_from_1(*inputs):
    return by_running_counts(
        *inputs,
        number=lambda c: c.flatten(0, 1).cumsum(0).view_as(c),
        fits=lambda number, room: number <= room,
    )


def one_seat_more(*inputs):
    return by_running_counts(*inputs, fits=lambda at, room: at <= room)


def cut_off(*inputs):
    return by_running_counts(
        *inputs, room=lambda factor, k, n, N, E: int(factor * k * n / E)
    )


def room_of_all(*inputs):
    return by_running_counts(
        *inputs, room=lambda factor, k, n, N, E: math.ceil(factor * k * N / E)
    )


def room_of_one_choice(*inputs):
    return by_running_counts(
        *inputs, room=lambda factor, k, n, N, E: math.ceil(factor * n / E)
    )


def even_room(*inputs):
    return by_running_counts(
        *inputs, room=lambda factor, k, n, N, E: math.ceil(k * n / E)
    )


def without_limit(*inputs):
    return by_running_counts(
        *inputs, fits=lambda at, room: torch.ones_like(at)
    )


def seats_for_padding(scores, kept, k, factor):
    return by_running_counts(
        scores, kept, k, factor, padded=lambda chosen, kept: chosen
    )


def softmax_first(*inputs):
    return by_running_counts(
        *inputs,
        weigh=lambda scores, best: scores.softmax(-1).gather(-1, best),
    )


def sigmoids(*inputs):
    return by_running_counts(
        *inputs, weigh=lambda scores, best: scores.gather(-1, best).sigmoid()
    )


def exponentials(*inputs):
    def weigh(scores, best):
        exp = scores.gather(-1, best).exp()
        return exp / exp.sum(-1, keepdim=True)

    return by_running_counts(*inputs, weigh=weigh)


def made_whole(*inputs):
    def finish(full, seated):
        left = full * seated
        total = left.sum(-1, keepdim=True)
        return left / total.clamp(min=1e-9)

    return by_running_counts(*inputs, finish=finish)


def unmasked(scores, kept, k, factor):
    return by_running_counts(
        scores,
        kept,
        k,
        factor,
        finish=lambda full, seated: full * kept[:, None],
    )


def severed(*inputs):
    return by_running_counts(
        *inputs,
        weigh=lambda scores, best: scores.gather(-1, best).softmax(-1).data,
    )


def test_running_counts_are_right():
    assert SEAT.diagnose(by_running_counts) is None


@pytest.mark.parametrize(
    ("answer", "name", "parts"),
    [
        (
            by_topk,
            "of equal scores the later expert",
            ["room", "full", "gradients"],
        ),
        (by_token, "seated token by token", ["room"]),
        (by_round_anew, "counts that begin anew with each round", ["room"]),
        (counted_from_1, "slots counted from 1", []),
        (one_seat_more, "one token too many", []),
        (cut_off, "a room rounded down", []),
        (
            room_of_all,
            "padding that makes room",
            ["room", "full"],
        ),
        (room_of_one_choice, "a room without k", ["room"]),
        (even_room, "the factor ignored", []),
        (without_limit, "nobody refused", []),
        (
            seats_for_padding,
            "padding that is seated",
            ["room", "full"],
        ),
        (softmax_first, "weights over all experts", []),
        (sigmoids, "sigmoid in place of softmax", []),
        (
            exponentials,
            "exponentials that overflow",
            ["room", "full", "gradients"],
        ),
        (made_whole, "weights divided again", ["room"]),
        (unmasked, "weights of refused choices", []),
        (
            severed,
            "no gradient through the weights",
            ["room", "full", "padding"],
        ),
    ],
)
def test_seats_are_told_by_what_they_do(answer, name, parts):
    assert named(SEAT, answer) == name
    assert set(parts_of(SEAT, answer)) <= set(parts)


# -- a balance loss ----------------------------------------------------------


def layer_by_layer(
    layers,
    biases,
    kept,
    k,
    ranked=lambda scores, bias: scores.softmax(-1) + bias,
    probability=lambda scores, bias: scores.softmax(-1),
    count=lambda chosen, kept, k: chosen[kept].sum(0) / (kept.sum() * k),
    mean=lambda probability, kept: probability[kept].mean(0),
    loss=lambda f, P: len(f) * f @ P,
    reduce=lambda losses: torch.stack(losses).mean(),
):
    """The loss with a sum of one-hot choices, layer by layer."""
    losses = []
    for scores, bias in zip(layers, biases, strict=True):
        index = ranked(scores, bias).topk(k, dim=-1).indices
        chosen = torch.zeros_like(scores).scatter(1, index, 1.0)
        P = mean(probability(scores, bias), kept)
        losses.append(loss(count(chosen, kept, k), P))
    return reduce(losses)


def added_up(*inputs):
    return layer_by_layer(*inputs, reduce=sum)


def of_the_last(*inputs):
    return layer_by_layer(*inputs, reduce=lambda losses: losses[-1])


def of_the_first(*inputs):
    return layer_by_layer(*inputs, reduce=lambda losses: losses[0])


def without_bias(*inputs):
    return layer_by_layer(
        *inputs, ranked=lambda scores, bias: scores.softmax(-1)
    )


def bias_below_softmax(*inputs):
    return layer_by_layer(*inputs, ranked=lambda scores, bias: scores + bias)


def bias_leaks(*inputs):
    return layer_by_layer(
        *inputs, probability=lambda scores, bias: (scores + bias).softmax(-1)
    )


def bias_added_after(*inputs):
    return layer_by_layer(
        *inputs, probability=lambda scores, bias: scores.softmax(-1) + bias
    )


def padding_chooses(*inputs):
    return layer_by_layer(
        *inputs,
        count=lambda chosen, kept, k: chosen.sum(0) / (len(kept) * k),
    )


def padding_is_averaged(*inputs):
    return layer_by_layer(
        *inputs, mean=lambda probability, kept: probability.mean(0)
    )


def padding_in_both(*inputs):
    return layer_by_layer(
        *inputs,
        count=lambda chosen, kept, k: chosen.sum(0) / (len(kept) * k),
        mean=lambda probability, kept: probability.mean(0),
    )


def not_by_k(*inputs):
    return layer_by_layer(
        *inputs, count=lambda chosen, kept, k: chosen[kept].mean(0)
    )


def counts(*inputs):
    return layer_by_layer(
        *inputs, count=lambda chosen, kept, k: chosen[kept].sum(0)
    )


def without_experts(*inputs):
    return layer_by_layer(*inputs, loss=lambda f, P: f @ P)


def by_mean(*inputs):
    return layer_by_layer(*inputs, loss=lambda f, P: (f * P).mean())


def f_twice(*inputs):
    return layer_by_layer(*inputs, loss=lambda f, P: len(f) * f @ f)


def mean_twice(*inputs):
    return layer_by_layer(*inputs, loss=lambda f, P: len(f) * P @ P)


def turned_round(*inputs):
    return layer_by_layer(*inputs, loss=lambda f, P: -len(f) * f @ P)


def cut_loose(*inputs):
    return layer_by_layer(*inputs).detach()


def all_together(layers, biases, kept, k):
    E = layers[0].shape[1]
    probability = torch.cat([scores[kept].softmax(-1) for scores in layers])
    moved = [
        scores[kept].softmax(-1) + bias
        for scores, bias in zip(layers, biases, strict=True)
    ]
    index = torch.cat(moved).topk(k, dim=-1).indices
    f = torch.bincount(index.flatten(), minlength=E) / index.numel()
    return E * f @ probability.mean(0)


def test_a_loss_layer_by_layer_is_right():
    assert BALANCE.diagnose(layer_by_layer) is None


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (added_up, "a sum over layers"),
        (of_the_last, "the last layer alone"),
        (of_the_first, "the first layer alone"),
        (without_bias, "a choice without the bias"),
        (bias_below_softmax, "a bias added to the scores"),
        (bias_leaks, "a bias in the probability"),
        (bias_added_after, "a bias added to P"),
        (padding_chooses, "padding counted in f"),
        (padding_is_averaged, "padding averaged in P"),
        (padding_in_both, "padding counted as load"),
        (not_by_k, "a load that sums to k"),
        (counts, "a count in place of a share"),
        (without_experts, "the factor E missing"),
        (by_mean, "a mean over experts"),
        (f_twice, "counts used twice"),
        (mean_twice, "probabilities used twice"),
        (turned_round, "a sign that rewards imbalance"),
        (cut_loose, "a loss without a gradient"),
        (all_together, "layers joined before counting"),
    ],
)
def test_losses_are_told_by_what_they_do(answer, name):
    assert named(BALANCE, answer) == name
    assert parts_of(BALANCE, answer) == ["two", "four"]
