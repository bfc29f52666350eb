"""A small model that reads documents and points at the answer.

Retrieval-augmented generation in small (Lewis et al. 2020): the answer is
copied out of a document that stands before the question, by a pointer
(Vinyals et al. 2015), so the document that is cited is the one pointed at.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from attnbook.mechanisms.multi_head import merge_heads, split_heads
from attnbook.mechanisms.shapes import require


class Read(NamedTuple):
    """What a pass of the reader computed.

    Attributes:
        log_share: (B, Q, T), log of the share with which a question points
            at each token of the documents; token 0 is "not found".
        weights: one (B, H, Q, S) a layer, from the last token of each
            question to all S = T + Q·L tokens; its own come last.
        values: one (B, H, S, d) a layer.
    """

    log_share: Tensor
    weights: list[Tensor]
    values: list[Tensor]


class Layer(nn.Module):
    """Pre-norm attention and feed-forward network, under a mask that adds.

    Args:
        d_model: D.
        num_heads: H, which must divide D.
    """

    def __init__(self, d_model: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(d_model)
        self.project = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(d_model),
            nn.Linear(d_model, 2 * d_model),
            nn.GELU(),
            nn.Linear(2 * d_model, d_model),
        )

    def forward(
        self, x: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One step: x (B, S, D), weights (B, H, S, S), values (B, H, S, d).

        Args:
            x: (B, S, D).
            mask: (B, 1, S, S), added to the scores: 0 or minus infinity.
        """
        q, k, v = (
            split_heads(part, self.num_heads)
            for part in self.project(self.norm(x)).chunk(3, -1)
        )
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        weights = (scores + mask).softmax(-1)
        x = x + self.out(merge_heads(weights @ v))
        return x + self.feed_forward(x), weights, v


class DocumentReader(nn.Module):
    """Reads documents, and points at the answer of each question.

    A convolution over nine tokens first tells each token what stands around
    it. Then all tokens of the documents attend to one another; a question
    attends to the documents and to itself, never to another question, so that
    Q questions cost one pass. There are no positions but those within the
    nine tokens, unless `places` is more than 0.

    Args:
        words: size of the vocabulary; 0 is padding.
        d_model: D.
        num_heads: H, which must divide D.
        depth: number of layers.
        width: tokens that the convolution sees; odd.
        places: if more than 0, documents have learnt vectors for their place
            in the row, for at most so many documents.

    Raises:
        ValueError: if the width is even.
    """

    def __init__(
        self,
        words: int,
        d_model: int = 64,
        num_heads: int = 4,
        depth: int = 2,
        width: int = 9,
        places: int = 0,
    ):
        super().__init__()
        if width % 2 == 0:
            raise ValueError(f"width is {width}; expected an odd number")
        self.words = nn.Embedding(words, d_model)
        nn.init.normal_(self.words.weight, std=0.5)
        self.around = nn.Conv1d(d_model, d_model, width, padding=width // 2)
        self.places = nn.Embedding(places, d_model) if places else None
        self.layers = nn.ModuleList(
            Layer(d_model, num_heads) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(d_model)
        self.ask = nn.Linear(d_model, d_model)
        self.offer = nn.Linear(d_model, d_model)

    def embed(self, tokens: Tensor, owner: Tensor | None = None) -> Tensor:
        """Vectors (B, T, D) of tokens (B, T), each with what is around."""
        x = self.words(tokens) * (tokens != 0)[..., None]
        x = x + self.around(x.transpose(1, 2)).transpose(1, 2)
        if self.places is not None and owner is not None:
            own = self.places(owner.clamp(min=0))
            x = x + own * (owner >= 0)[..., None]
        return x

    def forward(
        self,
        documents: Tensor,
        questions: Tensor,
        owner: Tensor | None = None,
        embedded: Tensor | None = None,
        allowed: Tensor | None = None,
    ) -> Read:
        """Point at the answers.

        Args:
            documents: (B, T), with "not found" as token 0 of each row.
            questions: (B, Q, L), each with its [ASK] at the end.
            owner: (B, T), the document of each token, for `places`.
            embedded: (B, T, D) in place of `embed(documents)`, for
                gradients with respect to tokens.
            allowed: (B, T), boolean; False hides a token from all.

        Raises:
            ValueError: if a shape does not fit.
        """
        require(documents.ndim == 2, "documents", documents.shape, "(B, T)")
        B, T = documents.shape
        require(
            questions.ndim == 3 and len(questions) == B,
            "questions",
            questions.shape,
            f"({B}, Q, L)",
        )
        Q, L = questions.shape[1:]
        if embedded is None:
            embedded = self.embed(documents, owner)
        asked = self.embed(questions.flatten(0, 1)).view(B, Q * L, -1)
        x = torch.cat([embedded, asked], 1)  # (B, S, D)
        seen = documents != 0
        if allowed is not None:
            seen = seen & allowed
        mask = self._mask(seen, questions)
        weights, values = [], []
        for layer in self.layers:
            x, of_layer, value = layer(x, mask)
            weights.append(of_layer[:, :, T:].unflatten(2, (Q, L))[..., -1, :])
            values.append(value)
        x = self.norm(x)
        last = x[:, T:].unflatten(1, (Q, L))[:, :, -1]  # (B, Q, D)
        scores = self.ask(last) @ self.offer(x[:, :T]).transpose(1, 2)
        scores = scores / x.shape[-1] ** 0.5
        scores = scores.masked_fill(~seen[:, None], -torch.inf)
        return Read(scores.log_softmax(-1), weights, values)

    @staticmethod
    def _mask(seen: Tensor, questions: Tensor) -> Tensor:
        (B, T), (_, Q, L) = seen.shape, questions.shape
        part = torch.arange(1, Q + 1).repeat_interleave(L)
        part = torch.cat([torch.zeros(T, dtype=torch.long), part])
        reads = (part == 0) | (part[:, None] == part)  # (S, S)
        real = torch.cat([seen, (questions != 0).flatten(1)], 1)
        own = torch.eye(len(part), dtype=torch.bool)
        reads = (reads & real[:, None]) | own  # (B, S, S)
        zero = torch.zeros(B, 1, len(part), len(part))
        return zero.masked_fill(~reads[:, None], -torch.inf)


def reading_loss(log_share: Tensor, answers: Tensor) -> Tensor:
    """Minus the log of the share on all right tokens, in nats: a number.

    Args:
        log_share: (B, Q, T).
        answers: (B, Q, T), boolean; at least one a question.

    Raises:
        ValueError: if the shapes differ, or a question has no right token.
    """
    require(
        answers.shape == log_share.shape,
        "answers",
        answers.shape,
        f"{tuple(log_share.shape)}",
    )
    if not answers.any(-1).all():
        raise ValueError(
            "a question has no right token; expected at least one: mark "
            "token 0 where nothing is found"
        )
    right = log_share.masked_fill(~answers, -torch.inf)
    return -right.logsumexp(-1).mean()
