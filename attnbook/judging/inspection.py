"""Looks at an answer in the process where it runs.

What it raises, how its code is made, which function a name stands for, and
what a call of it takes. An answer runs in the process that judges it, or in
a student's own: both import this module, so it holds nothing that a student
must not see. The other modules of :mod:`attnbook.judging` stay out of the
sandbox.

Each measure is entered around what it is to see; ``amount`` holds the
result.
"""

from __future__ import annotations

import contextlib
import dis
import importlib
import inspect
import sys
import sysconfig
import traceback
import tracemalloc
import types
from pathlib import Path
from typing import Any

# Where code is not the learner's.
_LIBRARY = (
    *(sysconfig.get_paths()[name] for name in ("stdlib", "purelib")),
    str(Path(__file__).parents[1]),
)


class TakenAwayError(Exception):
    """Raised when an answer calls what the exercise forbids."""


# -- its exceptions and its code ---------------------------------------------


def place(
    error: BaseException,
    longest_name: int | None = None,
    longest_line: int | None = None,
) -> str:
    """Return the last line of the learner's own code in a traceback.

    The name of the function and the line itself can be cut; the result is
    "" where no code of the learner's was on the way.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(_LIBRARY):
            continue
        name, line = frame.name[:longest_name], frame.line
        code = f": `{line[:longest_line]}`" if line else ""
        return f"line {frame.lineno} of `{name}`{code}"
    return ""


def name_of_kind(value: Any) -> str:
    """Return the name of a value's class, or a more telling one."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        with torch._C.DisableTorchFunctionSubclass():
            if value.layout not in (torch.strided, torch.jagged):
                return "SparseTensor"
    return type(value).__name__


def has_loop(answer: Any) -> bool:
    """Say whether a function, or a method of a class, has a loop."""
    if isinstance(answer, type):
        return any(
            has_loop(member)
            for member in vars(answer).values()
            if inspect.isfunction(member)
        )
    code = getattr(answer, "__code__", None)
    stack = [code] if isinstance(code, types.CodeType) else []
    while stack:
        code = stack.pop()
        for instruction in dis.get_instructions(code):
            operation = instruction.opname
            if operation == "FOR_ITER" or (
                "JUMP_BACKWARD" in operation
                and "NO_INTERRUPT" not in operation
            ):
                return True
        stack += [
            constant
            for constant in code.co_consts
            if isinstance(constant, types.CodeType)
        ]
    return False


def resolved(name: str) -> tuple[Any, str]:
    """Return the owner of a dotted name, and its last part."""
    *path, attribute = name.split(".")
    owner = importlib.import_module(path[0])
    for part in path[1:]:
        if not hasattr(owner, part) and isinstance(owner, types.ModuleType):
            importlib.import_module(f"{owner.__name__}.{part}")
        owner = getattr(owner, part)
    return owner, attribute


# -- what a call takes -------------------------------------------------------


class PeakMemory:
    """Bytes that an answer takes at most, beyond those before.

    What Python and NumPy take, with what is mapped; or the largest tensor,
    where that is more.
    """

    def __init__(self) -> None:
        self.amount = 0

    def __enter__(self) -> PeakMemory:
        self._tensors = _largest_storage() if "torch" in sys.modules else None
        if self._tensors:
            self._tensors.__enter__()
        self._was_tracing = tracemalloc.is_tracing()
        if not self._was_tracing:
            tracemalloc.start()
        self._before, _ = tracemalloc.get_traced_memory()
        self._mapped_before = _Maps.so_far()
        tracemalloc.reset_peak()
        return self

    def __exit__(self, *trouble: Any) -> None:
        _, peak = tracemalloc.get_traced_memory()
        if not self._was_tracing:
            tracemalloc.stop()
        taken = peak - self._before + _Maps.so_far() - self._mapped_before
        self.amount = max(self.amount, taken)
        if self._tensors:
            self._tensors.__exit__(*trouble)
            self.amount = max(self.amount, self._tensors.most)


