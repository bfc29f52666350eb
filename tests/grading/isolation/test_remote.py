"""Answers that run in another process are judged as if they ran in this.

The other process is one of this machine, without a sandbox; it sees the
whole package, checks and all, so that it can take its answers from them.
"""

import contextlib
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from attnbook.grading.isolation.limits import Limits
from attnbook.grading.isolation.remote import CellEnded, Session, session_of
from attnbook.grading.isolation.sandbox import Zygote
from attnbook.grading.isolation.wire import WireError
from attnbook.judging import watching
from attnbook.judging.conditions import TakenAwayError, has_loop, trial
from attnbook.judging.exercise import Case, Exercise, WrongAnswer
from book.chapters import listed

ROOT = Path(__file__).resolve().parents[3]
torch.set_num_threads(1)

FORBIDDEN = [
    "torch.autograd.grad",
    "torch.autograd.backward",
    "torch.func.vjp",
    "torch.nn.functional.softmax",
]


@pytest.fixture(scope="module")
def zygote():
    with Zygote(
        Limits(), "none", ["attnbook.grading.isolation.warm"], package=ROOT
    ) as zygote:
        yield zygote


@contextlib.contextmanager
def opened(zygote):
    child = zygote.spawn()
    session = Session(
        child.sock,
        lambda: zygote.interrupt(child),
        lambda: zygote.kill(child),
        FORBIDDEN,
    )
    try:
        yield session
    finally:
        session.close()
        zygote.wait(child)


@pytest.fixture
def session(zygote):
    with opened(zygote) as session:
        yield session


@pytest.fixture(scope="module")
def lasting(zygote):
    """A session for tests that leave it as it was."""
    with opened(zygote) as session:
        yield session


def run(session, source):
    fate = session.run_cell(source, 30)
    assert fate.kind == "passed", fate
    session.limit(30)


def get(session, source, name="f"):
    run(session, f"import numpy as np, torch\n{source}")
    return session.resolve([name])[name]


# -- the same verdict ---------------------------------------------------------


def answers(exercise):
    """The reference, all right answers, and each sixth wrong one."""
    yield "e.reference", exercise.reference
    for i, right in enumerate(exercise.right_answers):
        yield f"e.right_answers[{i}]", right
    wrong = [
        pair
        for i, mistake in enumerate(exercise.mistakes)
        for pair in [
            (f"e.mistakes[{i}].answer", mistake.answer),
            *(
                (f"e.mistakes[{i}].also[{j}]", answer)
                for j, answer in enumerate(mistake.also)
            ),
        ]
    ]
    yield from wrong[::6]


EXERCISES = [
    pytest.param(
        chapter.checks,
        grade_id,
        id=f"{chapter.name} {chapter.checks} {grade_id}",
    )
    for chapter in listed()
    for grade_id in importlib.import_module(
        f"attnbook.checks.{chapter.checks}"
    ).EXERCISES
]


@pytest.mark.parametrize(("chapter", "grade_id"), EXERCISES)
def test_the_verdict_is_that_of_one_process(lasting, chapter, grade_id):
    module = importlib.import_module(f"attnbook.checks.{chapter}")
    exercise = module.EXERCISES[grade_id]
    for source, answer in answers(exercise):
        there = get(
            lasting,
            f"from attnbook.checks import {chapter}\n"
            f"e = {chapter}.EXERCISES[{grade_id!r}]\nf = {source}",
        )
        assert session_of(there) is lasting
        assert exercise.diagnose(there) == exercise.diagnose(answer), source


# -- what comes back ----------------------------------------------------------


def test_data_comes_as_it_is(lasting):
    assert get(lasting, "f = {'a': (1, 2.5, None, [True])}") == {
        "a": (1, 2.5, None, [True])
    }
    assert get(lasting, "f = torch.eye(2)").tolist() == [[1, 0], [0, 1]]


def test_names_that_are_not_there_are_left_out(lasting):
    assert lasting.resolve(["nothing_of_this_name"]) == {}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("(x for x in ())", "a generator object"),
        ("torch.nn.Linear(1, 1)", "a Linear object"),
        ("object()", "an object object"),
        ("{1, 2}", "a set object"),
        ("len", "a function"),
        ("lambda: 1", "a function"),
        ("torch.nn.Linear", "a class"),
        ("type('<b>x</b>', (), {})()", "a _b_x__b_ object"),
    ],
)
def test_what_is_no_data_says_what_it_is(lasting, source, expected):
    exercise = Exercise("t", "T", 1, lambda: torch.ones(1), [Case("a", ())])
    answer = get(lasting, f"f = lambda: {source}")
    message = exercise.diagnose(answer).message
    assert f"yours is {expected}." in message


