"""Encoders and modalities: hidden words, pictures as tokens, and both.

`masked` hides tokens and fills them in again; `vision` cuts pictures into
tokens; `contrastive` puts pictures and captions into one space; `flow` makes
pictures of captions; `judged` measures what was made.
"""

from attnbook.mechanisms.modalities.contrastive import (
    DualEncoder,
    multi_positive_loss,
    retrieved,
    sigmoid_floor,
    sigmoid_loss,
    softmax_floor,
    softmax_loss,
)
from attnbook.mechanisms.modalities.flow import (
    DigitGenerator,
    between,
    flow_loss,
    generate,
    guided,
    time_features,
)
from attnbook.mechanisms.modalities.judged import (
    frechet_distance,
    ink_score,
    nearest_distance,
    variety,
)
from attnbook.mechanisms.modalities.masked import (
    MaskedModel,
    diffusion_loss,
    masked_loss,
    masked_tokens,
    noised_tokens,
    unmask,
)
from attnbook.mechanisms.modalities.vision import (
    SmallConvolution,
    VisionTransformer,
    patches,
    unpatched,
)

__all__ = [
    "DigitGenerator",
    "DualEncoder",
    "MaskedModel",
    "SmallConvolution",
    "VisionTransformer",
    "between",
    "diffusion_loss",
    "flow_loss",
    "frechet_distance",
    "generate",
    "guided",
    "ink_score",
    "masked_loss",
    "masked_tokens",
    "multi_positive_loss",
    "nearest_distance",
    "noised_tokens",
    "patches",
    "retrieved",
    "sigmoid_floor",
    "sigmoid_loss",
    "softmax_floor",
    "softmax_loss",
    "time_features",
    "unmask",
    "unpatched",
    "variety",
]
