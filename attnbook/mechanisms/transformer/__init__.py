"""The Transformer: Vaswani et al. (2017), as an encoder–decoder.

Blocks of attention and feed-forward networks around a residual stream. Layer
normalisation stands before each sublayer (`norm_first=True`, pre-norm) or
after each addition (post-norm, as in the paper). Nothing here knows the order
of tokens; `TransformerTranslator` adds positions to its embeddings. There is
no dropout.
"""

from attnbook.mechanisms.transformer.layers import (
    DecoderLayer,
    EncoderLayer,
    FeedForward,
)
from attnbook.mechanisms.transformer.norms import LayerNorm, SublayerNorm
from attnbook.mechanisms.transformer.schedule import warmup_rate
from attnbook.mechanisms.transformer.stacks import Transformer
from attnbook.mechanisms.transformer.translator import TransformerTranslator

__all__ = [
    "DecoderLayer",
    "EncoderLayer",
    "FeedForward",
    "LayerNorm",
    "SublayerNorm",
    "Transformer",
    "TransformerTranslator",
    "warmup_rate",
]
