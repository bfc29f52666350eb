"""One model on several machines, over `torch.distributed` or simulated.

What a rank can do (`group`), over processes (`processes`) and over threads of
one process (`simulated`); sums and exchanges among all (`collectives`), with
gradients (`differentiable`). What is split: the batch (`data_parallel`), the
optimiser's state (`sharded`), heads and hidden features (`tensor_parallel`),
experts (`expert_parallel`), the sequence (`layout`, `ring`, `by_heads`). Bytes
and seconds (`costs`); each against one rank (`trials`); a training that can be
interrupted (`training`), and the program that processes run (`run`).
"""

from attnbook.mechanisms.across_machines.by_heads import attention_by_heads
from attnbook.mechanisms.across_machines.collectives import (
    all_gather,
    all_reduce,
    all_to_all,
    reduce_scatter,
)
from attnbook.mechanisms.across_machines.data_parallel import (
    backward_of_token_mean,
    require_same,
    sum_gradients,
)
from attnbook.mechanisms.across_machines.expert_parallel import (
    mixed_by_experts,
    top_gates,
)
from attnbook.mechanisms.across_machines.group import Group, RankLost
from attnbook.mechanisms.across_machines.layout import (
    LAYOUTS,
    chunks,
    imbalance,
    places,
    work,
)
from attnbook.mechanisms.across_machines.processes import started
from attnbook.mechanisms.across_machines.ring import ring_attention
from attnbook.mechanisms.across_machines.sharded import ShardedOptimiser
from attnbook.mechanisms.across_machines.simulated import simulate
from attnbook.mechanisms.across_machines.tensor_parallel import (
    ParallelAttention,
    ParallelFeedForward,
)
from attnbook.mechanisms.across_machines.trials import (
    TRIALS,
    Compared,
    compare,
    compare_simulated,
)

__all__ = [
    "LAYOUTS",
    "TRIALS",
    "Compared",
    "Group",
    "ParallelAttention",
    "ParallelFeedForward",
    "RankLost",
    "ShardedOptimiser",
    "all_gather",
    "all_reduce",
    "all_to_all",
    "attention_by_heads",
    "backward_of_token_mean",
    "chunks",
    "compare",
    "compare_simulated",
    "imbalance",
    "mixed_by_experts",
    "places",
    "reduce_scatter",
    "require_same",
    "ring_attention",
    "simulate",
    "started",
    "sum_gradients",
    "top_gates",
    "work",
]