def test_the_kind_of_an_answer_is_known(lasting):
    exercise = Exercise("t", "T", 1, lambda: 1, [Case("a", ())])
    assert exercise.diagnose(get(lasting, "def f(): return 1")) is None
    assert exercise.diagnose(get(lasting, "f = lambda: 1")) is None
    for source in ("f = 3", "f = torch.ones(1)", "f = object()"):
        assert exercise.diagnose(get(lasting, source)).kind == "not callable"


def test_a_class_is_a_class(lasting):
    class Counter:
        def __init__(self):
            self.count = 0

        def add(self):
            self.count += 1
            return self.count

    def count(answer):
        counter = answer()
        counter.add()
        counter.count += 10
        return counter.add(), counter.count

    exercise = Exercise("t", "T", 1, Counter, [Case("a", ())], run=count)
    source = """
class f:
    def __init__(self):
        self.count = 0
    def add(self):
        self.count += 1
        return self.count
"""
    assert exercise.diagnose(get(lasting, source)) is None
    wrong = source.replace("+= 1", "+= 2")
    assert exercise.diagnose(get(lasting, wrong)).kind == "value"
    for source in ("def f(): pass", "class G: pass\nf = G()"):
        assert exercise.diagnose(get(lasting, source)).kind == "not callable"
    missing = exercise.diagnose(get(lasting, "class f: pass"))
    assert "AttributeError: 'f' object has no attribute 'add'" in (
        missing.message
    )


def test_modules_of_torch_work_through_handles(lasting):
    build = get(
        lasting,
        """
class f(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = torch.nn.Linear(width, 1, bias=False)
        self.drop = torch.nn.Dropout(0.5)
    def forward(self, x):
        return self.drop(self.inner(x))
""",
    )
    with trial(build, ()):
        module = build(3)
        module.load_state_dict({"inner.weight": torch.ones(1, 3)})
        module.eval()
        weight, *more = module.parameters()
        assert not more
        x = torch.arange(3.0).requires_grad_()
        y = module(x)
        assert y.item() == 3
        [slope, other] = torch.autograd.grad(y, [x, weight])
        assert slope.tolist() == [1, 1, 1]
        assert other.tolist() == [[0, 1, 2]]
        assert list(module.state_dict()) == ["inner.weight"]
        assert module.training is False


def test_an_iterator_can_be_gone_through(lasting):
    assert list(get(lasting, "f = (x * x for x in range(3))")) == [0, 1, 4]
    assert sorted(get(lasting, "f = {3, 1}")) == [1, 3]
    endless = get(lasting, "import itertools\nf = itertools.count()")
    with pytest.raises(ValueError, match="more than 10,000"):
        list(endless)


# -- exceptions ---------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "1 / 0",
        "{}['missing']",
        "[][3]",
        "torch.ones(2) @ torch.ones(3)",
        "torch.linalg.inv(torch.zeros(2, 2))",
        "np.linalg.inv(np.zeros((2, 2)))",
        "np.ones(2).sum(axis=5)",
        "open('/nowhere')",
        "b'\\xff'.decode()",
        "int('x')",
        "undefined",
        "f()",
    ],
)
def test_an_exception_is_the_same_here_and_there(lasting, code):
    source = f"def f(*_): return {code}"
    here: dict = {"np": np, "torch": torch}
    exec(source, here)
    there = get(lasting, source)
    caught = []
    for answer in (here["f"], there):
        with pytest.raises(Exception) as error:
            answer()
        caught.append(error.value)
    assert type(caught[0]) is type(caught[1])
    assert str(caught[0]) == str(caught[1])


def test_exceptions_of_ours_cannot_be_forged(lasting):
    source = """
class WrongAnswer(AssertionError): pass
class TakenAwayError(Exception): pass
def f(which): raise [WrongAnswer, TakenAwayError][which]("forged")
"""
    answer = get(lasting, source)
    for which in (0, 1):
        with pytest.raises(Exception, match="forged") as error:
            answer(which)
        assert not isinstance(error.value, (WrongAnswer, TakenAwayError))
        assert type(error.value).__name__ == "Error"
    exercise = Exercise("t", "T", 1, abs, [Case("a", (1,))])
    assert exercise.diagnose(answer).kind == "exception"
    forged = get(
        lasting,
        "from attnbook.grading.isolation.student import TakenAwayError\n"
        "def f(*_): raise TakenAwayError('torch.func.vjp')",
    )
    assert exercise.diagnose(forged).kind == "exception"


