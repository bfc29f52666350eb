"""Compares values, and says in words how they differ.

Values are NumPy arrays, torch tensors, numbers, strings, booleans, ``None``,
and tuples, lists and dicts of these. torch is never imported here: a value
can only be a tensor when somebody else has imported it.
"""

from __future__ import annotations

import copy
import inspect
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from attnbook.judging import inspection

_LONGEST_NUMBER = 40  # characters of a number in a message
_FEW = 4  # numbers that a message shows


@dataclass(frozen=True)
class Difference:
    rank: int
    kind: str
    lines: tuple[str, ...]


RANKS = {"type": 0, "shape": 1, "nan": 2, "value": 3}


def differences(
    expected: Any,
    got: Any,
    path: str,
    tolerance: float,
    axes: Mapping[str, str] | None = None,
) -> list[Difference]:
    """Compare by value, level by level, and describe what differs."""
    if plainly_near(expected, got, tolerance):
        return []

    def different(kind: str, *lines: str) -> list[Difference]:
        return [Difference(RANKS[kind], kind, lines)]

    def mistyped(*more: str) -> list[Difference]:
        return different(
            "type",
            f"{path} should be {kind_of(expected)}, yours is {kind_of(got)}.",
            *more,
        )

    if got is None and expected is not None:
        return mistyped("Does your code end with `return …`?")
    if isinstance(expected, (tuple, list)):
        if not isinstance(got, (tuple, list)):
            return mistyped()
        if len(got) != len(expected):
            return different(
                "shape",
                f"{path} should have {entries(len(expected))}, yours has "
                f"{len(got)}.",
            )
        return [
            difference
            for index, (one, other) in enumerate(
                zip(expected, got, strict=True)
            )
            for difference in differences(
                one, other, f"{path}[{index}]", tolerance, axes
            )
        ]
    if isinstance(expected, Mapping):
        if not isinstance(got, Mapping):
            return mistyped()
        if set(got) != set(expected):
            return different(
                "shape",
                f"{path} should have the keys "
                f"{sorted(map(str, expected))}, yours has "
                f"{sorted(map(str, got))}.",
            )
        return [
            difference
            for key, one in expected.items()
            for difference in differences(
                one, got[key], f"{path}[{key!r}]", tolerance, axes
            )
        ]
    if is_array(expected) or is_number(expected):
        return _array_differences(
            expected, got, path, tolerance, axes or {}, mistyped, different
        )
    if type(expected) is not type(got):
        return mistyped()
    if expected != got:
        return different(
            "value",
            f"{path} should be {expected!r}, yours is {got!r}.",
        )
    return []


def plainly_near(expected: Any, got: Any, tolerance: float) -> bool | None:
    """Say whether two tensors are near; None where that is not plain.

    It is plain of tensors of one type and shape. To say in words what
    differs takes 20 times as long.
    """
    torch = sys.modules.get("torch")
    if (
        torch is None
        or type(expected) is not torch.Tensor
        or type(got) is not torch.Tensor
        or expected.dtype != got.dtype
        or expected.shape != got.shape
        or not expected.layout == got.layout == torch.strided
        or not expected.device.type == got.device.type == "cpu"
    ):
        return None
    with torch.no_grad():
        if torch.equal(expected, got):
            return True
        if not expected.is_floating_point():
            return None
        # |got − expected| ≤ tolerance · (1 + |expected|), as below.
        return torch.allclose(
            got.double(), expected.double(), tolerance, tolerance, True
        )


def _array_differences(
    expected, got, path, tolerance, axes, mistyped, different
) -> list[Difference]:
    scalar = not is_array(expected) or (
        as_array(expected).ndim == 0 and not is_tensor(expected)
    )
    if scalar:
        if not is_array(got) and not is_number(got):
            return mistyped()
    elif is_tensor(expected) != is_tensor(got) or not is_array(got):
        return mistyped()
    one, other = as_array(expected), as_array(got)
    if one.dtype == bool and other.dtype != bool:
        return different(
            "type",
            f"{path} should hold booleans (True, False), yours holds "
            f"{_numbers(other)}.",
        )
    if one.dtype != bool and other.dtype == bool:
        return different(
            "type",
            f"{path} should hold {_numbers(one)}, yours holds booleans "
            "(True, False).",
        )
    if other.dtype.kind not in "biufc":
        return mistyped()
    if one.shape != other.shape:
        letters = axes.get(path, "").split()
        meaning = (
            ", that is "
            + ", ".join(
                f"{letter} = {size}"
                for letter, size in zip(letters, one.shape, strict=True)
            )
            if len(letters) == one.ndim and letters
            else ""
        )
        return different(
            "shape",
            f"{path} has the wrong shape: expected {_shape(one.shape)}"
            f"{meaning}, got {_shape(other.shape)}.",
            *_shape_hint(one, other),
        )
    if one.dtype == bool:
        wrong = one != other
    else:
        same = one == other
        if same.all():
            return []
        missing = np.isnan(other) & ~np.isnan(one)
        if missing.any():
            index = _first(missing)
            if one.ndim == 0:
                result = "The result" if path == "output" else path
                return different(
                    "nan",
                    f"{result} is NaN, “not a number”.",
                    "NaN comes from 0/0, ∞ − ∞, or the softmax of a row of "
                    "−∞.",
                )
            return different(
                "nan",
                f"{path} holds NaN, “not a number”, in "
                f"{int(missing.sum())} of its {entries(one.size)}; the "
                f"first is {_entry(path, index)}.",
                "NaN comes from 0/0, ∞ − ∞, or the softmax of a row of −∞.",
            )
        # As whole numbers they may wrap around where they are subtracted.
        real = np.result_type(one, other, np.float64)
        with np.errstate(all="ignore"):
            gap = np.abs(other.astype(real) - one)
            near = gap <= tolerance * (1 + np.abs(one.astype(real)))
        near &= np.isfinite(one)  # an infinite one would be near to all
        near |= same
        near |= np.isnan(one) & np.isnan(other)
        wrong = ~near
    if not wrong.any():
        return []
    index = _first(wrong)
    digits = _digits(one[index], other[index])
    many = (
        f" {int(wrong.sum())} of {entries(one.size)} differ."
        if one.ndim
        else ""
    )
    return different(
        "value",
        f"{_entry(path, index)} should be {digits[0]}, yours is "
        f"{digits[1]}{_precision(got)}.{many}",
    )


