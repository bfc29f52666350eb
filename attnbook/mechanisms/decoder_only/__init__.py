"""A model that continues a text: decoder-only, with its cache.

The encoder and the cross-attention of Vaswani et al. (2017) fall away, and a
stack of causal blocks stays (Liu et al. 2018, section 4.2.3; Radford et al.
2018, section 3.1). `Design` says which block: that of 2018 or that of today.
`generate` writes with a cache of keys and values, `speculate` with a draft.
"""

from attnbook.mechanisms.decoder_only.blocks import (
    BLOCK_2018,
    BLOCK_TODAY,
    Block,
    CausalSelfAttention,
    Design,
    RMSNorm,
    SwiGLU,
)
from attnbook.mechanisms.decoder_only.cache import Cache
from attnbook.mechanisms.decoder_only.goodness_of_fit import Fit, chi_squared
from attnbook.mechanisms.decoder_only.model import DecoderOnly
from attnbook.mechanisms.decoder_only.sampling import (
    chooser,
    generate,
    min_p,
    sample,
    top_k,
    top_p,
    with_temperature,
)
from attnbook.mechanisms.decoder_only.speculative import (
    Pass,
    accepted,
    passes,
    residual,
    speculate,
    tokens_per_pass,
    verify,
)

__all__ = [
    "BLOCK_2018",
    "BLOCK_TODAY",
    "Block",
    "Cache",
    "CausalSelfAttention",
    "DecoderOnly",
    "Design",
    "Fit",
    "Pass",
    "RMSNorm",
    "SwiGLU",
    "accepted",
    "chi_squared",
    "chooser",
    "generate",
    "min_p",
    "passes",
    "residual",
    "sample",
    "speculate",
    "tokens_per_pass",
    "top_k",
    "top_p",
    "verify",
    "with_temperature",
]
