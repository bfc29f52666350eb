"""What a call takes: memory, tensors, products. Measured where it runs.

Each measure is entered around what it is to see; ``amount`` holds the
result. :mod:`attnbook.judging.watching` uses them for an answer in this
process; the student's process uses them on request.
"""

from __future__ import annotations

import sys
import tracemalloc
from typing import Any


class PeakMemory:
    """Bytes that Python and NumPy take at most, beyond those before."""

    def __init__(self) -> None:
        self.amount = 0

    def __enter__(self) -> PeakMemory:
        self._was_tracing = tracemalloc.is_tracing()
        if not self._was_tracing:
            tracemalloc.start()
        self._before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        return self

    def __exit__(self, *trouble: Any) -> None:
        _, peak = tracemalloc.get_traced_memory()
        if not self._was_tracing:
            tracemalloc.stop()
        self.amount = max(self.amount, peak - self._before)


class LargestTensor:
    """Entries of the largest tensor that a function of torch returns."""

    def __init__(self) -> None:
        self.amount = 0

    def __enter__(self) -> LargestTensor:
        from torch import Tensor
        from torch.overrides import TorchFunctionMode

        measure = self

        class Mode(TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                result = func(*args, **(kwargs or {}))
                if isinstance(result, Tensor):
                    storage = result.untyped_storage().nbytes()
                    held = storage // result.element_size()
                    most = min(result.numel(), held)
                    measure.amount = max(measure.amount, most)
                return result

        self._mode = Mode()
        self._mode.__enter__()
        return self

    def __exit__(self, *trouble: Any) -> None:
        self._mode.__exit__(*trouble)


class KeptForBackward:
    """Bytes of the storages that autograd keeps for the backward pass."""

    def __init__(self) -> None:
        self._kept: dict[int, int] = {}

    @property
    def amount(self) -> int:
        """Bytes, each storage counted once."""
        return sum(self._kept.values())

    def __enter__(self) -> KeptForBackward:
        hooks = sys.modules["torch"].autograd.graph.saved_tensors_hooks

        def pack(tensor):
            storage = tensor.untyped_storage()
            self._kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        self._hooks = hooks(pack, lambda tensor: tensor)
        self._hooks.__enter__()
        return self

    def __exit__(self, *trouble: Any) -> None:
        self._hooks.__exit__(*trouble)


class Products:
    """Floating-point operations in products of matrices."""

    def __init__(self) -> None:
        self.amount = 0

    def __enter__(self) -> Products:
        from torch.utils.flop_counter import FlopCounterMode

        self._mode = FlopCounterMode(display=False)
        self._mode.__enter__()
        return self

    def __exit__(self, *trouble: Any) -> None:
        self._mode.__exit__(*trouble)
        self.amount += self._mode.get_total_flops()


MEASURES = {
    kind.__name__: kind
    for kind in (PeakMemory, LargestTensor, KeptForBackward, Products)
}
