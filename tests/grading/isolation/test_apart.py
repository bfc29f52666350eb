"""A notebook in one process, its verdict in another: the fates of cells.

The sandbox itself is tested elsewhere; here students' processes are plain
ones of this machine, and limits are short.
"""

import os
import re
import signal
from pathlib import Path

import pytest

from attnbook.grading.isolation import apart, remote
from attnbook.grading.isolation.apart import Examiner
from attnbook.grading.isolation.limits import Limits
from attnbook.grading.notebook.assemble import RunCell, assemble
from attnbook.grading.notebook.read import Cell, Notebook, UnusableError, read
from attnbook.grading.notebook.release import Release, known_releases
from attnbook.judging.exercise import Exercise

ROOT = Path(__file__).resolve().parents[3]
SETUP = """\
import numpy as np
from attnbook.checks import soft_lookup as checks
from attnbook.mechanisms.soft_lookup import entropy, masked_softmax, softmax
"""


@pytest.fixture(scope="module")
def release():
    releases, _ = known_releases(ROOT / "exercises", Path("none"))
    return releases["00-soft-lookup"]


@pytest.fixture(scope="module")
def solved():
    path = ROOT / "solutions" / "00-soft-lookup.ipynb"
    return {cell.grade_id: cell.source for cell in read(path).cells}


@pytest.fixture(scope="module")
def examiner(release):
    limits = Limits(wall=1.5, total=30.0)
    with Examiner(release, limits, "none") as examiner:
        yield examiner


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(remote, "GRACE", 0.5)


@pytest.fixture
def grade(examiner, release, solved):
    """Run cells; a source of one name stands for released or solved."""

    def run(*sources):
        graded = {cell.grade_id: cell.source for cell in release.graded}
        for source in sources:  # all parts of an exercise in one cell
            for first in release.cells_of(source)[:1]:
                whole = graded[first].splitlines()[-1]
                graded[source] = re.sub(r', "[\w-]+"\)', ")", whole)
        cells = [RunCell(SETUP, "", 1)]
        for number, source in enumerate(sources, start=2):
            is_graded = source in graded
            text = graded.get(source, solved.get(source, source))
            name = source if is_graded else ""
            cells.append(RunCell(text, name, number, is_graded))
        return examiner.run(cells)[1:]

    return run


def kinds(fates):
    return [fate.kind for fate in fates]


VJP = "00-softmax-vjp-answer", "00-softmax-vjp"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("solutions", "passed"), ("exercises", "error")],
)
def test_whole_notebooks_get_what_they_deserve(
    examiner, release, name, expected
):
    path = ROOT / name / "00-soft-lookup.ipynb"
    cells, _ = assemble(read(path), release)
    for cell, fate in zip(cells, examiner.run(cells), strict=True):
        assert fate.kind == (expected if cell.is_graded else "passed"), fate
        if fate.kind == "error":
            assert fate.name == "WrongAnswer"
            assert "Not written yet" in fate.text


def test_a_known_mistake_is_named(grade):
    wrong = (
        "def softmax_vjp(w, g, temperature=1.0):\n"
        "    return w * g / temperature"
    )
    [_, fate] = grade(wrong, "00-softmax-vjp")
    assert fate.mistake == "the sum is missing"
    assert fate.mistake in fate.text


@pytest.mark.parametrize(
    ("source", "expected", "name"),
    [
        ("while True: pass", "timeout", ""),
        ("import time; time.sleep(60)", "timeout", ""),
        ("while True: print('x' * 1000)", "output", ""),
        ("1 / 0", "error", "ZeroDivisionError"),
        ("def f(:", "error", "SyntaxError"),
        ("exit()", "error", "SystemExit"),
        ("quit(3)", "error", "SystemExit"),
        ("input('name')", "error", "StdinNotImplementedError"),
        ("raise KeyboardInterrupt", "error", "KeyboardInterrupt"),
    ],
)
def test_a_cell_that_fails_leaves_the_process_alive(
    grade, source, expected, name
):
    [failed, kept, _, fate] = grade(source, "kept = 1", *VJP)
    assert (failed.kind, failed.name) == (expected, name)
    assert kept.kind == "passed"
    assert fate.kind == "passed"


