"""Gradients across the pipe, the conditions of a call, and what is refused."""

import numpy as np
import pytest
import torch
from remote_answers import FORBIDDEN, get

from attnbook.grading.isolation.remote import CellEnded
from attnbook.grading.isolation.wire import WireError
from attnbook.judging import watching
from attnbook.judging.conditions import has_loop, trial
from attnbook.judging.exercise import Case, Exercise

# -- gradients --------------------------------------------------------------


def gradients(answer, *inputs):
    leaves = [x.clone().requires_grad_() for x in inputs]
    output = answer(*leaves)
    outputs = output if isinstance(output, tuple) else (output,)
    total = sum((o * torch.arange(1.0, 1 + o.numel())).sum() for o in outputs)
    return torch.autograd.grad(total, leaves, allow_unused=True)


@pytest.mark.parametrize(
    "code",
    [
        "x * y",
        "(x * y, x + 1)",
        "x.detach() * y",
        "(x.detach(), y)",
        "x * 3",
        "torch.nn.Parameter(x.detach()) * y",
        "torch.nn.Parameter(x.detach()) * 2",
        "x.detach().requires_grad_()",
        "torch.utils.checkpoint.checkpoint(torch.mul, x, y, "
        "use_reentrant=False)",
        "x",
    ],
)
def test_gradients_flow_as_they_do_here(lasting, code):
    source = f"import torch.utils.checkpoint\ndef f(x, y): return {code}"
    here: dict = {"torch": torch}
    exec(source, here)
    inputs = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0])
    wanted = gradients(here["f"], *inputs)
    for one, other in zip(
        wanted, gradients(get(lasting, source), *inputs), strict=True
    ):
        assert (one is None) == (other is None)
        assert one is None or one.tolist() == other.tolist()


def test_a_gradient_that_is_not_there_is_none(lasting):
    ignore = get(lasting, "def f(x, y): return y * 2")
    x, y = (torch.ones(2, requires_grad=True) for _ in range(2))
    assert torch.autograd.grad(
        ignore(x, y).sum(), [x, y], allow_unused=True
    )[0] is None  # fmt: skip


def test_an_output_that_is_not_used_gives_none(lasting):
    both = get(lasting, "def f(x, y): return x * 2, y * 3")
    x, y = (torch.ones(2, requires_grad=True) for _ in range(2))
    first, _ = both(x, y)
    assert torch.autograd.grad(
        first.sum(), [x, y], allow_unused=True
    )[1] is None  # fmt: skip


def test_without_gradients_there_is_no_graph(lasting):
    double = get(lasting, "def f(x): return 2 * x, torch.is_grad_enabled()")
    x = torch.ones(2, requires_grad=True)
    assert double(x)[0].requires_grad
    assert double(x)[1] is True
    with torch.no_grad():
        assert not double(x)[0].requires_grad
        assert double(x)[1] is False
    assert not double(x.detach())[0].requires_grad


def test_gradients_flow_through_what_an_object_keeps(lasting):
    keep = get(
        lasting,
        """
class f:
    def __init__(self, weight): self.weight = weight
    def read(self, x): self.kept = self.weight * x
    def step(self, y): return self.kept * y
""",
    )
    with trial(keep, ()):
        weight, x, y = (
            torch.tensor(n, requires_grad=True) for n in (2.0, 3.0, 5.0)
        )
        kept = keep(weight)
        kept.read(x)
        first, second = kept.step(y), kept.step(y * y)
        found = torch.autograd.grad(first + second, [weight, x, y])
    assert [g.item() for g in found] == [3 * 30, 2 * 30, 6 + 6 * 10]


def test_gradients_flow_back_through_functions_of_ours(lasting):
    judge = get(
        lasting,
        """
def f(g, scale):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    unused = torch.ones(1, requires_grad=True)
    y, plain = g(x * scale, unused)
    found = torch.autograd.grad(
        y.sum() * scale, [x, unused], retain_graph=True, allow_unused=True
    )
    return found[0], found[1], plain.requires_grad, y * scale
""",
    )

    def square(x, unused):
        return x**2, x.detach()

    scale = torch.tensor(3.0, requires_grad=True)
    slope, none, is_tracked, y = judge(square, scale)
    assert slope.tolist() == [54, 108]
    assert none is None
    assert is_tracked is False
    # Through the student's graph, our function's, and the student's again.
    [through] = torch.autograd.grad(y.sum(), scale)
    assert through.item() == 3 * 9 * 5


