"""From logits to the next token: which candidates stay, and the draw.

Each rule takes logits (..., V) and returns logits (..., V), minus infinity
where a token is dropped. So they can follow one another. The temperature
comes first: top-p and min-p look at probabilities, which it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from attnbook.mechanisms.decoder_only.cache import Cache
from attnbook.mechanisms.decoder_only.model import DecoderOnly

Choose = Callable[[Tensor], Tensor]


def with_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Divide the logits: below 1 likely tokens gain, above 1 unlikely ones.

    Ackley, Hinton and Sejnowski (1985).

    Args:
        logits: (..., V).
        temperature: above 0; towards 0 only the likeliest token remains.

    Raises:
        ValueError: if the temperature is not above 0.
    """
    if not temperature > 0:
        raise ValueError(
            f"temperature is {temperature}; expected more than 0. For the "
            "likeliest token take logits.argmax(-1)"
        )
    return logits / temperature


def top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k likeliest tokens; of equal ones those of smaller id.

    Fan, Lewis and Dauphin (2018).

    Args:
        logits: (..., V).
        k: from 1; all tokens stay if it is V or more.

    Raises:
        ValueError: if k is less than 1.
    """
    if k < 1:
        raise ValueError(f"k is {k}; expected at least 1")
    order = logits.argsort(dim=-1, descending=True, stable=True)
    return _keep_first(logits, order, torch.arange(logits.shape[-1]) < k)


def top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the likeliest tokens, as many as it takes to reach p together.

    Holtzman et al. (2020), section 3.1: the smallest set whose probability
    is p or more. So the token that crosses p stays, and one token always
    does.

    Args:
        logits: (..., V).
        p: above 0, at most 1.

    Raises:
        ValueError: if p is out of range.
    """
    _require_share("p", p)
    sorted_logits, order = logits.sort(dim=-1, descending=True, stable=True)
    probability = sorted_logits.softmax(-1)  # (..., V)
    before = probability.cumsum(-1) - probability  # of those ahead of it
    return _keep_first(logits, order, before < p)


def min_p(logits: Tensor, p: float) -> Tensor:
    """Keep the tokens at least p times as probable as the likeliest one.

    Nguyen et al. (2025).

    Args:
        logits: (..., V).
        p: above 0, at most 1.

    Raises:
        ValueError: if p is out of range.
    """
    _require_share("p", p)
    probability = logits.softmax(-1)
    least = p * probability.amax(-1, keepdim=True)
    return logits.masked_fill(probability < least, -torch.inf)


def sample(logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw a token from softmax(logits) in each row: (..., V) to (...).

    It takes one uniform number for each row and looks where it falls among
    the running sums of the probabilities. A dropped token, with a logit of
    minus infinity, is never drawn.

    Raises:
        ValueError: if a row has no token left, or a logit is not a number.
    """
    if (logits.amax(-1) == -torch.inf).any() or logits.isnan().any():
        raise ValueError(
            "sample: a row of logits has no token left, or holds nan; "
            "expected at least one finite logit in each row"
        )
    return drawn_from(logits.softmax(-1), generator)


def drawn_from(
    probabilities: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Draw from probabilities (..., V): (...), integers.

    A row need not sum to 1 exactly: it is taken in proportion.
    """
    sums = probabilities.double().cumsum(-1)  # (..., V)
    uniform = torch.rand(
        (*sums.shape[:-1], 1),
        dtype=torch.float64,
        generator=generator,
        device=sums.device,
    )
    found = torch.searchsorted(sums, uniform * sums[..., -1:], right=True)
    return found.squeeze(-1).clamp(max=sums.shape[-1] - 1)


def chooser(
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
    k: int | None = None,
    p: float | None = None,
    least: float | None = None,
) -> Choose:
    """Sampling in one function, for `generate`: temperature, then the rest.

    Args:
        generator: where chance comes from.
        temperature: see `with_temperature`.
        k: see `top_k`; left out if None.
        p: see `top_p`; left out if None.
        least: the p of `min_p`; left out if None.

    Returns:
        A function from logits (..., V) to tokens (...).

    Raises:
        ValueError: when called, if one of them is out of range.
    """

    def choose(logits: Tensor) -> Tensor:
        logits = with_temperature(logits, temperature)
        for rule, value in ((top_k, k), (top_p, p), (min_p, least)):
            if value is not None:
                logits = rule(logits, value)
        return sample(logits, generator)

    return choose


@torch.no_grad()
def generate(
    model: DecoderOnly,
    prompts: Sequence[Sequence[int]],
    count: int,
    choose: Choose,
    cache: bool = True,
) -> list[list[int]]:
    """Continue each prompt by `count` tokens.

    With a cache, the prompts are read in one pass and then each new token
    alone. Without, every token is read again in each step. Both compute the
    same.

    Args:
        model: gives the logits of the next token.
        prompts: B lists of ids, of any lengths from 1.
        count: tokens to write, in each row.
        choose: from logits (B, V) to tokens (B,), such as `chooser()` makes.
        cache: whether keys and values are kept.

    Returns:
        The new tokens of each prompt, `count` each.

    Raises:
        ValueError: if a prompt is empty, count is less than 1, or a row
            becomes longer than the model reads.
    """
    _check_prompts(model, prompts, count)
    device = model.token_embedding.weight.device
    kept = Cache(model, len(prompts)) if cache else None
    rows = [list(prompt) for prompt in prompts]
    new = rows
    for _ in range(count):
        ids, counts = _padded(new if cache else rows, device)
        x, _ = model.read(ids, kept, counts)  # (B, T, D)
        last = x[torch.arange(len(rows), device=device), counts - 1]  # (B, D)
        new = choose(model.logits(last))[:, None].tolist()  # B lists of one
        rows = [row + token for row, token in zip(rows, new, strict=True)]
    return [row[-count:] for row in rows]


def _padded(
    rows: Sequence[Sequence[int]], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Rows of one length, (B, T), padded on the right, and counts (B,)."""
    counts = torch.tensor([len(row) for row in rows], device=device)
    ids = torch.zeros(len(rows), int(counts.max()), dtype=torch.long)
    for padded, row in zip(ids, rows, strict=True):
        padded[: len(row)] = torch.tensor(row)
    return ids.to(device), counts


def _keep_first(logits: Tensor, order: Tensor, keep: Tensor) -> Tensor:
    """Drop all but the tokens that `keep` marks, in the order `order`."""
    kept = torch.zeros_like(logits, dtype=torch.bool)
    kept.scatter_(-1, order, keep.to(logits.device).expand_as(logits))
    return logits.masked_fill(~kept, -torch.inf)


def _require_share(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise ValueError(
            f"{name} is {value}; expected more than 0 and at most 1"
        )


def _check_prompts(model, prompts, count) -> None:
    """Raise a ValueError if nothing can be written, or not so much."""
    if not prompts or not all(len(prompt) for prompt in prompts):
        raise ValueError(
            "generate: there is no prompt, or an empty one; expected at "
            "least one token in each"
        )
    if count < 1:
        raise ValueError(f"count is {count}; expected at least 1")
    longest = max(map(len, prompts)) + count - 1
    if longest > model.longest:
        raise ValueError(
            f"generate: {longest} tokens would be read in one row; the model "
            f"reads at most {model.longest}, its `longest`"
        )