DEADLY = {
    "import os; os._exit(0)": "died",
    "import os; os.kill(os.getpid(), 9)": "died",
    "import ctypes; ctypes.string_at(0)": "died",
    "import os; os.closerange(3, 100)": "died",
    "import signal; signal.signal(2, signal.SIG_IGN)\nwhile True: pass": (
        "hung"
    ),
    "import os\nfor n in range(3, 40):\n  try: os.write(n, b'{' * 99)\n"
    "  except OSError: pass": "error",
}


@pytest.mark.parametrize("source", DEADLY, ids=DEADLY.values())
def test_what_ends_the_process_costs_that_cell_alone(grade, source):
    fates = grade(*VJP, source, "00-top-k-lookup-answer", "00-top-k-lookup")
    assert kinds(fates) == [
        "passed", "passed", DEADLY[source], "passed", "passed",
    ]  # fmt: skip
    if fates[2].kind == "error":
        assert fates[2].text.startswith("It wrote to the pipe of the grader")


def test_what_ends_it_on_the_way_back_is_seen_too(examiner, solved):
    cell = RunCell("checks.check(answer)", "x", 2, True)

    def check(answer):
        import torch

        x = torch.ones(1, requires_grad=True)
        torch.autograd.grad(answer(x), x)

    examiner._space["checks"], before = (
        _Checks(check),
        (examiner._space["checks"]),
    )
    try:
        for code, kind in (("os._exit(0)", "died"), ("exit()", "error")):
            source = f"""
import os, torch
class answer(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return 2 * x
    @staticmethod
    def backward(ctx, g): {code}
answer = answer.apply
"""
            fates = examiner.run([RunCell(source, "", 1), cell])
            assert kinds(fates) == ["passed", kind]
    finally:
        examiner._space["checks"] = before


class _Checks:
    def __init__(self, check):
        self.check = check


CALLED = {
    "while True: pass": ("timeout", ""),
    "exit()": ("error", "SystemExit"),
    "while True: print('x' * 1000)": ("output", ""),
    "import os; os._exit(0)": ("died", ""),
    "import signal; signal.signal(2, signal.SIG_IGN)\n    while True: pass": (
        "hung",
        "",
    ),
    "import os\n    for n in range(3, 40):\n        try: os.write(n, b'1')\n"
    "        except OSError: pass": ("error", "WireError"),
    "return torch.undefined": ("error", "WrongAnswer"),
}


@pytest.mark.parametrize("code", CALLED, ids=lambda code: code[:30])
def test_a_function_that_fails_costs_its_points_alone(grade, code):
    wrong = f"def top_k_lookup(*inputs, **more):\n    {code}"
    [_, fate, _, other] = grade(wrong, "00-top-k-lookup", *VJP)
    assert (fate.kind, fate.name) == CALLED[code]
    assert other.kind == "passed"


def test_what_has_been_judged_is_not_judged_again(grade, tmp_path):
    place = tmp_path / "calls"
    count = f"""
def softmax_vjp(*inputs, **more):
    with open({str(place)!r}, "a") as file:
        file.write("x")
    raise ValueError
"""
    grade(count, "00-softmax-vjp")
    once = len(place.read_text())
    place.unlink()
    fates = grade(count, "00-softmax-vjp", "import os; os._exit(0)", *VJP)
    assert kinds(fates) == ["passed", "error", "died", "passed", "passed"]
    assert len(place.read_text()) == once


def test_what_ran_out_is_told(grade, examiner, monkeypatch):
    limits = Limits(wall=10.0, total=30.0, cpu=1)
    monkeypatch.setattr(examiner, "limits", limits)
    monkeypatch.setattr(examiner._zygote, "limits", limits)
    [cpu, crash, _, fate] = grade(
        "def again():\n    while True: pass\nagain()",
        "import signal; signal.raise_signal(signal.SIGSEGV)",
        *VJP,
    )
    assert cpu.kind == "died"
    assert "the 1 s of processor time" in cpu.text
    assert (crash.kind, crash.text) == ("died", "")
    assert fate.kind == "passed"


def test_processes_end_so_often_and_no_more(grade):
    fates = grade(*["import os; os._exit(0)"] * 9, *VJP)
    assert kinds(fates) == ["died"] * 8 + ["not run"] * 3


