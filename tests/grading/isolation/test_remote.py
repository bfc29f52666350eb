"""Answers that run in another process are judged as if they ran in this."""

import importlib
import sys
import time

import numpy as np
import pytest
import torch
from remote_answers import get, run

from attnbook.grading.isolation import remote
from attnbook.grading.isolation.remote import CellEnded
from attnbook.judging.conditions import trial
from attnbook.judging.exercise import Case, Exercise, WrongAnswer
from attnbook.judging.inspection import TakenAwayError
from attnbook.judging.sessions import session_of
from book.chapters import listed

# -- the same verdict -------------------------------------------------------


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


# -- what comes back --------------------------------------------------------


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
        ("torch.eye(2).to_sparse()", "a SparseTensor object"),
        ("torch.ones(1, device='meta')", "a Tensor object"),
        ("len", "a function"),
        ("lambda: 1", "a function"),
        ("torch.nn.Linear", "a class"),
        ("type('<b>x</b>', (), {})()", "a _b_x__b_ object"),
    ],
)
def test_what_is_no_data_says_what_it_is(lasting, source, expected):
    exercise = Exercise("t", "T", 1, lambda: torch.ones(1), [Case("a", ())])
    source = f"f = lambda: {source}"
    message = exercise.diagnose(get(lasting, source)).message
    assert f"yours is {expected}." in message
    here: dict = {"torch": torch}
    exec(source, here)
    if "<" not in source:
        assert exercise.diagnose(here["f"]).message == message


UNUSUAL = {
    "a subclass of tensor": "class T(torch.Tensor): pass\n"
    "def f(x): return (2 * x).as_subclass(T)",
    "one that looks after itself": "class T(torch.Tensor):\n"
    "    @classmethod\n"
    "    def __torch_function__(cls, f, types, args=(), kwargs=None):\n"
    "        return super().__torch_function__(f, types, args, kwargs or {})\n"
    "def f(x): return (2 * x).as_subclass(T)",
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_a_result_of_an_unusual_class_is_taken(lasting, kind):
    here: dict = {"torch": torch}
    exec(UNUSUAL[kind], here)
    x = torch.arange(3.0)
    exercise = Exercise(
        "t", "T", 1, lambda x: 2 * x, [Case("a", (x,))], gradients=True
    )
    for answer in (here["f"], get(lasting, UNUSUAL[kind])):
        assert exercise.diagnose(answer) is None


def test_numbers_of_few_digits_are_called_so(lasting):
    x = torch.tensor([0.1, 0.2])
    exercise = Exercise("t", "T", 1, lambda x: x.softmax(0), [Case("a", (x,))])
    for name in ("float16", "bfloat16"):
        source = f"def f(x): return x.softmax(0).to(torch.{name})"
        here: dict = {"torch": torch}
        exec(source, here)
        for answer in (here["f"], get(lasting, source)):
            assert f", in {name}. " in exercise.diagnose(answer).message
    half = get(lasting, "def f(x): return x.softmax(0).numpy()")
    assert ", in " not in exercise.diagnose(half).message


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


# -- exceptions -------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("code", "name", "words"),
    [
        ("input()", "StdinNotImplementedError", "does not support input"),
        ("__import__('pdb').set_trace()\n    x = 1",
         "StdinNotImplementedError", "does not support input"),
        ("torch.ones(2).bool() @ torch.ones(2).bool()",
         "NotImplementedError", "not implemented for 'Bool'"),
        ("torch.nn.Module()(1)", "NotImplementedError", "forward"),
    ],
)  # fmt: skip
def test_an_error_of_another_kind_is_told_from_a_stub(
    lasting, code, name, words
):
    answer = get(lasting, f"def f(*_):\n    {code}\n    return 1")
    with pytest.raises(NotImplementedError, match=words) as error:
        answer(1)
    assert type(error.value).__name__ == name
    assert " of `f`: " in error.value.place_in_answer


def test_a_breakpoint_is_passed_over(lasting):
    assert get(lasting, "def f():\n    breakpoint()\n    return 1")() == 1


def test_an_error_that_cannot_be_described_costs_the_process_nothing(lasting):
    source = "def f(n): raise KeyError(10**n)"
    with pytest.raises(KeyError, match="failed"):
        get(lasting, source)(5_000)


def test_a_result_of_too_many_words_costs_the_process_nothing(lasting):
    answer = get(lasting, "def f(n): return ['x' * 100_000] * n")
    with pytest.raises(ValueError, match="takes more than"):
        answer(100)
    assert len(answer(2)) == 2


def test_what_else_is_not_permitted_is_left_as_it_is(lasting):
    source = "import os\ndef f(): raise PermissionError(1, 'not here')"
    with pytest.raises(PermissionError) as error:
        get(lasting, source)()
    assert str(error.value) == "[Errno 1] not here"


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


# -- arguments --------------------------------------------------------------


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


def test_who_is_stopped_while_a_finalizer_runs_is_stopped_after_it(
    session, monkeypatch
):
    """Python prints what a finalizer raises, and goes on."""
    monkeypatch.setattr(remote, "GRACE", 0.2)
    monkeypatch.setattr(remote, "_AGAIN", 0.2)
    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)

    class Slow:
        def __del__(self):
            spin(0.6)

    def work(x):
        Slow()
        spin(20)

    ask = get(session, "def f(g): return g(1)")
    session.limit(0.1)
    began = time.monotonic()
    with pytest.raises(CellEnded) as caught:
        ask(work)
    assert caught.value.fate.kind == "timeout"
    assert len(dropped) == 1
    assert time.monotonic() - began < 10


def spin(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
