"""Layers whose memory is one state of fixed size.

Scans, the state of Mamba (`scan`); a state that decays, and the delta rule,
which overwrites (`writing`).
"""

from attnbook.mechanisms.states.scan import (
    failing_length,
    scan_loop,
    scan_parallel,
    scan_two_cumsums,
    selective_scan,
)
from attnbook.mechanisms.states.writing import (
    decay_matrix,
    decayed_chunked,
    decayed_masked,
    decayed_recurrent,
    delta_chunked,
    delta_recurrent,
)

__all__ = [
    "decay_matrix",
    "decayed_chunked",
    "decayed_masked",
    "decayed_recurrent",
    "delta_chunked",
    "delta_recurrent",
    "failing_length",
    "scan_loop",
    "scan_parallel",
    "scan_two_cumsums",
    "selective_scan",
]
