"""Reading attention: what weights say, sinks, and heads that are taken away.

Rankings of source tokens, to be scored where the true alignment is known
(`rankings`, `rollout`, `value_norms`, `scores`); other maps with the same
output (`other_maps`); attention that can read nothing (`sinks`); and heads
found by a score and ablated (`heads`).
"""

from attnbook.mechanisms.reading.heads import (
    Ablations,
    every_ablation,
    induction_places,
    induction_score,
    mean_weight,
    previous_token_score,
    without_heads,
)
from attnbook.mechanisms.reading.other_maps import (
    OtherMap,
    adversarial_weights,
    free_directions,
    same_output,
    total_variation,
)
from attnbook.mechanisms.reading.rankings import (
    Gradients,
    erased,
    gradients,
    left_out,
    log_probabilities,
    permuted,
    source_embedding,
)
from attnbook.mechanisms.reading.rollout import (
    rollout,
    source_rollout,
    with_residual,
)
from attnbook.mechanisms.reading.scores import (
    area_under_curve,
    mean_of_known,
    precision_at_1,
)
from attnbook.mechanisms.reading.sinks import (
    REMEDIES,
    SinkAttention,
    SinkDecoder,
    SinkReading,
    relu_weights,
    sink_readings,
    softmax_with_sink,
)
from attnbook.mechanisms.reading.translators import (
    LastLook,
    last_look,
    maps_of,
)
from attnbook.mechanisms.reading.value_norms import (
    summed_over_heads,
    times_value_norm,
    transformed_values,
)

__all__ = [
    "REMEDIES",
    "Ablations",
    "Gradients",
    "LastLook",
    "OtherMap",
    "SinkAttention",
    "SinkDecoder",
    "SinkReading",
    "adversarial_weights",
    "area_under_curve",
    "erased",
    "every_ablation",
    "free_directions",
    "gradients",
    "induction_places",
    "induction_score",
    "last_look",
    "left_out",
    "log_probabilities",
    "maps_of",
    "mean_of_known",
    "mean_weight",
    "permuted",
    "precision_at_1",
    "previous_token_score",
    "relu_weights",
    "rollout",
    "same_output",
    "sink_readings",
    "softmax_with_sink",
    "source_embedding",
    "source_rollout",
    "summed_over_heads",
    "times_value_norm",
    "total_variation",
    "transformed_values",
    "with_residual",
    "without_heads",
]
