"""Drafts accepted, with a mistake."""

from __future__ import annotations

import torch


def _probabilities(target, draft, temperature, mistake):
    if mistake == "logits":
        return target, draft
    if mistake == "exponentials":
        powers = [(x / temperature).exp() for x in (target, draft)]
        return [x / x.sum(-1, keepdim=True) for x in powers]
    if mistake == "over the drafts":
        return [(x / temperature).softmax(1) for x in (target, draft)]
    if mistake == "temperature last":
        return [x.softmax(-1) ** (1 / temperature) for x in (target, draft)]
    if mistake == "logarithms":
        return [(x / temperature).log_softmax(-1) for x in (target, draft)]
    if mistake == "over the rows":
        return [(x / temperature).softmax(0) for x in (target, draft)]
    hot, cold = {
        "draft at 1": (temperature, 1.0),
        "target at 1": (1.0, temperature),
        "no temperature": (1.0, 1.0),
        "multiplied": (1 / temperature, 1 / temperature),
        "draft multiplied": (temperature, 1 / temperature),
        "target multiplied": (1 / temperature, temperature),
    }.get(mistake, (temperature, temperature))
    p, q = (target / hot).softmax(-1), (draft / cold).softmax(-1)
    if mistake == "p and q exchanged":
        G = q.shape[1]
        return torch.cat([q, p[:, G:]], 1), p[:, :G]
    if mistake == "one step late":
        return torch.cat([p[:, 1:], p[:, -1:]], 1), q
    return p, q


def _good(p, q, drafted, counts, numbers, mistake):
    """Which drafts pass their own test, (B, G)."""
    G = drafted.shape[1]
    at_p, at_q = (
        x[:, :G].gather(-1, drafted[..., None])[..., 0] for x in (p, q)
    )
    if mistake == "ratio one step late":
        at_p = p[:, 1:].gather(-1, drafted[..., None])[..., 0]
    if mistake.startswith("one number"):
        numbers = numbers[:, :1].expand_as(numbers)
    elif mistake == "last number":
        numbers = numbers[:, -1:].expand_as(numbers)
    elif mistake == "numbers of row 0":
        numbers = numbers[:1].expand_as(numbers)
    good = {
        "argmax": drafted == p[:, :G].argmax(-1),
        "argmax of both": q.argmax(-1) == p[:, :G].argmax(-1),
        "more probable": at_p >= at_q,
        "without q": numbers < at_p,
        "one minus": numbers < 1 - at_p / at_q,
        "above": numbers >= at_p / at_q,
        "upside down": numbers < at_q / at_p,
        "difference": numbers < at_p - at_q,
        "product": numbers < at_p * at_q,
        "smaller of both": numbers < torch.minimum(at_p, at_q),
        "with q": numbers < at_q,
        "one minus the other": numbers < 1 - at_q / at_p,
        "draft's best": drafted == q.argmax(-1),
        "own numbers": torch.rand(drafted.shape) < at_p / at_q,
        "without numbers": at_p / at_q > 0.5,
        "everything": torch.ones_like(drafted, dtype=torch.bool),
        "product of ratios": numbers < (at_p / at_q).cumprod(-1),
        "product of capped ratios": numbers
        < (at_p / at_q).clamp(max=1).cumprod(-1),
        "epsilon": numbers < at_p / (at_q + 0.01),
        "tiny epsilon": numbers < at_p / (at_q + 1e-9),
        "at least": numbers <= at_p / at_q,
        "overlap": numbers < torch.minimum(p[:, :G], q).sum(-1),
    }.get(mistake, numbers < at_p / at_q)
    if mistake.startswith("padding tried"):
        return good
    if mistake == "no parentheses":
        return numbers < at_p / at_q & (torch.arange(G) < counts[:, None])
    if mistake == "one draft too many":
        return good & (torch.arange(G) <= counts[:, None])
    return good & (torch.arange(G) < counts[:, None])


def _accepted_of(good, counts, mistake):
    G = good.shape[1]
    if mistake == "every good one":
        return good.sum(-1)
    if mistake == "every good one, last rest":
        return good.sum(-1)
    if mistake == "argmin":
        return good.int().argmin(-1)
    if mistake == "last good one":
        places = torch.arange(1, G + 1) * good
        return places.max(-1).values
    accepted = good.long().cumprod(-1).sum(-1)
    if mistake == "shortest of the batch":
        return accepted.min().expand_as(accepted)
    if mistake == "and the rejected":
        return torch.minimum(accepted + 1, counts)
    if mistake == "and the next":
        return accepted + 1
    if mistake == "all or none":
        return torch.where(accepted == counts, counts, 0)
    if mistake == "place of the last":
        return accepted - 1
    return accepted