def test_the_whole_submission_has_a_limit(grade, examiner, monkeypatch):
    monkeypatch.setattr(examiner, "limits", Limits(wall=60.0, total=1.0))
    fates = grade("while True: pass", "1", *VJP)
    assert kinds(fates) == ["timeout"] + ["not run"] * 3
    assert "1 s" in fates[-1].text


def test_names_are_those_of_the_moment(grade):
    fates = grade(
        "def softmax_vjp(*inputs, **more): raise ValueError",
        "00-softmax-vjp",
        "00-softmax-vjp-answer",
        "00-softmax-vjp",
        "del softmax_vjp",
        "00-softmax-vjp",
    )
    assert kinds(fates)[1::2] == ["error", "passed", "error"]
    assert fates[5].name == "NameError"
    assert fates[5].text == "name 'softmax_vjp' is not defined"


@pytest.mark.parametrize(
    "source",
    [
        "class checks:\n    check_softmax_vjp = print",
        "import attnbook.checks.soft_lookup as c\nc.check_softmax_vjp = print",
        "import builtins; builtins.AssertionError = print",
        "np.testing.assert_allclose = np.isnan = np.abs = print",
        "get_ipython().set_custom_exc((Exception,), print)",
        "get_ipython().ast_transformers.append(print)",
        "import sys\nsys.modules['attnbook.judging.exercise'] = None",
    ],
)
def test_nothing_done_over_there_changes_the_verdict(grade, source):
    wrong = "def softmax_vjp(w, g, temperature=1.0):\n    return w * g"
    [*_, fate] = grade(wrong, source, "00-softmax-vjp")
    assert (fate.kind, fate.name) == ("error", "WrongAnswer")


def test_cells_run_as_a_notebook_does(grade):
    fates = grade(
        "%matplotlib inline\n!echo hello\n%pip install nothing\n%time 1",
        "%config InlineBackend.figure_format = 'retina'\n%env X=1",
        "%%bash\nexit 1",
        "%%capture out\nprint(1)",
        "%%python3\nimport sys; sys.exit(1)",
        "import asyncio\nawait asyncio.sleep(0)\n1 + 1",
        "assert _ == 2\n_ = None",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
        "from IPython.display import display\ndisplay(plt)\n?print",
        "assert not plt.get_fignums()",
        "x = get_ipython()\nassert __name__ == '__main__'",
        "import attnbook.checks.soft_lookup as c\nc.points_so_far()\n"
        "c.check_predict(None)",
        "%no_such_magic",
    )
    assert kinds(fates)[:-1] == ["passed"] * (len(fates) - 1), fates
    assert (fates[-1].kind, fates[-1].name) == ("error", "UsageError")


def test_students_are_strangers_to_each_other(grade):
    grade("import torch\nleft = 1\ntorch.left = 1\nnp.left = 1")
    [one, two] = grade("left", "import torch\ntorch.left + np.left")
    assert (one.name, two.name) == ("NameError", "AttributeError")


def test_a_dead_zygote_is_replaced(grade, examiner):
    grade("1")
    process = examiner._zygote._process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert kinds(grade(*VJP)) == ["passed", "passed"]


def test_the_seed_of_the_run_draws_fresh_cases(release, monkeypatch):
    monkeypatch.setattr(Exercise, "secret_seed", None)
    Examiner(release, Limits(), "none", seed=5)
    assert Exercise.secret_seed == 5
    Examiner(release, Limits(), "none")
    assert Exercise.secret_seed is None


def test_a_release_that_does_not_run_is_no_student_s_fault():
    cells = (
        Cell(1, "code", "import nothing_of_this_name", "a", {}),
        Cell(2, "code", "1", "b", {"grade_id": "x", "solution": True}),
    )
    broken = Release("00-broken", Notebook(Path("x"), cells))
    with pytest.raises(UnusableError, match="00-broken does not run here"):
        Examiner(broken, Limits(), "none")


def test_the_verdict_takes_only_so_much_memory(examiner, monkeypatch):
    monkeypatch.setattr(apart, "_MOST_MEMORY", 2**28)
    greedy = RunCell("bytearray(2**29)", "x", 1, True)
    [fate] = examiner.run([greedy])
    assert (fate.kind, fate.name) == ("error", "MemoryError")
    assert len(bytearray(2**29)) == 2**29
    monkeypatch.undo()
    [fate] = examiner.run([greedy])
    assert fate.kind == "passed"