def test_many_names_take_no_place_from_those_who_follow(lasting):
    source = """
def f(n):
    raise type(f"Error{n}", (Exception,), {})
def g(n):
    return type(f"Kind{n}", (), {})()
"""
    failing, making = get(lasting, source), get(lasting, source, "g")
    for n in range(600):
        with pytest.raises(Exception) as error:
            failing(n)
        assert type(error.value).__name__ == f"Error{n}"
        assert type(making(n)).__name__ == f"Kind{n}"


def test_the_line_of_the_learner_is_told(lasting):
    source = "def f(x):\n    y = x\n    return y.missing"
    exercise = Exercise("t", "T", 1, lambda x: x, [Case("a", (1,))])
    message = exercise.diagnose(get(lasting, source)).message
    assert "It was raised at line 4 of `f`: `return y.missing`" in message


def test_who_leaves_ends_the_cell_and_no_more(session):
    for code, name in (("exit()", "SystemExit"), ("input()", "StdinNot")):
        fate = session.run_cell(code, 10)
        assert fate.kind == "error"
        assert fate.name.startswith(name)
    leave = get(session, "def f(): raise SystemExit(3)")
    with pytest.raises(CellEnded) as end:
        leave()
    assert (end.value.fate.kind, end.value.fate.name) == (
        "error",
        "SystemExit",
    )
    assert not end.value.is_over
    run(session, "still = 'here'")


# -- arguments ----------------------------------------------------------------


def test_changes_in_place_come_back(lasting):
    change = get(
        lasting,
        """
def f(tensor, array, things, table):
    tensor.add_(1)
    tensor.data.mul_(2)
    array[0] = 7
    things.append(things.pop(0))
    things[0][...] = 3
    table["new"] = table.pop("old")
""",
    )
    tensor, array = torch.zeros(2), np.zeros(2)
    inner = torch.zeros(1)
    things, table = [1, inner], {"old": 2}
    change(tensor, array, things, table=table)
    assert tensor.tolist() == [2, 2]
    assert array.tolist() == [7, 0]
    assert things[0].tolist() == [3]
    assert things[1] == 1
    assert table == {"new": 2}


def test_a_change_by_a_later_call_comes_back_too(lasting):
    keep = get(
        lasting,
        """
class f:
    def __init__(self, x): self.x = x
    def spoil(self): self.x.zero_()
""",
    )
    x = torch.ones(2)
    kept = keep(x)
    assert x.tolist() == [1, 1]
    kept.spoil()
    assert x.tolist() == [0, 0]


def test_a_leaf_cannot_be_changed_in_place(lasting):
    source = "def f(x): x += 1; return x"
    here: dict = {}
    exec(source, here)
    texts = []
    for answer in (here["f"], get(lasting, source)):
        with pytest.raises(RuntimeError) as error:
            answer(torch.ones(2, requires_grad=True))
        texts.append(str(error.value))
    assert texts[0] == texts[1]
    x = torch.ones(2, requires_grad=True)
    there = get(lasting, source)(2 * x)  # no leaf: this is allowed
    assert there.tolist() == [3, 3]


def test_functions_can_be_handed_over(lasting):
    ask = get(lasting, "def f(g, x): return g(x, more=[x]), g.__name__")

    def double(x, more):
        assert more == [x]
        return 2 * x

    assert ask(double, 3) == (6, "double")


def test_a_function_handed_over_may_fail(lasting):
    ask = get(
        lasting,
        """
def f(g):
    try:
        g(1)
    except ZeroDivisionError as error:
        return str(error)
""",
    )
    assert ask(lambda x: x / 0) == "division by zero"


def test_nothing_else_is_handed_over(lasting):
    ask = get(lasting, "def f(g): return g")
    with pytest.raises(TypeError, match="expected data or a function"):
        ask(object())


# -- gradients ----------------------------------------------------------------


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


# -- trials -------------------------------------------------------------------


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
        (watching.kept_for_backward, "x * 2", "x.expand(10**5).exp()", 10**5),
        (watching.products, "1", "torch.ones(9, 9) @ torch.ones(9, 9)", 1000),
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


# -- what may not be asked ----------------------------------------------------


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
from attnbook.grading.isolation.wire import Packer
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
