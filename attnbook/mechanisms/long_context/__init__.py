"""Attention that reads a few keys only, or one state.

Patterns as masks (`patterns`), and the same without the scores that the mask
leaves out (`windowed`, `strided`, `blocks`); a cache that rolls (`rolling`);
linear attention (`linear`); compressed, selected and near keys
(`compression`, `three_branches`); a cheap indexer (`indexer`); how far a
token can look through several layers (`reach`); a model with a pattern for
each layer (`pattern_decoder`).
"""

from attnbook.mechanisms.long_context.blocks import (
    block_sparse_attention,
    mask_of,
    selected_attention,
)
from attnbook.mechanisms.long_context.compression import (
    Compressor,
    block_means,
    compressed_attention,
    select_blocks,
    tokens_of_blocks,
    whole_blocks_mask,
)
from attnbook.mechanisms.long_context.indexer import (
    Indexer,
    indexer_loss,
    share_kept,
    top_keys,
)
from attnbook.mechanisms.long_context.linear import (
    State,
    feature_map,
    linear_attention,
    linear_attention_chunked,
    linear_attention_recurrent,
)
from attnbook.mechanisms.long_context.pattern_decoder import (
    PatternBlock,
    PatternDecoder,
)
from attnbook.mechanisms.long_context.patterns import (
    block_mask,
    dilated_mask,
    distances,
    global_mask,
    keys_read,
    root,
    sink_mask,
    strided_mask,
    window_mask,
)
from attnbook.mechanisms.long_context.reach import (
    depth_needed,
    reach,
    reach_by_depth,
)
from attnbook.mechanisms.long_context.rolling import RollingCache
from attnbook.mechanisms.long_context.strided import (
    dilated_attention,
    strided_attention,
)
from attnbook.mechanisms.long_context.three_branches import (
    BRANCHES,
    Branches,
    ThreeBranches,
)
from attnbook.mechanisms.long_context.windowed import (
    global_attention,
    windowed_attention,
)

__all__ = [
    "BRANCHES",
    "Branches",
    "Compressor",
    "Indexer",
    "PatternBlock",
    "PatternDecoder",
    "RollingCache",
    "State",
    "ThreeBranches",
    "block_mask",
    "block_means",
    "block_sparse_attention",
    "compressed_attention",
    "depth_needed",
    "dilated_attention",
    "dilated_mask",
    "distances",
    "feature_map",
    "global_attention",
    "global_mask",
    "indexer_loss",
    "keys_read",
    "linear_attention",
    "linear_attention_chunked",
    "linear_attention_recurrent",
    "mask_of",
    "reach",
    "reach_by_depth",
    "root",
    "select_blocks",
    "selected_attention",
    "share_kept",
    "sink_mask",
    "strided_attention",
    "strided_mask",
    "tokens_of_blocks",
    "top_keys",
    "whole_blocks_mask",
    "window_mask",
    "windowed_attention",
]