TRANSFORMED = {
    "grad": "F.grad(lambda x: g(x, scale)[0].sum())(x)",
    "vjp": "F.vjp(lambda x: g(x, scale), x)[1]((x, torch.ones(2)))",
    "jvp": "F.jvp(lambda x: g(x, scale), (x,), (x + 1,))",
    "jvp, not of all": "F.jvp(lambda s: g(x, s), (scale,), (scale + 1,))",
    "jacrev": "F.jacrev(lambda x: g(x, scale)[0])(x)",
    "jacfwd": "F.jacfwd(lambda x: g(x, scale)[0])(x)",
    "vmap": "F.vmap(lambda x: g(x, scale))(torch.stack([x, 2 * x]))",
    "vmap of grad": (
        "F.vmap(F.grad(lambda x: g(x, scale)[0].sum()))(torch.eye(2))"
    ),
    "grad of vmap": (
        "F.grad(lambda x: F.vmap(lambda x: g(x, scale))(x)[0].sum())"
        "(torch.eye(2))"
    ),
    "what stays as it is": "F.grad(lambda y: y * len(g(x, scale)))(x[0])",
    "what has no gradient": (
        "F.grad(lambda x: g(x, scale)[0].sum() * "
        "(1 + g(x, scale)[0].requires_grad + "
        "2 * g(x, scale)[1].requires_grad))(x)"
    ),
    "forward mode": "dual(lambda x: g(x, scale)[0], x)",
}


@pytest.mark.parametrize("how", TRANSFORMED)
def test_torch_func_looks_through_functions_of_ours(lasting, how):
    source = f"""
from torch import func as F
import torch.autograd.forward_ad as fw
def dual(g, x):
    with fw.dual_level():
        return fw.unpack_dual(g(fw.make_dual(x, x + 1))).tangent
def f(g, x, scale):
    return {TRANSFORMED[how]}
"""
    here: dict = {"torch": torch}
    exec(source, here)

    def ours(x, scale):
        return x**2 * scale["by"], x.detach() + 1

    x, scale = torch.tensor([2.0, 3.0]), torch.tensor(5.0)
    call = "g(x, {'by': scale})"
    source = source.replace("g(x, scale)", call).replace(
        "g(x, s)", "g(x, {'by': s})"
    )
    exec(source, here)
    wanted = here["f"](ours, x, scale)
    found = get(lasting, source)(ours, x, scale)
    wanted, found = (
        value if isinstance(value, tuple) else (value,)
        for value in (wanted, found)
    )
    for one, other in zip(wanted, found, strict=True):
        torch.testing.assert_close(other, one)


def test_functions_of_ours_have_no_second_derivative(lasting):
    source = "def f(g, x): return torch.func.hessian(g)(x)"
    with pytest.raises(RuntimeError, match="not a second time"):
        get(lasting, source)(lambda x: (x**3).sum(), torch.ones(2))


def test_what_was_spoilt_in_place_fails_with_the_same_words(lasting):
    source = """
def f(x):
    y = x.exp()
    y += 1
    return y
"""
    here: dict = {}
    exec(source, here)
    texts = []
    for answer in (here["f"], get(lasting, source)):
        x = torch.ones(2, requires_grad=True)
        output = answer(x)
        with pytest.raises(RuntimeError) as error:
            torch.autograd.grad(output.sum(), x)
        texts.append(str(error.value))
    assert "modified by an inplace operation" in texts[0]
    assert texts[0] == texts[1]


# -- trials -----------------------------------------------------------------


def test_each_trial_gives_the_same_chance(lasting):
    draw = get(
        lasting,
        "import random\ndef f(): return (torch.rand(1).item(), "
        "np.random.rand(), random.random())",
    )
    outside = draw()
    drawn = []
    for _ in range(2):
        with trial(draw, ()):
            drawn.append((draw(), draw()))
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[0][1]
    assert draw() not in (outside, *drawn[0])


ROADS = {
    "by its name": "torch.autograd.grad(x * x, x)",
    "imported before": "grad(x * x, x)",
    "by another name": "torch.autograd.functional.vjp(torch.exp, x, x)",
    "by the method": "(x * x).backward()",
    "by the engine": (
        "torch.autograd.Variable._execution_engine.run_backward((x * x,), "
        "(x.detach(),), False, False, (x,))"
    ),
    "by an engine of its own": (
        "torch._C._ImperativeEngine().run_backward((x * x,), "
        "(x.detach(),), False, False, (x,))"
    ),
    "by the engine, dug out": "dug()",
    "unwrapped": "torch.autograd.grad.__wrapped__(x * x, x)",
    "in a thread": "in_thread(lambda: torch.autograd.grad(x * x, x))",
    "and swallowed": "swallowed(lambda: torch.autograd.grad(x * x, x))",
}


