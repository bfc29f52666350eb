"""Find documents by vectors: one for a question, one for each document.

A bi-encoder, trained with the other documents of its batch as wrong ones, as
in dense passage retrieval (Karpukhin et al. 2020, section 3).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.mechanisms.shapes import require


class BiEncoder(nn.Module):
    """One encoder for questions and documents: a weighted mean of tokens.

    Each token sees its neighbours by a convolution; a learnt query attends to
    all tokens, and the attended mean is mapped to a vector of length 1.

    Args:
        words: size of the vocabulary; 0 is padding.
        d_model: D.
        width: tokens that the convolution sees; odd.
    """

    def __init__(self, words: int, d_model: int = 64, width: int = 3):
        super().__init__()
        self.words = nn.Embedding(words, d_model)
        nn.init.normal_(self.words.weight, std=0.5)
        self.around = nn.Conv1d(d_model, d_model, width, padding=width // 2)
        self.importance = nn.Linear(d_model, 1)
        self.out = nn.Linear(d_model, d_model)
        self.log_scale = nn.Parameter(torch.tensor(2.3))

    def forward(self, tokens: Tensor) -> Tensor:
        """Vectors (..., D) of length 1 of texts (..., T).

        Raises:
            ValueError: if a text has no token.
        """
        require(
            bool((tokens != 0).any(-1).all()),
            "tokens",
            tokens.shape,
            "(..., T) with a token in each text",
        )
        shape, T = tokens.shape[:-1], tokens.shape[-1]
        flat = tokens.reshape(-1, T)
        x = self.words(flat) * (flat != 0)[..., None]
        x = x + F.gelu(self.around(x.transpose(1, 2)).transpose(1, 2))
        scores = self.importance(x)[..., 0].masked_fill(flat == 0, -torch.inf)
        mean = (scores.softmax(-1)[..., None] * x).sum(-2)
        return F.normalize(self.out(mean), dim=-1).view(*shape, -1)


def retrieval_loss(
    questions: Tensor, documents: Tensor, right: Tensor, log_scale: Tensor
) -> Tensor:
    """Cross-entropy of the right document among all of the batch, in nats.

    Args:
        questions: (Q, D), of length 1.
        documents: (N, D), of length 1.
        right: (Q,), the number of the right document.
        log_scale: a number; cosines are multiplied by its exponential.
    """
    scores = log_scale.clamp(max=4.6).exp() * questions @ documents.T
    return F.cross_entropy(scores, right)
