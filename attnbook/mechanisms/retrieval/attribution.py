"""Which document was it? Five ways to say which one an answer came from."""

from __future__ import annotations

import torch
from torch import Tensor

from attnbook.mechanisms.retrieval.reader import DocumentReader, Read
from attnbook.mechanisms.shapes import require

ATTRIBUTIONS = (
    "attention mass",
    "mass per token",
    "mass x value norm",
    "gradient x input",
    "ablation",
)


def per_document(amounts: Tensor, owner: Tensor, count: int) -> Tensor:
    """Add up what belongs to each document: (B, Q, T) to (B, Q, N).

    Args:
        amounts: (B, Q, T).
        owner: (B, T), the document of each token, -1 for none.
        count: N.

    Raises:
        ValueError: if a shape does not fit.
    """
    B, Q, T = amounts.shape
    require(owner.shape == (B, T), "owner", owner.shape, f"({B}, {T})")
    place = torch.where(owner < 0, count, owner)
    total = amounts.new_zeros(B, Q, count + 1)
    total.scatter_add_(2, place[:, None].expand(B, Q, T), amounts)
    return total[..., :count]


def attention_mass(read: Read, owner: Tensor, count: int) -> Tensor:
    """Weight on each document, a mean over layers and heads: (B, Q, N)."""
    T = owner.shape[1]
    mean = torch.stack([w[..., :T].mean(1) for w in read.weights]).mean(0)
    return per_document(mean, owner, count)


def mass_per_token(read: Read, owner: Tensor, count: int) -> Tensor:
    """Attention mass, divided by the number of tokens: (B, Q, N)."""
    ones = torch.ones(len(owner), 1, owner.shape[1])
    length = per_document(ones, owner, count)
    return attention_mass(read, owner, count) / length.clamp(min=1)


def mass_times_norm(read: Read, owner: Tensor, count: int) -> Tensor:
    """Weights times the norm of their values: (B, Q, N).

    Kobayashi et al. (2020): a weight on a vector near 0 moves nothing.
    """
    T = owner.shape[1]
    parts = [
        (w[..., :T] * v[..., :T, :].norm(dim=-1)[:, :, None]).mean(1)
        for w, v in zip(read.weights, read.values, strict=True)
    ]
    return per_document(torch.stack(parts).mean(0), owner, count)


def gradient_times_input(
    model: DocumentReader,
    documents: Tensor,
    owner: Tensor,
    questions: Tensor,
    count: int,
) -> Tensor:
    """Gradient of the log share of the answer given, times the input.

    The products are added up within a token, and their absolute values over
    the tokens of a document: (B, Q, N).
    """
    embedded = model.embed(documents, owner).detach().requires_grad_()
    parts = []
    for q in range(questions.shape[1]):
        one = questions[:, q : q + 1]
        share = model(documents, one, owner, embedded).log_share
        best = share[:, 0].amax(-1).sum()
        (gradient,) = torch.autograd.grad(best, embedded)
        parts.append((gradient * embedded).sum(-1).abs())
    amounts = torch.stack(parts, 1).detach()
    return per_document(amounts, owner, count)


@torch.no_grad()
def ablation(
    model: DocumentReader,
    documents: Tensor,
    owner: Tensor,
    questions: Tensor,
    count: int,
) -> Tensor:
    """How much the answer given loses without a document: (B, Q, N).

    The answer is a word, not a place: a document whose loss is made good by
    another with the same word loses nothing. In nats of the word's share.
    """

    def said(allowed: Tensor | None) -> Tensor:
        read = model(documents, questions, owner, allowed=allowed)
        return read.log_share

    whole = said(None)  # (B, Q, T)
    words = documents[:, None].expand(whole.shape)
    answer = words.gather(-1, whole.argmax(-1, keepdim=True))
    same = words == answer  # every place with this word
    before = whole.masked_fill(~same, -torch.inf).logsumexp(-1)
    losses = []
    for d in range(count):
        without = said(owner != d)
        left = without.masked_fill(~same, -torch.inf).logsumexp(-1)
        losses.append(before - left.clamp(min=-30.0))
    return torch.stack(losses, -1)


def attributions(
    model: DocumentReader,
    documents: Tensor,
    owner: Tensor,
    questions: Tensor,
    count: int,
) -> dict[str, Tensor]:
    """All five, (B, Q, N) each, by the names of `ATTRIBUTIONS`.

    Args:
        model: a trained reader.
        documents: (B, T).
        owner: (B, T), the document of each token, -1 for none.
        questions: (B, Q, L).
        count: N, the number of documents.
    """
    with torch.no_grad():
        read = model(documents, questions, owner)
    inputs = (model, documents, owner, questions, count)
    found = (
        attention_mass(read, owner, count),
        mass_per_token(read, owner, count),
        mass_times_norm(read, owner, count),
        gradient_times_input(*inputs),
        ablation(*inputs),
    )
    return dict(zip(ATTRIBUTIONS, found, strict=True))


def area_under_curve(scores: Tensor, true: Tensor) -> float:
    """Chance that the true document of a question is above another one.

    Over all pairs of a true and another document of the same question; equal
    scores count a half.

    Args:
        scores: (..., N).
        true: (..., N), boolean.

    Raises:
        ValueError: if the shapes differ, or there is no pair.
    """
    require(true.shape == scores.shape, "true", true.shape, "that of scores")
    pairs = true[..., :, None] & ~true[..., None, :]
    require(bool(pairs.any()), "true", true.shape, "one with true and others")
    more = (scores[..., :, None] > scores[..., None, :]).double()
    equal = (scores[..., :, None] == scores[..., None, :]).double()
    return ((more + equal / 2) * pairs).sum().item() / pairs.sum().item()