def row_sums(expected: Any, got: Any, path: str) -> tuple[str, ...]:
    """Say which row of weights does not sum to what it should.

    The keys are the last axis: a row sums to 1, or to 0 where nothing may
    be attended to. Both arrays have the same shape.
    """
    one, other = as_array(expected), as_array(got)
    if one.ndim == 0:
        return ()
    wanted, sums = one.sum(-1), other.sum(-1)
    full, empty = np.isclose(wanted, 1, atol=1e-4), np.isclose(wanted, 0)
    wrong = ~np.isclose(sums, wanted, atol=1e-3)
    if not np.all(full | empty) or not wrong.any():
        return ()
    index = _first(wrong)
    should = (
        "this row should sum to 1"
        if full[index]
        else "this row may attend to nothing and should sum to 0"
    )
    row = _entry(path, index)
    return (f"{row} sums to {sums[index]:.4g} over the keys; {should}.",)


def _shape_hint(one: np.ndarray, other: np.ndarray) -> list[str]:
    if one.ndim == other.ndim and sorted(one.shape) == sorted(other.shape):
        return ["The axes are in another order than asked for."]
    if one.size == other.size and one.squeeze().shape == other.squeeze().shape:
        return ["Only an axis of length 1 is too many or missing."]
    if one.ndim != other.ndim:
        return [f"It has {_axes(other.ndim)}; {one.ndim} expected."]
    return []


def _shape(shape: tuple[int, ...]) -> str:
    if shape == ():
        return "() (a single number)"
    if len(shape) == 1:
        return f"{shape} (a vector of {shape[0]})"
    if len(shape) == 2:
        return f"{shape} ({shape[0]} × {shape[1]})"
    return str(shape)


def _axes(count: int) -> str:
    return "1 axis" if count == 1 else f"{count} axes"


def entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _first(wrong: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def _entry(path: str, index: tuple[int, ...]) -> str:
    return f"{path}[{', '.join(map(str, index))}]" if index else path


def _digits(expected, got) -> tuple[str, str]:
    """Write two numbers with as many digits as it takes to differ."""
    for count in (4, 6, 9, 17):
        pair = tuple(
            str(x) if x.dtype.kind in "biu" else f"{x:.{count}g}"
            for x in (expected, got)
        )
        if pair[0] != pair[1]:
            break
    return pair


def _flat(array: np.ndarray) -> str:
    return f"[{', '.join(f'{x:.4g}' for x in array.ravel())}]"


def _precision(value: Any) -> str:
    """Name a type of so few digits that they may be all that is wrong."""
    name = str(getattr(value, "dtype", "")).removeprefix("torch.")
    return f", in {name}" if name in ("float16", "bfloat16") else ""


def _numbers(array: np.ndarray) -> str:
    return "whole numbers" if array.dtype.kind in "iu" else "numbers"


# -- kinds of value --------------------------------------------------------


def is_tensor(value: Any) -> bool:
    """Say whether it is a tensor whose numbers can be read one by one."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return False
    with torch._C.DisableTorchFunctionSubclass():
        return value.layout == torch.strided and value.device.type != "meta"


def is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or is_tensor(value)


def is_number(value: Any) -> bool:
    return isinstance(
        value, (bool, int, float, complex, np.generic, Fraction, Decimal)
    )


def is_data(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(is_data(item) for item in value)
    if isinstance(value, Mapping):
        return all(is_data(item) for item in value.values())
    return (
        value is None
        or is_array(value)
        or is_number(value)
        or isinstance(value, str)
    )


def as_array(value: Any) -> np.ndarray:
    if is_tensor(value):
        value = plain_tensor(value).detach().cpu()
        if value.is_floating_point():
            value = value.double()
        return value.numpy()
    if isinstance(value, (Fraction, Decimal)):
        try:
            value = float(value)
        except OverflowError:
            value = math.inf if value > 0 else -math.inf
        except ValueError:  # of a NaN that signals
            value = math.nan
    return np.asarray(value)


def kept(value: Any) -> Any:
    """Copy the data in a value, so that no later call can change them.

    Tensors are cut off from their graph. What is no data stays as it is, and
    classes that only add to lists, dicts, arrays and tensors are left out:
    that is how a value comes out of another process, too.
    """
    if is_tensor(value):
        return plain_tensor(value).detach().clone()
    if isinstance(value, np.ndarray):
        return np.array(value)
    if isinstance(value, (tuple, list)):
        kind = tuple if isinstance(value, tuple) else list
        return kind(kept(item) for item in value)
    if isinstance(value, Mapping):
        return {key: kept(item) for key, item in value.items()}
    return value


def copied(value: Any, memo: dict | None = None) -> Any:
    """Do as :func:`copy.deepcopy`, which takes its time over tensors."""
    memo = {} if memo is None else memo
    if id(value) in memo:
        return memo[id(value)]
    torch, kind = sys.modules.get("torch"), type(value)
    if kind is tuple:
        return tuple(copied(item, memo) for item in value)
    if torch and kind is torch.Tensor and _stands_alone(value):
        memo[id(value)] = value.clone()
        return memo[id(value)]
    return copy.deepcopy(value, memo)


def _stands_alone(tensor: Any) -> bool:
    """Say whether there is nothing to a tensor but its numbers."""
    return (
        not tensor.requires_grad
        and tensor.is_contiguous()
        and tensor.device.type == "cpu"
        and tensor.untyped_storage().nbytes()
        == tensor.numel() * tensor.itemsize
    )


def plain_tensor(value: Any) -> Any:
    """Return a tensor as one of torch's own class, whatever its class is."""
    torch = sys.modules["torch"]
    with torch._C.DisableTorchFunctionSubclass():
        return value.as_subclass(torch.Tensor)


def with_gradients(value: Any, leaves: list) -> Any:
    if is_tensor(value) and value.is_floating_point():
        leaves.append(value.detach().clone().requires_grad_())
        return leaves[-1]
    if isinstance(value, (tuple, list)):
        return type(value)(with_gradients(item, leaves) for item in value)
    if isinstance(value, dict):
        return {k: with_gradients(v, leaves) for k, v in value.items()}
    return value


def nudged(value: Any, by: float, random: np.random.Generator) -> Any:
    """Move each number that is not whole by about such a part of itself."""
    if isinstance(value, (tuple, list)):
        return type(value)(nudged(item, by, random) for item in value)
    if isinstance(value, dict):
        return {k: nudged(item, by, random) for k, item in value.items()}
    if isinstance(value, partial):
        arguments = nudged(value.args, by, random)
        return partial(value.func, *arguments, **value.keywords)
    if isinstance(value, float):
        return value * (1 + by * random.uniform(-1, 1))
    if not is_array(value) or as_array(value).dtype.kind != "f":
        return value
    factor = 1 + by * random.uniform(-1, 1, tuple(value.shape))
    if is_tensor(value):
        factor = sys.modules["torch"].as_tensor(factor).to(value)
    return value * factor


def floating_tensors(value: Any) -> Iterator:
    if is_tensor(value):
        if value.is_floating_point():
            yield plain_tensor(value)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from floating_tensors(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from floating_tensors(item)


def kind_of(value: Any) -> str:
    """Name the kind of a value in words."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return "a class"
    if is_tensor(value):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"a NumPy array of shape {value.shape}"
    if isinstance(value, (bool, np.bool_)):
        return f"the boolean {bool(value)}"
    if is_number(value):
        whole = isinstance(value, (int, np.integer, Fraction))
        text = str(value) if whole else f"{value:.4g}"
        if len(text) > _LONGEST_NUMBER:
            text = text[: _LONGEST_NUMBER - 1] + "…"
        return f"the number {text}"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, (tuple, list)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return f"a {kind} of {entries(len(value))}"
    if isinstance(value, Mapping):
        return "a dict"
    if inspect.isroutine(value):
        return "a function"
    name = inspection.name_of_kind(value)
    article = "an" if name[:1].lower() in "aeiou" else "a"
    return f"{article} {name} object"


def brief(value: Any) -> str:
    """Show an input: its shape, and its numbers where they are few."""
    if is_array(value):
        shape, array = tuple(value.shape), as_array(value)
        if 0 < array.size <= _FEW:
            return f"{shape} {_flat(array)}"
        return str(shape)
    if isinstance(value, (tuple, list, Mapping)):
        return kind_of(value)
    if callable(value):
        return "(a function)"
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"
