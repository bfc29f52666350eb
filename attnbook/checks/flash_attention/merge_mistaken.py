"""Pieces of attention merged, with a mistake."""

from __future__ import annotations

import torch

_LN_2 = 0.6931471805599453
_BY_SOFTMAX = (
    "sink in the lse alone",
    "sink in the lse alone, bare",
    "share of the sink",
    "logarithms of shares",
    "lse overflows",
    "shares to the base 2",
    "shares to the base 2, turned round",
    "divided by pieces",
    "over the batch",
    "sink twice",
    "sink of value 1",
    "mean times the share",
    "lse of the shares",
    "sum of all lses",
    "lses severed",
    "all severed",
)
_GATED = (
    "gate without care",
    "gate with NaN gradients",
    "gate with NaN gradients, by where",
    "gate turned round",
    "gate by the sink alone",
)
_FLOORS = {"floor -100": -100.0, "floor -300": -300.0, "floor -305": -305.0}


def _by_softmax(outputs, lses, every, mistake):
    """Right but for the mistake: a softmax, and logsumexp."""
    if mistake == "lses severed":
        every = torch.cat([lses.detach(), every[-1:]])
    elif mistake == "all severed":
        every = every.detach()
    shares, lse = every.softmax(0)[:-1], every.logsumexp(0)
    if mistake == "sink in the lse alone":
        shares = lses.softmax(0).nan_to_num()
    elif mistake == "sink in the lse alone, bare":
        shares = lses.softmax(0)
    elif mistake == "share of the sink":
        shares = every.softmax(0)[1:]
    elif mistake == "logarithms of shares":
        shares = every.log_softmax(0)[:-1]
    elif mistake == "lse overflows":
        lse = every.exp().sum(0).log()
    elif mistake == "shares to the base 2":
        shares = (every * _LN_2).softmax(0)[:-1]
    elif mistake == "shares to the base 2, turned round":
        shares = (every / _LN_2).softmax(0)[:-1]
    elif mistake == "divided by pieces":
        shares = shares / len(outputs)
    elif mistake == "over the batch":
        shares = every.softmax(1)[:-1]
    elif mistake == "sink twice":
        lse = torch.logaddexp(lse, every[-1])
    elif mistake == "sink of value 1":
        outputs = outputs + 0 * shares[..., None]
        whole = (shares[..., None] * outputs).sum(0)
        return whole + (1 - shares.sum(0))[..., None], lse
    elif mistake == "mean times the share":
        return outputs.mean(0) * shares.sum(0)[..., None], lse
    elif mistake == "lse of the shares":
        lse = (every - every.amax(0)).exp().sum(0).log()
    elif mistake == "sum of all lses":
        lse = every.sum(0)
    return (shares[..., None] * outputs).sum(0), lse


def _by_a_gate(outputs, lses, sink, mistake):
    """The pieces merged without the sink, then a gate."""
    column = sink[:, None].expand_as(lses[0])
    shares, lse = lses.softmax(0), lses.logsumexp(0)
    gate = torch.sigmoid(lse - column)
    if mistake == "gate turned round":
        gate = torch.sigmoid(column - lse)
    elif mistake == "gate by the sink alone":
        gate = torch.sigmoid(-column)
    if mistake not in (
        "gate without care",
        "gate with NaN gradients, by where",
    ):
        shares = shares.nan_to_num(0.0)
    output = gate[..., None] * (shares[..., None] * outputs).sum(0)
    whole = torch.logaddexp(lse, column)
    if mistake == "gate with NaN gradients, by where":
        none = lse == -torch.inf
        output = torch.where(none[..., None], 0.0, output)
        whole = torch.where(none, column, whole)
    return output, whole


