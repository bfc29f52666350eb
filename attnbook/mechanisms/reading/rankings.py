"""What a translator's answer depends on, token by token of the source.

Each function ranks the tokens of the source for every token of the target,
with the true answer before it. They ask the model itself, not its weights:
by its gradient, or by changing a token and reading what that does. The
changes are forward passes with another source; no function changes the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from attnbook.mechanisms.shapes import require_mask_of


class Pairs(Protocol):
    """Sources and targets in tensors, as a `Batch` of the data has them.

    source (B, S), source_mask (B, S), target_in (B, T), target_out (B, T).
    """

    source: Tensor
    source_mask: Tensor
    target_in: Tensor
    target_out: Tensor


class Gradients(NamedTuple):
    """Of log P of each true token with respect to each source embedding.

    Attributes:
        norm: (B, T, S), the length of the gradient.
        product: (B, T, S), gradient times input: how much log P would change
            for one whole embedding, if it were linear.
    """

    norm: Tensor
    product: Tensor


def source_embedding(model: nn.Module) -> nn.Embedding:
    """The table of embeddings that a translator reads its source with.

    Raises:
        TypeError: if the model has none in a place that is known.
    """
    if hasattr(model, "source_embedding"):
        return model.source_embedding
    encoder = getattr(model, "encoder", None)
    if isinstance(getattr(encoder, "embedding", None), nn.Embedding):
        return encoder.embedding
    raise TypeError(
        f"{type(model).__name__} has no source embedding that is known; "
        "expected `model.source_embedding` or `model.encoder.embedding`"
    )


@contextmanager
def embedded_as(
    model: nn.Module, change: Callable[[Tensor], Tensor]
) -> Iterator[None]:
    """Within this, the model reads `change(embedded)` for its source."""
    handle = source_embedding(model).register_forward_hook(
        lambda module, inputs, output: change(output)
    )
    try:
        yield
    finally:
        handle.remove()


def log_probabilities(model: nn.Module, pairs: Pairs) -> Tensor:
    """log P of each true token, given those before it: (B, T), nats."""
    logits, _ = model(pairs.source, pairs.source_mask, pairs.target_in)
    return picked(logits, pairs.target_out)


def picked(logits: Tensor, tokens: Tensor) -> Tensor:
    """log P of tokens (B, T) by logits (B, T, V): (B, T)."""
    return logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]


def gradients(model: nn.Module, pairs: Pairs) -> Gradients:
    """Rank by the gradient with respect to the embedding of each token.

    Simonyan et al. (2014), section 3, rank pixels by it; Li et al. (2016)
    words. There is a pass backward for each token of the target.

    Args:
        model: a translator; `model(source, source_mask, target_in)` returns
            logits (B, T, V) and weights.
        pairs: sources and their true targets.
    """
    require_mask_of(pairs.source, pairs.source_mask)
    kept: list[Tensor] = []

    def watched(embedded: Tensor) -> Tensor:
        kept.append(embedded.detach().requires_grad_())
        return kept[-1]

    with torch.enable_grad(), embedded_as(model, watched):
        scores = log_probabilities(model, pairs)  # (B, T)
        (inputs,) = kept  # (B, S, D)
        found = [
            torch.autograd.grad(of_step.sum(), inputs, retain_graph=True)[0]
            for of_step in scores.unbind(1)
        ]
    slope = torch.stack(found, 1)  # (B, T, S, D)
    return Gradients(
        slope.norm(dim=-1), (slope * inputs.detach()[:, None]).sum(-1)
    )


@torch.no_grad()
def left_out(model: nn.Module, pairs: Pairs) -> Tensor:
    """Rank by the log P that is lost if a token is left out of the source.

    The tokens behind it move up by one. Li et al. (2017) erase words.

    Args:
        model: a translator.
        pairs: sources of two tokens or more, and their true targets.

    Returns:
        (B, T, S): log P of the true token with the whole source, minus that
        without token s. Padding gets minus infinity.

    Raises:
        ValueError: if a source has fewer than two tokens.
    """
    source, mask = pairs.source, pairs.source_mask
    require_mask_of(source, mask)
    if mask.sum(1).min() < 2:
        raise ValueError(
            "left_out: a source has fewer than two tokens; expected some "
            "that are left when one is taken out"
        )
    whole = log_probabilities(model, pairs)  # (B, T)
    S = source.shape[1]
    lost = whole.new_full((*whole.shape, S), -torch.inf)
    for s in range(S):
        rows = mask[:, s]  # those that have this token
        rest = [at for at in range(S) if at != s]
        logits, _ = model(
            source[rows][:, rest],
            mask[rows][:, rest],
            pairs.target_in[rows],
        )
        without = picked(logits, pairs.target_out[rows])
        lost[rows, :, s] = whole[rows] - without
    return lost


@torch.no_grad()
def erased(model: nn.Module, pairs: Pairs) -> Tensor:
    """Rank by the log P that is lost if a token's embedding becomes the mean.

    The mean is that of the table of embeddings. The place stays, so that the
    tokens behind do not move.

    Args:
        model: a translator.
        pairs: sources and their true targets.

    Returns:
        (B, T, S), as `left_out`.
    """
    whole = log_probabilities(model, pairs)  # (B, T)
    mean = source_embedding(model).weight.mean(0)  # (D,)
    lost = []
    for s in range(pairs.source.shape[1]):

        def change(embedded: Tensor, s: int = s) -> Tensor:
            embedded = embedded.clone()
            embedded[:, s] = mean
            return embedded

        with embedded_as(model, change):
            lost.append(whole - log_probabilities(model, pairs))
    lost = torch.stack(lost, -1)  # (B, T, S)
    return lost.masked_fill(~pairs.source_mask[:, None], -torch.inf)


@torch.no_grad()
def permuted(
    model: nn.Module,
    pairs: Pairs,
    draws: int = 4,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Rank by the log P that is lost if a token is swapped for another.

    Each draw takes the new token from all the tokens of the batch, so that
    a frequent one comes often, as a permutation of a column does in Breiman
    (2001), section 10.

    Args:
        model: a translator.
        pairs: sources and their true targets.
        draws: to take the mean over.
        generator: what draws.

    Returns:
        (B, T, S), as `left_out`.

    Raises:
        ValueError: for fewer than one draw.
    """
    if draws < 1:
        raise ValueError(f"draws is {draws}; expected at least 1")
    source, mask = pairs.source, pairs.source_mask
    whole = log_probabilities(model, pairs)  # (B, T)
    all_tokens = source[mask]
    lost = torch.zeros(*whole.shape, source.shape[1]).to(whole)
    for s in range(source.shape[1]):
        for _ in range(draws):
            at = torch.randint(
                len(all_tokens), (len(source),), generator=generator
            )
            other = source.clone()
            other[:, s] = torch.where(
                mask[:, s], all_tokens[at.to(source.device)], source[:, s]
            )
            logits, _ = model(other, mask, pairs.target_in)
            lost[..., s] += whole - picked(logits, pairs.target_out)
    return (lost / draws).masked_fill(~mask[:, None], -torch.inf)