@pytest.mark.parametrize("road", ROADS)
def test_what_is_taken_away_cannot_be_had(lasting, road):
    answer = get(
        lasting,
        f"""
import threading
from torch.autograd import grad
def in_thread(action):
    thread = threading.Thread(target=lambda: swallowed(action))
    thread.start()
    thread.join()
def dug():
    x = torch.ones(1, requires_grad=True)
    asked = torch._C._ImperativeEngine.run_backward
    [engine] = [
        cell.cell_contents for cell in asked.__closure__
        if hasattr(cell.cell_contents, "run_backward")
    ]
    engine.run_backward((x * x,), (x.detach(),), False, False, (x,))
def swallowed(action):
    try:
        return action()
    except Exception:
        return None
def f():
    x = torch.ones(1, requires_grad=True)
    {ROADS[road]}
    return 1
""",
    )
    assert answer() == 1
    exercise = Exercise(
        "t", "T", 1, lambda: 1, [Case("a", ())], forbidden=FORBIDDEN
    )
    assert exercise.diagnose(answer).kind == "forbidden"
    with trial(answer, ["torch.nn.functional.softmax"]):
        assert answer() == 1


def test_loops_are_seen_from_afar(lasting):
    assert has_loop(get(lasting, "def f():\n    for _ in (): pass"))
    assert not has_loop(get(lasting, "def f(): return 1"))
    assert has_loop(
        get(lasting, "class f:\n    def g(self):\n        while self: pass")
    )


@pytest.mark.parametrize(
    ("measure", "light", "heavy", "between"),
    [
        (watching.peak_memory, "1", "np.zeros(10**6)", 10**6),
        (watching.largest_tensor, "1", "torch.zeros(10**6)", 10**5),
        (watching.numbers_held, "1", "torch.zeros(10**6)", 10**5),
        (watching.kept_for_backward, "x * 2", "x.expand(10**5).exp()", 10**5),
        (watching.products, "1", "torch.ones(9, 9) @ torch.ones(9, 9)", 1000),
        (watching.calls, "1", "sum(x + n for n in range(99))", 90),
    ],
)
def test_what_an_answer_takes_is_measured(
    lasting, measure, light, heavy, between
):
    x = torch.ones(1, requires_grad=True)
    for code, is_heavy in ((light, False), (heavy, True)):
        source = f"def f(x):\n    y = {code}\n    return x * 2"
        here: dict = {"np": np, "torch": torch}
        exec(source, here)
        amounts = []
        for answer in (here["f"], get(lasting, source)):
            with measure(answer) as seen:
                answer(x)
            amounts.append(seen.amount)
            assert (seen.amount > between) == is_heavy
        if measure is watching.products:
            assert amounts[0] == amounts[1]


# -- what may not be asked --------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        '("call", ("get", number, ("__globals__",), {}, False))',
        '("call", ("item", number, (0,), {}, False))',
        '("call", ("call", 10**6, (), {}, False))',
        '("call", ("call", number, (), {}, 1))',
        '("call", ("exec", number, (), {}, False))',
        '("call", ["call", number, (), {}, False])',
        '("backward", (99, [], (), 0))',
        '("backward", (0, [torch.ones(1)], (), 0))',
        '("cell", "1")',
        '("names", ["x"])',
        '("begin!", [])',
        '("reply", (1, {99: ()}))',
        '("reply", (1, 2, 3))',
        '("reply", 1)',
        '("error", 1)',
        '("error", ((), "", (), ""))',
    ],
)
def test_the_other_side_cannot_ask_for_more(session, request_):
    answer = get(
        session,
        f"""
import gc
from attnbook.grading.isolation.student import Student
from attnbook.grading.isolation.packing import Packer
def f(g):
    [student] = [x for x in gc.get_objects() if type(x) is Student]
    number = g.__closure__ and [
        cell.cell_contents.number for cell in g.__closure__
        if hasattr(cell.cell_contents, "number")
    ][0]
    kind, value = {request_}
    packer = Packer(lambda value: None)
    student.channel.send(kind, packer.pack(value), packer.buffers)
    student.channel.receive()
""",
    )
    with pytest.raises(CellEnded) as end:
        answer(lambda: 1)
    assert end.value.is_over
    assert end.value.fate.kind == "error"
    assert end.value.fate.text.startswith("It wrote to the pipe")


def test_objects_of_ours_never_go_over_as_results(lasting):
    ask = get(lasting, "def f(g): return g()")
    with pytest.raises(TypeError, match="expected data as a result"):
        ask(lambda: Exercise)


def test_gradients_of_another_form_are_refused(session):
    answer = get(
        session,
        """
from attnbook.grading.isolation.student import Student
def differentiate(self, pairs, leaves):
    return [torch.ones(3)] * len(leaves)
Student.differentiate = differentiate
def f(x): return 2 * x
""",
    )
    x = torch.ones(2, requires_grad=True)
    with pytest.raises((CellEnded, WireError)):
        answer(x).sum().backward()


def test_a_session_that_is_over_says_so(session):
    answer = get(session, "import os\ndef f(): os._exit(0)")
    for _ in range(2):
        with pytest.raises(CellEnded) as end:
            answer()
        assert end.value.fate.kind == "died"
        assert end.value.is_over
