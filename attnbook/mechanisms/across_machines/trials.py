"""Each way to split a model, beside the same on one rank.

A trial is a small problem of 64-bit numbers. Every rank also computes it
alone, and compares its part of outputs, loss and gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.mechanisms.across_machines import costs
from attnbook.mechanisms.across_machines.by_heads import attention_by_heads
from attnbook.mechanisms.across_machines.collectives import (
    all_gather,
    all_reduce,
)
from attnbook.mechanisms.across_machines.data_parallel import (
    backward_of_token_mean,
    require_same,
    sum_gradients,
)
from attnbook.mechanisms.across_machines.expert_parallel import (
    mixed_by_experts,
    top_gates,
)
from attnbook.mechanisms.across_machines.group import Group
from attnbook.mechanisms.across_machines.layout import places
from attnbook.mechanisms.across_machines.ring import ring_attention
from attnbook.mechanisms.across_machines.sharded import ShardedOptimiser
from attnbook.mechanisms.across_machines.simulated import simulate
from attnbook.mechanisms.across_machines.tensor_parallel import (
    ParallelAttention,
    ParallelFeedForward,
)
from attnbook.mechanisms.decoder_only import DecoderOnly
from attnbook.mechanisms.multi_head import MultiHeadAttention
from attnbook.mechanisms.transformer.layers import FeedForward

COUNTS = (12, 3, 7, 1, 12, 2, 9, 5)  # tokens of each sentence that count
MOST = 0.1  # norm of the gradient
STEPS = 3
SIZE = 8  # bytes of a number


@dataclass(frozen=True)
class Compared:
    """A scheme on R ranks against one.

    Attributes:
        scheme: its name in `TRIALS`.
        ranks: R.
        loss: on one rank.
        loss_gap: the greatest difference of a loss or an output.
        gradient_gap: the same of a gradient, or of a weight after steps.
        sent: bytes by the rank that sent most.
        formula: what `costs` says of that rank.
    """

    scheme: str
    ranks: int
    loss: float
    loss_gap: float
    gradient_gap: float
    sent: int
    formula: int


@dataclass
class _Found:
    """What a trial knows on one rank, before the ranks are compared."""

    loss: Tensor
    outputs: list[tuple[Tensor, Tensor]]  # of this rank, of one alone
    gradients: list[tuple[Tensor, Tensor]]
    sent: int
    traffic: costs.Traffic


def compare(group: Group, scheme: str) -> Compared:
    """Run one scheme on all ranks and on each alone.

    Raises:
        ValueError: if there is no such scheme, or R does not divide 4.
    """
    if scheme not in TRIALS:
        raise ValueError(
            f"scheme is {scheme!r}; expected one of "
            + ", ".join(map(repr, TRIALS))
        )
    if 4 % group.size:
        raise ValueError(
            f"there are {group.size} ranks; the trials have 4 heads and 4 "
            "experts, expected 1, 2 or 4 ranks"
        )
    found = TRIALS[scheme](group, Drawn(group))
    gaps = [
        max(_gap(a, b) for a, b in pairs)
        for pairs in (found.outputs, found.gradients)
    ]
    mine = [*gaps, found.sent, found.traffic.sent]
    device = getattr(group, "device", None)
    of_all = all_gather(
        group, torch.tensor(mine, dtype=torch.double, device=device)
    )
    busiest = of_all[:, 2].argmax()
    return Compared(
        scheme,
        group.size,
        float(found.loss),
        *of_all[:, :2].amax(0).tolist(),
        *(int(x) for x in of_all[busiest, 2:]),
    )


def compare_simulated(scheme: str, ranks: int) -> Compared:
    """`compare` on a simulated group of R ranks."""
    # The layers are made with weights that are drawn, and drawn anew.
    with torch.random.fork_rng(devices=[]):
        return simulate(ranks, lambda group: compare(group, scheme))[0]


def _gap(a: Tensor, b: Tensor) -> float:
    return float((a - b).detach().abs().max()) if a.numel() else 0.0


class Drawn:
    """Random numbers that are the same on each rank.

    Args:
        group: the ranks; numbers are made where its tensors must be.
    """

    def __init__(self, group: Group, seed: int = 0):
        self.generator = torch.Generator().manual_seed(seed)
        self.device = getattr(group, "device", torch.device("cpu"))

    def numbers(self, *shape: int) -> Tensor:
        """From the normal distribution, of 64 bits."""
        drawn = torch.randn(*shape, generator=self.generator, dtype=float)
        return drawn.to(self.device)

    def ids(self, most: int, *shape: int) -> Tensor:
        """Integers below `most`."""
        drawn = torch.randint(most, shape, generator=self.generator)
        return drawn.to(self.device)

    def module(self, made: nn.Module) -> nn.Module:
        """The module with weights drawn anew."""
        made = made.double().to(self.device)
        for p in made.parameters():
            p.data = 0.3 * self.numbers(*p.shape)
        return made


def _data(group: Group, drawn: Drawn, shards_state: bool = False) -> _Found:
    """Sentences of unequal length, each on one rank."""

    def model() -> DecoderOnly:
        return Drawn(group).module(DecoderOnly(17, 16, 4, 2, max(COUNTS)))

    ids = drawn.ids(17, len(COUNTS), max(COUNTS) + 1)
    lengths = torch.tensor(COUNTS, device=ids.device)
    one, split = model(), model()
    adams = [_adam(one.parameters())]
    if shards_state:
        adams.append(ShardedOptimiser(group, split.parameters(), _adam, MOST))
    require_same(group, split.parameters())
    before = group.sent
    outputs = []
    for _ in range(STEPS if shards_state else 1):
        loss_sum, tokens = _loss(one, ids, lengths)
        one.zero_grad()
        (loss_sum / tokens).backward()
        mine = _loss(
            split, *(x.chunk(group.size)[group.rank] for x in (ids, lengths))
        )
        split.zero_grad()
        loss = backward_of_token_mean(group, *mine)
        outputs.append((loss, loss_sum.detach() / tokens))
        if shards_state:
            nn.utils.clip_grad_norm_(one.parameters(), MOST)
            adams[0].step()
            adams[1].step()
        else:
            sum_gradients(group, split.parameters())
    number = sum(p.numel() for p in one.parameters())
    sent = group.sent - before
    both = list(zip(split.parameters(), one.parameters(), strict=True))
    if shards_state:
        traffic = costs.sharded(number, group.size, SIZE) * STEPS
        return _Found(loss, outputs, both, sent, traffic)
    traffic = costs.data_parallel(number, group.size, SIZE)
    both = [(a.grad, b.grad) for a, b in both]
    return _Found(loss, outputs, both, sent, traffic)


def _adam(parameters) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, lr=1e-2)


def _loss(model: DecoderOnly, ids: Tensor, lengths: Tensor):
    """The sum of the losses of the tokens that count, and their number."""
    logits, _ = model(ids[:, :-1])
    place = torch.arange(logits.shape[1], device=ids.device)
    counts = place < lengths[:, None]  # (B, T)
    losses = F.cross_entropy(
        logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
    )
    return losses[counts.flatten()].sum(), counts.sum()


def _sharded(group: Group, drawn: Drawn) -> _Found:
    return _data(group, drawn, shards_state=True)


def _tensor(group: Group, drawn: Drawn) -> _Found:
    """Attention and a feed-forward network, each with a residual."""
    attention = drawn.module(MultiHeadAttention(16, 4))
    network = drawn.module(FeedForward(16, 32))
    x, slope = drawn.numbers(2, 6, 16), drawn.numbers(2, 6, 16)
    parts = [
        ParallelAttention(group, attention),
        ParallelFeedForward(group, network),
    ]
    one, split = x.clone().requires_grad_(), x.clone().requires_grad_()
    middle = one + attention(one, one, one, causal=True)[0]
    whole = middle + network(middle)
    (whole * slope).sum().backward()
    before = group.sent
    middle = split + parts[0](split)
    output = middle + parts[1](middle)
    (output * slope).sum().backward()
    sent = group.sent - before
    gradients = [(split.grad, one.grad)]
    for name, p in attention.named_parameters():
        if name == "output_projection.bias":
            gradients.append((parts[0].bias.grad, p.grad))
        else:
            dim = int(name == "output_projection.weight")
            mine = parts[0].get_parameter(name)
            gradients.append((mine.grad, _mine(group, p.grad, dim)))
    for name, p in network.named_parameters():
        if name == "narrow.bias":
            gradients.append((parts[1].bias.grad, p.grad))
        else:
            mine = parts[1].get_parameter(name)
            dim = int(name == "narrow.weight")
            gradients.append((mine.grad, _mine(group, p.grad, dim)))
    traffic = costs.tensor_parallel(12, 16, group.size, 2, SIZE)
    loss = (whole * slope).sum().detach()
    return _Found(loss, [(output, whole)], gradients, sent, traffic)


def _mine(group: Group, x: Tensor, dim: int = 0) -> Tensor:
    return x.chunk(group.size, dim)[group.rank]


def _experts(group: Group, drawn: Drawn) -> _Found:
    """Twenty-four tokens, unequally many on each rank, two of four experts."""
    R, n, D, E = group.size, 24, 8, 4
    x, slope = drawn.numbers(n, D), drawn.numbers(n, D)
    router = drawn.module(nn.Linear(D, E))
    experts = [drawn.module(FeedForward(D, 16)) for _ in range(E)]
    one = x.clone().requires_grad_()
    gates = top_gates(router(one), 2)
    whole = sum(
        gates[:, e, None] * expert(one) for e, expert in enumerate(experts)
    )
    (whole * slope).sum().backward()
    alone = [router.weight.grad.clone(), router.bias.grad.clone()]
    alone += [p.grad.clone() for e in experts for p in e.parameters()]
    router.zero_grad()
    for expert in experts:
        expert.zero_grad()
    rows = slice(n * group.rank**2 // R**2, n * (group.rank + 1) ** 2 // R**2)
    here = range(group.rank * E // R, (group.rank + 1) * E // R)
    before = group.sent
    split = x[rows].clone().requires_grad_()
    mine = top_gates(router(split), 2)
    output = mixed_by_experts(group, split, mine, [experts[e] for e in here])
    (output * slope[rows]).sum().backward()
    sent = group.sent - before
    sum_gradients(group, router.parameters())
    gradients = [(split.grad, one.grad[rows])]
    gradients += [
        (p.grad, q)
        for p, q in zip(router.parameters(), alone[:2], strict=True)
    ]
    for e in here:
        of_it = alone[2 + 4 * e : 6 + 4 * e]
        gradients += [
            (p.grad, q)
            for p, q in zip(experts[e].parameters(), of_it, strict=True)
        ]
    asked = (gates != 0).detach()
    elsewhere = torch.ones(E, dtype=torch.bool, device=x.device)
    elsewhere[list(here)] = False
    away = asked[rows][:, elsewhere].sum()
    back = asked[:, ~elsewhere].sum() - asked[rows][:, ~elsewhere].sum()
    traffic = costs.expert_parallel(int(away), int(back), D, E, R, SIZE)
    loss = (whole * slope).sum().detach()
    return _Found(loss, [(output, whole[rows])], gradients, sent, traffic)


def _sequence(group: Group, drawn: Drawn, scheme: str) -> _Found:
    """Causal attention with four heads over sixteen places."""
    B, H, n, d = 2, 4, 16, 3
    inputs = [drawn.numbers(B, H, n, d) for _ in range(3)]
    slope = drawn.numbers(B, H, n, d)
    one = [x.clone().requires_grad_() for x in inputs]
    whole = F.scaled_dot_product_attention(*one, is_causal=True)
    loss = (whole * slope).sum()
    loss.backward()
    by_heads = scheme == "heads"
    layout = "contiguous" if by_heads else scheme
    at = places(n, group.size, group.rank, layout).to(slope.device)
    split = [x[:, :, at].clone().requires_grad_() for x in inputs]
    before = group.sent
    if by_heads:
        output = attention_by_heads(group, *split)
        traffic = costs.attention_by_heads(B * n, H * d, group.size, SIZE)
    else:
        output = ring_attention(group, *split, layout=layout)
        traffic = costs.ring_attention(B * n, H * d, group.size, SIZE)
    (output * slope[:, :, at]).sum().backward()
    sent = group.sent - before
    gradients = [
        (a.grad, b.grad[:, :, at]) for a, b in zip(split, one, strict=True)
    ]
    outputs = [(output, whole[:, :, at])]
    mine = all_reduce(group, (output * slope[:, :, at]).sum())
    outputs.append((mine, loss))
    return _Found(loss.detach(), outputs, gradients, sent, traffic)


def _along(scheme: str) -> Callable[[Group, Drawn], _Found]:
    return lambda group, drawn: _sequence(group, drawn, scheme)


TRIALS: dict[str, Callable[[Group, Drawn], _Found]] = {
    "data": _data,
    "sharded": _sharded,
    "tensor": _tensor,
    "experts": _experts,
    "ring, contiguous": _along("contiguous"),
    "ring, zigzag": _along("zigzag"),
    "heads": _along("heads"),
}
