"""A small model that reads facts and answers questions, reading few keys.

It is what `sources_kept` trains: two causal blocks over n facts, each one
token, and Q questions that stand behind them. A question reads facts and
itself, and no other question, so that Q questions cost one pass. All of them
stand at position n.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.data.facts import Questions
from attnbook.mechanisms.decoder_only import Block
from attnbook.mechanisms.long_context import (
    Compressor,
    Indexer,
    distances,
    mask_of,
    top_keys,
    whole_blocks_mask,
)

WIDTH, HEADS, LAYERS = 48, 4, 2
INDEX_HEADS, INDEX_SIZE = 2, 8


class Reading(NamedTuple):
    """What a pass computed: logits (B, Q, V), and of each layer the weights
    (B, H, T, S), the tokens that attention read, (B, T, D), and the mask."""

    logits: Tensor
    weights: list[Tensor]
    read: list[Tensor]
    masks: list[Tensor]


class FactReader(nn.Module):
    """Answers questions about facts, through two layers of a pattern.

    Args:
        symbols: V, and n, the number of facts.
        mask: which facts a token may read, boolean (n + 1, n + 1): the facts
            and a question behind them; all before it if left out.
        block: facts made into one key, for compressed attention; 0 for none.
    """

    def __init__(
        self, symbols: int, mask: Tensor | None = None, block: int = 0
    ):
        super().__init__()
        self.symbols = symbols
        self.embeddings = nn.ModuleDict(
            {
                name: nn.Embedding(size, WIDTH)
                for name, size in {
                    "key": symbols,
                    "value": symbols,
                    "asked": symbols,
                    "hops": 2,
                }.items()
            }
        )
        for name, embedding in self.embeddings.items():
            # At first both kinds of questions look alike: what one hop
            # learns in the first layer then serves two hops as well.
            nn.init.normal_(
                embedding.weight, std=0.02 if name == "hops" else 0.3
            )
        self.blocks = nn.ModuleList(
            Block(WIDTH, HEADS, 2 * WIDTH) for _ in range(LAYERS)
        )
        self.norm = nn.LayerNorm(WIDTH)
        self.readout = nn.Linear(WIDTH, symbols)
        if mask is None:
            mask = distances(symbols + 1) >= 0
        self.register_buffer("pattern", mask)
        self.block = block
        self.compressors = nn.ModuleList(
            nn.ModuleList(Compressor(block, WIDTH // HEADS) for _ in "kv")
            for _ in range(LAYERS if block else 0)
        )
        self.indexers = nn.ModuleList(
            Indexer(WIDTH, INDEX_HEADS, INDEX_SIZE) for _ in range(LAYERS)
        )

    def forward(self, batch: Questions, chosen: int | None = None) -> Reading:
        """Answer all questions.

        Args:
            batch: facts and questions.
            chosen: facts that each token reads in each layer, beside itself,
                as its indexer chooses; all that the pattern has, if None.
        """
        embed = self.embeddings
        x = torch.cat(
            [
                embed["key"](batch.keys) + embed["value"](batch.values),
                embed["asked"](batch.asked) + embed["hops"](batch.hops - 1),
            ],
            dim=1,
        )  # (B, T, D)
        allowed = self.allowed(batch.asked.shape[1])  # (T, T)
        weights, read, masks = [], [], []
        for layer, block in enumerate(self.blocks):
            normed = block.attention_norm(x)
            mask, remember = allowed[None], None
            if chosen is not None:
                mask = self.chosen_by(layer, normed, allowed, chosen)
            if self.block:
                mask = self.whole_blocks(allowed)[None]
                remember = self.compressing(layer)
            x, of_layer = block(x, mask, remember=remember)
            weights.append(of_layer)
            read.append(normed)
            masks.append(mask)
        logits = self.readout(self.norm(x[:, self.symbols :]))
        return Reading(logits, weights, read, masks)

    def allowed(self, questions: int) -> Tensor:
        """The pattern of facts and Q questions that do not read each other."""
        n = self.symbols
        rows = [
            self.pattern[:n, :n],
            self.pattern[n:, :n].expand(questions, n),
        ]
        facts = torch.cat(rows)  # (T, n)
        own = torch.eye(len(facts), dtype=torch.bool)[:, n:]
        return torch.cat([facts, own], dim=1)

    def chosen_by(
        self, layer: int, read: Tensor, allowed: Tensor, count: int
    ) -> Tensor:
        """The mask of the best facts by the layer's indexer: (B, T, T)."""
        own = torch.eye(len(allowed), dtype=torch.bool)
        scores = self.indexers[layer](read.detach())
        found = top_keys(scores, count, allowed & ~own)
        return mask_of(*found, len(allowed)) | own

    def whole_blocks(self, allowed: Tensor) -> Tensor:
        """Which compressed blocks and own tokens are read: (T, N + T)."""
        n, T = self.symbols, len(allowed)
        facts = whole_blocks_mask(n, self.block)  # (n, N)
        blocks = torch.cat([facts, facts[-1:].expand(T - n, -1)])
        return torch.cat([blocks, torch.eye(T, dtype=torch.bool)], dim=1)

    def compressing(self, layer: int):
        """What puts compressed facts before all tokens, as keys and values."""

        def remember(keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
            kept = [
                torch.cat([compress(x[..., : self.symbols, :]), x], dim=-2)
                for compress, x in zip(
                    self.compressors[layer], (keys, values), strict=True
                )
            ]
            return kept[0], kept[1]

        return remember


def answer_loss(model: FactReader, batch: Questions, **how) -> Tensor:
    """Mean cross-entropy of the answers, in nats."""
    logits = model(batch, **how).logits
    return F.cross_entropy(logits.flatten(0, 1), batch.answers.flatten())
