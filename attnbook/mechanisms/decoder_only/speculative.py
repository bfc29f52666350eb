"""Speculative decoding: a draft proposes, the model checks in one pass.

Leviathan, Kalman and Matias (2023), algorithm 1; Chen et al. (2023),
algorithm 2. What is written has the distribution of the model alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from attnbook.mechanisms.decoder_only.cache import Cache
from attnbook.mechanisms.decoder_only.model import DecoderOnly
from attnbook.mechanisms.decoder_only.sampling import drawn_from
from attnbook.mechanisms.shapes import require

Draft = Callable[[list[int]], Tensor]
Verify = Callable[
    [Tensor, Tensor, Tensor, "torch.Generator | None"], tuple[int, int]
]


class Pass(NamedTuple):
    """What one pass of the model gave: the new tokens, how many drafted.

    The first `accepted` of `tokens` were proposed by the draft, the last
    was drawn after them. `judged` counts the proposals up to the first that
    was rejected.
    """

    tokens: list[int]
    accepted: int
    judged: int


def accepted(p: Tensor, q: Tensor, drafted: Tensor, uniforms: Tensor) -> int:
    """How many proposals are accepted, from the first to the first rejected.

    Leviathan et al. (2023), section 2.3: proposal x is accepted with
    probability min(1, p(x) / q(x)).

    Args:
        p: (γ, V) or (γ + 1, V), the model's probabilities at each proposal.
        q: (γ, V), those of the draft, from which the proposals were drawn.
        drafted: (γ,), the proposals.
        uniforms: (γ,), each from 0 up to 1.

    Raises:
        ValueError: if a shape does not fit.
    """
    _check(p, q, drafted)
    at = torch.arange(len(drafted), device=drafted.device)
    # u < p / q, without dividing by a probability that may be 0.
    keep = uniforms * q[at, drafted] < p[at, drafted]  # (γ,)
    return int(keep.long().cumprod(0).sum())


def residual(p: Tensor, q: Tensor) -> Tensor:
    """What the draft proposes too rarely: (p − q)₊, scaled to sum to 1.

    Leviathan et al. (2023), section 2.3. After a rejection the next token
    comes from here. Where p and q are equal nothing is ever rejected, and p
    is returned.

    Args:
        p: (..., V), the model's probabilities.
        q: (..., V), those of the draft.
    """
    rest = (p - q).clamp(min=0)
    total = rest.sum(-1, keepdim=True)
    return torch.where(total > 0, rest / total.where(total > 0, 1), p)


def verify(
    p: Tensor,
    q: Tensor,
    drafted: Tensor,
    generator: torch.Generator | None = None,
) -> tuple[int, int]:
    """Judge the proposals, and draw the token that follows.

    Args:
        p: (γ + 1, V), the model's probabilities at each proposal, and after
            the last.
        q: (γ, V), those of the draft.
        drafted: (γ,), the proposals.
        generator: where chance comes from.

    Returns:
        How many are accepted, and the next token: from `residual` at the
        rejected one, or from p after all of them.

    Raises:
        ValueError: if a shape does not fit.
    """
    gamma = len(drafted)
    uniforms = torch.rand(gamma, dtype=p.dtype, generator=generator)
    n = accepted(p, q, drafted, uniforms)
    after = p[n] if n == gamma else residual(p[n], q[n])  # (V,)
    return n, int(drawn_from(after, generator))


@torch.no_grad()
def passes(
    target: DecoderOnly,
    draft: Draft,
    prompt: Sequence[int],
    gamma: int | Iterator[int],
    generator: torch.Generator | None = None,
    adjust: Callable[[Tensor], Tensor] | None = None,
    verify: Verify = verify,
) -> Iterator[Pass]:
    """Continue a prompt without end, a pass of the model at a time.

    Args:
        target: the model that is to be sampled from.
        draft: from all ids so far to its probabilities of the next (V,).
        prompt: ids, at least one.
        gamma: γ, proposals in a pass; 0 is ordinary decoding. An iterator
            says it for each pass anew.
        generator: where chance comes from.
        adjust: from the target's logits to logits, such as a temperature;
            nothing if left out. The draft sees to its own.
        verify: the rule by which proposals are judged.

    Yields:
        What each pass gave. It ends where the model can read no further.

    Raises:
        ValueError: if the prompt is empty, γ is negative, or the draft has
            another vocabulary.
    """
    ids = list(prompt)
    if not ids:
        raise ValueError("prompt is empty; expected at least one token")
    cache = Cache(target, 1)
    device = cache.lengths.device
    while len(ids) <= target.longest:
        wanted = gamma if isinstance(gamma, int) else next(gamma, None)
        if wanted is None:
            return
        if wanted < 0:
            raise ValueError(f"gamma is {wanted}; expected 0 or more")
        wanted = min(wanted, target.longest - len(ids))
        q, drafted = _propose(draft, ids, wanted, target, generator)
        unread = ids[int(cache.lengths) :] + drafted.tolist()
        logits, _ = target(torch.tensor([unread], device=device), cache)
        logits = logits[0, -wanted - 1 :]  # (γ + 1, V)
        if adjust is not None:
            logits = adjust(logits)
        p = logits.double().softmax(-1).cpu()
        n, following = verify(p, q, drafted, generator)
        tokens = [*drafted[:n].tolist(), following]
        ids += tokens
        cache.rewind(len(ids) - 1)  # what was rejected, and the last token
        yield Pass(tokens, n, min(n + 1, wanted))


def speculate(
    target: DecoderOnly,
    draft: Draft,
    prompt: Sequence[int],
    count: int,
    gamma: int,
    generator: torch.Generator | None = None,
    adjust: Callable[[Tensor], Tensor] | None = None,
) -> tuple[list[int], int]:
    """Continue a prompt by `count` tokens, drawn from the target.

    Args:
        target: the model that is to be sampled from.
        draft: as in `passes`.
        prompt: ids, at least one.
        count: tokens to write.
        gamma: γ, proposals in a pass, at most; never more than are wanted.
        generator: where chance comes from.
        adjust: as in `passes`.

    Returns:
        The new ids, and the number of passes of the target.

    Raises:
        ValueError: as `passes`; if count is less than 1; or if a row becomes
            longer than the model reads.
    """
    if count < 1:
        raise ValueError(f"count is {count}; expected at least 1")
    if gamma < 0:
        raise ValueError(f"gamma is {gamma}; expected 0 or more")
    if len(prompt) + count - 1 > target.longest:
        raise ValueError(
            f"{len(prompt) + count - 1} tokens would be read; the model "
            f"reads at most {target.longest}, its `longest`"
        )
    written: list[int] = []

    def proposals() -> Iterator[int]:
        while len(written) < count:
            yield min(gamma, count - len(written) - 1)

    number = 0
    for one in passes(target, draft, prompt, proposals(), generator, adjust):
        written += one.tokens
        number += 1
    return written, number


def tokens_per_pass(acceptance: float, gamma: int) -> float:
    """Tokens that a pass gives on average: (1 − α^(γ+1)) / (1 − α).

    Leviathan et al. (2023), equation 1. It takes each proposal to be
    accepted with the same probability, independently of the others.

    Args:
        acceptance: α, from 0 to 1.
        gamma: γ, proposals in a pass.

    Raises:
        ValueError: if α is out of range or γ negative.
    """
    if not 0 <= acceptance <= 1 or gamma < 0:
        raise ValueError(
            f"acceptance is {acceptance} and gamma {gamma}; expected a "
            "probability, and 0 or more"
        )
    return sum(acceptance**i for i in range(gamma + 1))


def _propose(draft, ids, gamma, target, generator) -> tuple[Tensor, Tensor]:
    """Draw γ tokens from the draft: its probabilities (γ, V), ids (γ,)."""
    context, q, drafted = list(ids), [], []
    for _ in range(gamma):
        probabilities = torch.as_tensor(draft(context)).double()  # (V,)
        require(
            probabilities.shape == (target.vocabulary,),
            "draft",
            probabilities.shape,
            f"({target.vocabulary},), the vocabulary of the target",
        )
        q.append(probabilities)
        drafted.append(int(drawn_from(probabilities, generator)))
        context.append(drafted[-1])
    if not q:
        q = torch.zeros(0, target.vocabulary, dtype=torch.float64)
        return q, torch.zeros(0, dtype=torch.long)
    return torch.stack(q), torch.tensor(drafted)


def _check(p: Tensor, q: Tensor, drafted: Tensor) -> None:
    """Raise a ValueError that names the first argument of wrong shape."""
    gamma = len(drafted)
    require(drafted.ndim == 1, "drafted", drafted.shape, "(γ,)")
    require(
        q.ndim == 2 and len(q) == gamma,
        "q",
        q.shape,
        f"({gamma}, V), one row for each proposal",
    )
    V = q.shape[-1]
    require(
        p.ndim == 2 and len(p) >= gamma and p.shape[-1] == V,
        "p",
        p.shape,
        f"({gamma}, {V}) or ({gamma + 1}, {V})",
    )