def mistaken(outputs, lses, sink, mistake):
    """Output and log-sum-exp, with a mistake."""
    if mistake in _GATED:
        return _by_a_gate(outputs, lses, sink, mistake)
    if mistake == "sink on the queries":
        T = lses.shape[-1]
        column = sink.repeat(T)[:T].expand(1, *lses.shape[1:])
    elif mistake == "sink of head 0":
        column = sink[:1].expand(1, *lses.shape[1:])
    elif mistake == "sinks reversed":
        column = sink.flip(0)[None, None, :, None]
        column = column.expand(1, *lses.shape[1:])
    elif mistake == "sink of the sum":
        column = sink.sum().expand(1, *lses.shape[1:])
    elif mistake == "sink of the mean":
        column = sink.mean().expand(1, *lses.shape[1:])
    else:
        column = sink[None, None, :, None].expand(1, *lses.shape[1:])
    if mistake in ("sink as a sum", "sink as a sum, guarded"):
        column = column.clamp(min=1e-9).log()
    elif mistake == "sink exponentiated":
        column = column.exp()
    elif mistake == "sink of 0":
        column = 0 * column
    elif mistake == "sink to the base 2":
        column = column * 0.6931471805599453
    if mistake == "empty is 0":
        lses = lses.masked_fill(lses == -torch.inf, 0)
    elif mistake == "empty is -100":
        lses = lses.clamp(min=-100.0)
    every = torch.cat([lses, column])
    if mistake in _FLOORS:
        every = every.clamp(min=_FLOORS[mistake])
    if mistake in _BY_SOFTMAX:
        return _by_softmax(outputs, lses, every, mistake)
    if mistake == "no sink":
        every = torch.cat([lses, torch.full_like(column, -torch.inf)])
    elif mistake == "sink for each piece":
        parts = torch.logaddexp(lses, column.expand_as(lses))
        shares = (lses - parts.logsumexp(0)).exp()
        output = (shares[..., None] * outputs).sum(0)
        return output, parts.logsumexp(0)
    elif mistake == "base 2":
        every = every * 0.6931471805599453
    elif mistake == "logsigmoid as sum":
        every = torch.cat([lses, -column])
    most = every.amax(0)
    if mistake == "one maximum":
        most = every.max().expand_as(most)
    elif mistake == "overflow":
        most = torch.zeros_like(most)
    elif mistake == "maximum without the sink":
        most = lses.amax(0)
    elif mistake == "maximum of the first piece":
        most = lses[0]
    elif mistake in ("no sink", "nan"):
        most = every[:-1].amax(0) if mistake == "nan" else most
    base = most
    if mistake == "no sink":
        base = most.masked_fill(most == -torch.inf, 0)
    powers = (every - base).exp()
    total = powers.sum(0)
    shares = powers / total.masked_fill(total == 0, 1)
    if mistake in (
        "overflow",
        "nan",
        "maximum without the sink",
        "maximum of the first piece",
    ):
        shares = powers / total
    shares = shares[:-1]
    lse = base + total.log()
    return _merged(outputs, lses, shares, lse, sink, column[0], mistake)


def _merged(outputs, lses, shares, lse, sink, column, mistake):
    if mistake == "plain mean":
        shares = torch.full_like(shares, 1 / len(outputs))
    elif mistake == "mean of what is there":
        there = (lses > -torch.inf).float()
        shares = there / there.sum(0).clamp(min=1)
    elif mistake == "plain sum":
        shares = torch.ones_like(shares)
    elif mistake == "shares by the numbers":
        safe = lses.masked_fill(lses == -torch.inf, 0)
        shares = safe / (safe.sum(0) + column)
    elif mistake == "shares turned round":
        shares = shares.flip(0)
    elif mistake == "without dividing":
        shares = (lses - lses.amax(0).masked_fill(lse == -torch.inf, 0)).exp()
        shares = shares.nan_to_num()
    elif mistake == "over the heads":
        every = torch.cat([lses, column[None]])
        shares = every.softmax(2)[:-1].nan_to_num()
    elif mistake == "over the queries":
        every = torch.cat([lses, column[None]])
        shares = every.softmax(3)[:-1].nan_to_num()
    elif mistake == "largest piece":
        best = lses.argmax(0, keepdim=True)
        shares = torch.zeros_like(shares).scatter(0, best, 1.0)
    elif mistake == "gate of the sum":
        gate = torch.sigmoid(lses - column)
        shares = gate / len(outputs)
    elif mistake == "sink gate turned round":
        shares = shares * 0 + (column - lse).exp() / len(outputs)
    elif mistake == "shares severed":
        shares = shares.detach()
    elif mistake == "outputs severed":
        outputs = outputs.detach()
    output = (shares[..., None] * outputs).sum(0)
    if mistake == "output severed":
        return output.detach(), lse
    if mistake == "sink subtracted":
        return output - sink[:, None, None], lse
    if mistake == "sink severed":
        return mistaken(outputs, lses, sink.detach(), "")
    if mistake == "lse severed":
        return output, lse.detach()
    if mistake == "lse without the sink":
        safe = lses.amax(0).masked_fill((lses == -torch.inf).all(0), 0)
        lse = safe + (lses - safe).exp().sum(0).log()
    elif mistake == "mean of the lses":
        lse = lses.mean(0)
    elif mistake == "sum of the lses":
        lse = lses.sum(0)
    elif mistake == "largest lse":
        lse = torch.maximum(lses.amax(0), column)
    elif mistake == "sum of exponentials":
        lse = lse.exp()
    elif mistake == "lse to the base 2":
        lse = lse / 0.6931471805599453
    elif mistake == "exchanged":
        return lse, output
    return output, lse