class _Maps:
    """Counts the bytes that are mapped, by whatever library."""

    _bytes = 0
    _hears = False

    @classmethod
    def so_far(cls) -> int:
        """Return the bytes since this was asked first."""
        if not cls._hears:
            cls._hears = True
            sys.addaudithook(cls._hear)
        return cls._bytes

    @classmethod
    def _hear(cls, event: str, arguments: tuple) -> None:
        if event == "mmap.__new__":
            cls._bytes += arguments[1]


def _largest_storage() -> Any:
    """Return a mode in which ``most`` is the largest storage of a tensor."""
    from torch import Tensor
    from torch.overrides import TorchFunctionMode

    class Mode(TorchFunctionMode):
        most = 0

        def __torch_function__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            for tensor in result if isinstance(result, tuple) else (result,):
                if type(tensor) is Tensor:
                    # A tensor of a transform has none of its own.
                    with contextlib.suppress(RuntimeError):
                        size = tensor.untyped_storage().nbytes()
                        self.most = max(self.most, size)
            return result

    return Mode()


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


class NumbersHeld:
    """Numbers that are held at one moment, at most, beyond those before.

    Those of the tensors that functions of torch return, as long as they are
    alive, each storage once; of a view as many as it shows. What Python and
    NumPy hold counts a number for eight bytes, where that is more.
    """

    _least = 8  # entries; the object of a smaller tensor takes more itself

    def __init__(self) -> None:
        self._most = self._total = self._bytes = 0
        self._held: dict[int, tuple[Any, int]] = {}  # by storage

    @property
    def amount(self) -> int:
        """The most so far."""
        return max(self._most, self._bytes // 8)

    def __enter__(self) -> NumbersHeld:
        from torch import Tensor
        from torch.multiprocessing.reductions import StorageWeakRef
        from torch.overrides import TorchFunctionMode

        note = self._note

        class Mode(TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                result = func(*args, **(kwargs or {}))
                many = isinstance(result, (tuple, list))
                for one in result if many else (result,):
                    if type(one) is Tensor:
                        # A tensor of a transform has no storage of its own.
                        with contextlib.suppress(RuntimeError):
                            note(one)
                return result

        self._reference = StorageWeakRef
        self._was_tracing = tracemalloc.is_tracing()
        if not self._was_tracing:
            tracemalloc.start()
        self._before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        self._mode = Mode()
        self._mode.__enter__()
        return self

    def _note(self, tensor: Any) -> None:
        storage = tensor.untyped_storage()
        entries = storage.nbytes() // tensor.element_size()
        shown = min(tensor.numel(), entries)
        if shown < self._least:
            return
        key = storage._cdata
        reference, before = self._held.get(key, (None, 0))
        if shown <= before:
            return
        self._held[key] = reference or self._reference(storage), shown
        self._total += shown - before
        if self._total > self._most:
            self._held = {
                key: pair
                for key, pair in self._held.items()
                if not pair[0].expired()
            }
            self._total = sum(shown for _, shown in self._held.values())
            self._most = max(self._most, self._total)

    def __exit__(self, *trouble: Any) -> None:
        self._mode.__exit__(*trouble)
        _, peak = tracemalloc.get_traced_memory()
        if not self._was_tracing:
            tracemalloc.stop()
        self._bytes = max(self._bytes, peak - self._before)
        self._held.clear()
        self._total = 0


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


class Calls:
    """Functions of torch that an answer calls, methods among them."""

    def __init__(self) -> None:
        self.amount = 0

    def __enter__(self) -> Calls:
        from torch.overrides import TorchFunctionMode

        measure = self

        class Mode(TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                measure.amount += 1
                return func(*args, **(kwargs or {}))

        self._mode = Mode()
        self._mode.__enter__()
        return self

    def __exit__(self, *trouble: Any) -> None:
        self._mode.__exit__(*trouble)


MEASURES = {
    kind.__name__: kind
    for kind in (
        PeakMemory,
        LargestTensor,
        NumbersHeld,
        KeptForBackward,
        Products,
        Calls,
    )
}
