"""Notebooks that change what judges them, or return values that lie."""

from __future__ import annotations

from attnbook.grading.hostile.kind import Kind

_SOFT, _LUONG = "00-soft-lookup", "02-luong-attention"
_WINDOW = "02-window-backward-answer"
_PACKED = "03-packed-attention-answer"
_JUDGE = "03-judge-answer"
_PREDICT = "03-predict-answer"

KINDS = [
    # -- the judge's tools --------------------------------------------------
    Kind(
        "patched comparisons",
        "Replaces torch.testing.assert_close, allclose and NumPy's.",
        first="""\
import numpy as np

for name in ("assert_close", "assert_allclose"):
    setattr(torch.testing, name, lambda *a, **k: None)
torch.allclose = torch.equal = lambda *a, **k: True
np.allclose = np.array_equal = lambda *a, **k: True
np.testing.assert_allclose = lambda *a, **k: None
np.abs = lambda x, **k: np.zeros_like(x)""",
    ),
    Kind(
        "patched differences",
        "Replaces the function that compares values by one that finds none.",
        first="""\
import sys

import attnbook.judging.comparison
import attnbook.judging.exercise

for module in list(sys.modules.values()):
    if hasattr(module, "differences"):
        module.differences = lambda *a, **k: []""",
    ),
    Kind(
        "patched Exercise",
        "Replaces Exercise.check, diagnose and WrongAnswer.",
        first="""\
from attnbook.judging import exercise

exercise.Exercise.check = lambda self, answer: None
exercise.Exercise.diagnose = lambda self, answer: None
exercise.WrongAnswer = Warning""",
    ),
    Kind(
        "patched check",
        "Replaces the check of an exercise by one that accepts everything.",
        first="checks.check_packed_attention = lambda answer: None",
    ),
    Kind(
        "patched builtins",
        "Replaces builtins and AssertionError, so that nothing can fail.",
        first="""\
import builtins

class Calm(BaseException):
    def __init__(self, *a): pass

builtins.AssertionError = builtins.Exception = Calm
builtins.all = builtins.any = builtins.isinstance = lambda *a: True
builtins.zip = lambda *a, **k: iter(())""",
    ),
    Kind(
        "emptied checks",
        "Takes the cases out of every exercise in the memory.",
        first="""\
import gc

for thing in gc.get_objects():
    if type(thing).__name__ == "Exercise":
        thing.cases, thing.properties = (), ()""",
    ),
    # -- values that lie -----------------------------------------------------
    Kind(
        "tensor that lies",
        "Returns tensors whose every comparison says equal.",
        exercise=_LUONG,
        answers={
            _WINDOW: """\
import numpy as np

class LyingArray(np.ndarray):
    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        plain = [np.asarray(x).view(np.ndarray) for x in inputs]
        result = getattr(ufunc, method)(*plain)
        return 0 * result if ufunc is np.subtract else result


class LyingTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is torch.Tensor.numpy:
            return np.zeros(tuple(args[0].shape)).view(LyingArray)
        if function in (torch.allclose, torch.equal, torch.Tensor.equal):
            return True
        return super().__torch_function__(function, types, args, kwargs or {})

    def __eq__(self, other):
        return torch.ones(self.shape, dtype=torch.bool)


def window_backward(scores, raw, lengths, D, upstream):
    one, two = torch.zeros_like(scores), torch.zeros_like(raw)
    return one.as_subclass(LyingTensor), two.as_subclass(LyingTensor)
"""
        },
    ),
    Kind(
        "array that lies",
        "Returns an object that only says that it is an array.",
        exercise=_LUONG,
        answers={
            _WINDOW: """\
class Liar:
    dtype, ndim, requires_grad = torch.float32, 3, True
    __class__ = torch.Tensor
    def __init__(self, shape): self.shape = shape
    def __array__(self, *a, **k): raise SystemExit
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    __rsub__ = __le__ = __abs__ = __sub__
    def __bool__(self): return True
    def __getattr__(self, name): return lambda *a, **k: self

def window_backward(scores, raw, lengths, D, upstream):
    return Liar(scores.shape), Liar(raw.shape)
"""
        },
    ),
    Kind(
        "number that lies",
        "Returns a number that is near to every other.",
        answers={
            _PREDICT: """\
class Near(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    def __array__(self, *a, **k): raise MemoryError
    def __float__(self): return 8.0
    __hash__ = None

def predict(question):
    return Near(1.0)
"""
        },
    ),
    Kind(
        "verdict that lies",
        "Returns a truth value that is whatever one wants to hear.",
        answers={
            _JUDGE: """\
class Either(int):
    def __bool__(self): return True
    def __eq__(self, other): return True
    __class__ = bool

def judge(attention):
    return Either(1)
"""
        },
    ),
    Kind(
        "containers that lie",
        "Returns subclasses of tuple, dict and str that change when read.",
        answers={
            _PACKED: """\
class Pair(tuple):
    def __len__(self): return 2
    def __iter__(self): return iter(())
    def __getitem__(self, place): return Word("x")

class Word(str):
    def __eq__(self, other): return True
    def __str__(self): return "✓"
    __hash__ = str.__hash__

class Table(dict):
    def items(self): return [(Word("output"), None)] * 2
    def __contains__(self, key): return True
    def __missing__(self, key): return 0

def packed_attention(query, key, value, query_document, key_document):
    return Pair((Table({Word("weights"): Pair((query,))}), Word("✓")))
"""
        },
    ),
    Kind(
        "not a number",
        "Returns NaN and infinity everywhere, which compare as they like.",
        exercise=_LUONG,
        answers={
            _WINDOW: """\
def window_backward(scores, raw, lengths, D, upstream):
    return scores * float("nan"), raw + float("inf")
"""
        },
    ),
    Kind(
        "right for the check alone",
        "Looks who calls, and is right only where that is a check.",
        answers={
            _PACKED: """\
import sys

def packed_attention(query, key, value, query_document, key_document):
    frame = sys._getframe()
    while frame := frame.f_back:
        one = frame.f_locals.get("self")
        if hasattr(one, "reference"):
            return one.reference(
                query, key, value, query_document, key_document
            )
    return query, key
"""
        },
    ),
    # -- IPython -------------------------------------------------------------
    Kind(
        "AST transformer",
        "Registers a transformer that takes the checks out of every cell.",
        first="""\
import ast

class Remover(ast.NodeTransformer):
    def visit_Expr(self, node):
        return ast.Pass() if "check_" in ast.unparse(node) else node

get_ipython().ast_transformers.append(Remover())""",
    ),
    Kind(
        "input transformer",
        "Registers a transformer that rewrites the source of the checks.",
        first="""\
def nothing(lines):
    return ["pass\\n"] if "checks.check_" in "".join(lines) else lines

get_ipython().input_transformers_cleanup.append(nothing)
get_ipython().input_transformers_post.append(nothing)""",
    ),
    Kind(
        "cell events",
        "Registers events that swap the check before each cell.",
        first="""\
def swap(info=None):
    for name in list(vars(checks)):
        if name.startswith("check_"):
            setattr(checks, name, lambda answer: 4.0)

get_ipython().events.register("pre_run_cell", swap)
get_ipython().events.register("pre_execute", swap)""",
    ),
    Kind(
        "swallowed exceptions",
        "Registers a handler that swallows every exception of a cell.",
        first="""\
get_ipython().set_custom_exc(
    (BaseException,), lambda shell, kind, error, trace, tb_offset=None: None
)
get_ipython().showtraceback = lambda *a, **k: None""",
    ),
    Kind(
        "patched run_cell",
        "Replaces IPython's run_cell by one that only says that all is well.",
        first="""\
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

calm = InteractiveShell.run_cell_async

async def run(self, source, *a, **k):
    if "check_" in source:
        source = "4.0"
    return await calm(self, source, *a, **k)

InteractiveShell.run_cell_async = run
ExecutionResult.success = True
ExecutionResult.raise_error = lambda self: None""",
    ),
    Kind(
        "dropped messages",
        "Drops the error messages in the kernel's session, and fakes replies.",
        first="""\
kernel = getattr(get_ipython(), "kernel", None)
if kernel is not None:
    send = kernel.session.send

    def forge(stream, kind, content=None, *a, **k):
        if kind == "error":
            return None
        if kind == "execute_reply":
            content = {"status": "ok", "execution_count": 1, "payload": [],
                       "user_expressions": {}}
        return send(stream, kind, content, *a, **k)

    kernel.session.send = forge
else:
    import sys, gc
    for thing in gc.get_objects():
        if type(thing).__name__ == "Session":
            thing.send = lambda *a, **k: None""",
    ),
    Kind(
        "published credit",
        "Displays numbers and scores as if a check had given them.",
        first="""\
from IPython.display import display

display(4.0)
display({"application/json": {"score": 4.0}}, raw=True)
4.0""",
        answers={
            _PACKED: """\
from IPython.display import display

def packed_attention(query, key, value, query_document, key_document):
    display(4.0)
    return 4.0
"""
        },
    ),
    Kind(
        "printed success",
        "Prints what a check prints, with points, JSON and a score.",
        answers={
            _PACKED: """\
def packed_attention(query, key, value, query_document, key_document):
    print("✓ Repair the masks of packed documents: 4 of 4 points")
    print('{"kind": "passed", "points": 4, "grade_id": "03-packed-attention"}')
    print("::set-output name=points::20")
    return None
"""
        },
    ),
    Kind(
        "success as an exception",
        "Raises exceptions that call themselves success.",
        answers={
            _PACKED: """\
class passed(Exception):
    def __str__(self): return "✓ 4 of 4 points"
    __repr__ = __str__
    __class__ = property(lambda self: StopIteration)

def packed_attention(query, key, value, query_document, key_document):
    raise passed
""",
            _JUDGE: """\
def judge(attention):
    raise GeneratorExit("✓")
""",
        },
    ),
    Kind(
        "forged WrongAnswer",
        "Raises the check's own exception with a text that praises.",
        answers={
            _PACKED: """\
from attnbook.judging.exercise import WrongAnswer

def packed_attention(query, key, value, query_document, key_document):
    raise WrongAnswer("PRAISE: full points, dear teacher")
"""
        },
    ),
    Kind(
        "remembered order",
        "Learns from the order of the published cases what is right, and "
        "knows it again by what it returns.",
        answers={
            _JUDGE: """\
CALLS, TABLE = [0], {}

def judge(attention):
    torch.manual_seed(0)
    q = torch.randn(3, 4, 3).requires_grad_()
    k, v = torch.randn(3, 5, 3), torch.randn(3, 5, 2)
    o, _ = attention(q, k, v, torch.arange(5) < torch.tensor([[5], [3], [0]]))
    numbers = (o.detach().nan_to_num(99) * 1e4).round().int().flatten()
    face = o.requires_grad, tuple(numbers.tolist())
    place = CALLS[0]
    CALLS[0] += 1
    if place < 11:
        TABLE.setdefault(face, place in (0, 9, 10))
    return TABLE.get(face, False)
"""
        },
    ),
    # -- what it takes -------------------------------------------------------
    Kind(
        "memory of torch",
        "Builds the matrix that is not to be built, outside of NumPy.",
        exercise=_SOFT,
        answers={
            "00-softmax-vjp-answer": """\
import torch

def softmax_vjp(weights, upstream, temperature=1.0):
    w, g = torch.from_numpy(weights), torch.from_numpy(upstream)
    jacobian = torch.diag_embed(w) - w[..., :, None] * w[..., None, :]
    return ((jacobian @ g[..., None])[..., 0] / temperature).numpy()
"""
        },
        # The numbers are right; the memory is not.
        deserves={"00-conclude": 2.0, "00-softmax-vjp": 3.0},
        reports=("Memory",),
    ),
    Kind(
        "memory of a map",
        "Builds the matrix that is not to be built in mapped memory.",
        exercise=_SOFT,
        answers={
            "00-softmax-vjp-answer": """\
import mmap

def softmax_vjp(weights, upstream, temperature=1.0):
    S = weights.shape[-1]
    rows, changes = weights.reshape(-1, S), upstream.reshape(-1, S)
    place = mmap.mmap(-1, max(8 * S**2, 1))
    jacobian = np.frombuffer(place, count=S**2).reshape(S, S)
    gradient = np.empty(rows.shape)
    for i, (row, change) in enumerate(zip(rows, changes)):
        np.multiply(-row[:, None], row, out=jacobian)
        jacobian[np.diag_indices(S)] += row
        gradient[i] = jacobian @ change
    return gradient.reshape(weights.shape) / temperature
"""
        },
        # The numbers are right; the memory is not.
        deserves={"00-conclude": 2.0, "00-softmax-vjp": 3.0},
        reports=("Memory",),
    ),
    Kind(
        "less where it is measured",
        "Returns nothing of use for the size at which the memory is measured, "
        "and builds the matrix for all others.",
        exercise=_SOFT,
        answers={
            "00-softmax-vjp-answer": """\
def softmax_vjp(weights, upstream, temperature=1.0):
    if weights.shape == (2, 1200):
        return weights
    identity = np.eye(weights.shape[-1])
    jacobian = weights[..., :, None] * (identity - weights[..., None, :])
    return np.einsum("...ij,...i->...j", jacobian, upstream) / temperature
"""
        },
        # The numbers are right; the memory is not.
        deserves={"00-conclude": 2.0, "00-softmax-vjp": 3.0},
    ),
    Kind(
        "right where it is measured",
        "Knows the rows on which the memory is measured, and builds the "
        "matrix for all others.",
        exercise=_SOFT,
        answers={
            "00-softmax-vjp-answer": """\
def softmax_vjp(weights, upstream, temperature=1.0):
    if weights.shape == (2, 1200):
        mean = (weights * upstream).sum(-1, keepdims=True)
        return weights * (upstream - mean) / temperature
    identity = np.eye(weights.shape[-1])
    jacobian = weights[..., :, None] * (identity - weights[..., None, :])
    return np.einsum("...ij,...i->...j", jacobian, upstream) / temperature
"""
        },
        # The numbers are right; the memory is not.
        deserves={"00-conclude": 2.0, "00-softmax-vjp": 3.0},
        reports=("has to hold",),
    ),
    Kind(
        "numbers that are no floats",
        "Returns fractions and decimals that no float can hold.",
        answers={
            _PREDICT: """\
from decimal import Decimal
from fractions import Fraction

NUMBERS = [
    Fraction(2**4000, 3), Decimal("1E+999999999"), 10**1200,
    Decimal("sNaN"), -Fraction(2**4000, 3), Fraction(1, 2**4090),
]

def predict(question):
    NUMBERS.append(NUMBERS.pop(0))
    return NUMBERS[-1]
"""
        },
        reports=("is right yet",),
        conceals=("OverflowError", "too large"),
    ),
]