def _rest_of(p, q, drafted, accepted, counts, mistake):
    B, G = drafted.shape
    rows = torch.arange(B)
    if mistake == "index too large":
        q[rows, accepted]
    here = p[rows, accepted.clamp(0, G)]
    if mistake == "one place on":
        here = p[rows, (accepted + 1).clamp(max=G)]
    there = q[rows, accepted.clamp(0, G - 1)]
    at = drafted[rows, accepted.clamp(0, G - 1)][:, None]
    positive = (here - there).clamp(min=0)
    rest = {
        "from p": here,
        "from q": there,
        "absolute": (here - there).abs(),
        "larger": torch.maximum(here, there),
        "p divided": here / (1 - here.gather(1, at)),
        "small bound": (here - there).clamp(min=1e-3),
        "difference of logarithms": (here.log() - there.log())
        .clamp(min=0)
        .nan_to_num(0, 0, 0),
        "ratio of both": (here / there).softmax(-1),
        "not cut": here - there,
        "turned round": (there - here).clamp(min=0),
        "without the rejected": here.scatter(1, at, 0.0),
        "mean": (here + there) / 2,
        "ratio": (here / there).nan_to_num(0, 0, 0),
        "softmax": positive.softmax(-1),
        "smaller": torch.minimum(here, there),
        "greedy": torch.zeros_like(here).scatter(
            1, positive.argmax(-1, keepdim=True), 1.0
        ),
        "positive where p is larger": here * (here > there),
        "squares": (here - there) ** 2,
        "positive squares": positive**2,
        "q of the first": (here - q[:, 0]).clamp(min=0),
        "times what q leaves": here * (1 - there),
        "one place back": (
            p[rows, (accepted - 1).clamp(0, G)]
            - q[rows, (accepted - 1).clamp(0, G - 1)]
        ).clamp(min=0),
        "p one further": (p[rows, (accepted + 1).clamp(0, G)] - there).clamp(
            min=0
        ),
        "first place": (p[:, 0] - q[:, 0]).clamp(min=0),
    }.get(mistake, positive)
    if mistake == "one place back, both":
        back = (accepted - 1).clamp(min=0)
        here = p[rows, back]
        positive = (here - q[rows, back.clamp(max=G - 1)]).clamp(min=0)
        rest = positive
    full = accepted >= counts
    if mistake == "cases exchanged":
        full = ~full
    elif mistake == "if any":
        full = full.all().expand(B)
    end = {
        "padded end": p[:, -1],
        "padding tried, padded end": p[:, -1],
        "p before": p[rows, (accepted - 1).clamp(min=0)],
        "p before, of a full row": p[rows, accepted.clamp(0, G - 1)],
        "end cut too": torch.where((accepted < G)[:, None], positive, here),
        "uniform end": torch.ones_like(here),
        "q at the end": there,
    }.get(mistake, here)
    if mistake == "padding tried, counted end":
        full, end = accepted >= G, p[rows, counts]
    elif mistake in ("full is all columns", "padding tried, all columns"):
        full = accepted >= G
    rest = torch.where(full[:, None], end, rest)
    if mistake == "divided by all rows":
        return rest / rest.sum()
    if mistake == "not divided":
        return rest
    if mistake == "divided by one":
        return rest / rest.sum(-1, keepdim=True).clamp(min=1)
    return rest / rest.sum(-1, keepdim=True)


def _of_logits(target, draft, p, accepted, counts, softmax=False):
    """What is left after a rejection, from a difference of logits."""
    rows = torch.arange(len(p))
    gap = target[rows, accepted]
    gap = gap - draft[rows, accepted.clamp(max=draft.shape[1] - 1)]
    rest = gap.softmax(-1) if softmax else gap.clamp(min=0)
    rest = torch.where((accepted < counts)[:, None], rest, p[rows, accepted])
    return rest / rest.sum(-1, keepdim=True)


def mistaken(target, draft, drafted, counts, numbers, temperature, mistake):
    """The same with a mistake."""
    p, q = _probabilities(target, draft, temperature, mistake)
    good = _good(p, q, drafted, counts, numbers, mistake)
    accepted = _accepted_of(good, counts, mistake)
    if mistake == "every good one, last rest":
        # The loop goes on after a rejection, and the last one stays.
        last = (
            (~good) & (torch.arange(good.shape[1]) < counts[:, None])
        ).long()
        places = torch.arange(1, good.shape[1] + 1) * last
        failed = places.max(-1).values
        where = torch.where(failed > 0, failed - 1, counts)
        return accepted, _rest_of(p, q, drafted, where, counts, "")
    if mistake == "every good one, first rest":
        first = _accepted_of(good, counts, "")
        return good.sum(-1), _rest_of(p, q, drafted, first, counts, "")
    rest = _rest_of(p, q, drafted, accepted, counts, mistake)
    if mistake == "rest without temperature":
        hot = target.softmax(-1), draft.softmax(-1)
        rejected = _rest_of(*hot, drafted, accepted, counts, "")
        return accepted, torch.where(
            (accepted < counts)[:, None], rejected, rest
        )
    if mistake == "zeros without drafts":
        return accepted, rest * (counts > 0)[:, None]
    if mistake == "logits subtracted":
        return accepted, _of_logits(target, draft, p, accepted, counts)
    if mistake == "softmax of logits":
        cut = _of_logits(target, draft, p, accepted, counts, softmax=True)
        return accepted, cut
    if mistake == "drafted":
        return drafted, rest
    if mistake == "one more is counted":
        accepted = accepted + 1
    elif mistake == "one less is counted":
        accepted = accepted - 1
    elif mistake == "any":
        accepted = (accepted > 0).long()
    elif mistake == "sum of the batch":
        accepted = accepted.sum().expand_as(accepted)
    elif mistake == "rejections":
        accepted = counts - accepted
    elif mistake == "share":
        accepted = accepted / counts.clamp(min=1)
    elif mistake == "a mask":
        return good.long().cumprod(-1), rest
    elif mistake == "a token":
        return accepted, rest.argmax(-1)
    elif mistake == "the logarithm":
        return accepted, rest.log()
    elif mistake == "exchanged":
        return rest, accepted
    return accepted, rest
