"""Fewer keys and values: heads and layers that share them, and latents.

Grouped-query attention has multi-head and multi-query attention as its ends
(Ainslie et al. 2023). Multi-head latent attention caches one small vector of
a token for all heads (DeepSeek-AI 2024).
"""

from attnbook.mechanisms.sharing_heads.costs import (
    FORMS,
    PUBLISHED,
    CacheShape,
    Cost,
    LatentShape,
    cached_numbers,
    flops_per_number,
    latent_cost,
    storage_bytes,
)
from attnbook.mechanisms.sharing_heads.decoder import (
    LatentDecoder,
    SharingDecoder,
)
from attnbook.mechanisms.sharing_heads.grouped import (
    GroupedQueryAttention,
    GroupedSelfAttention,
    copied_attention,
    grouped_attention,
    repeat_heads,
)
from attnbook.mechanisms.sharing_heads.latent import (
    LatentSelfAttention,
    MultiHeadLatentAttention,
    latent_of,
)
from attnbook.mechanisms.sharing_heads.pooling import (
    pooled,
    pooled_decoder,
    pooled_rows,
)

__all__ = [
    "FORMS",
    "PUBLISHED",
    "CacheShape",
    "Cost",
    "GroupedQueryAttention",
    "GroupedSelfAttention",
    "LatentDecoder",
    "LatentSelfAttention",
    "LatentShape",
    "MultiHeadLatentAttention",
    "SharingDecoder",
    "cached_numbers",
    "copied_attention",
    "flops_per_number",
    "grouped_attention",
    "latent_cost",
    "latent_of",
    "pooled",
    "pooled_decoder",
    "pooled_rows",
    "repeat_heads",
    "storage_bytes",
]
