"""A made-up course of two chapters, and hands to change notebooks with."""

import copy
import json
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from warm_python import WarmPython

from attnbook.grading.notebook import running
from attnbook.grading.notebook.release import write_all

ANSWERS = {
    "double": "2 * number",
    "negate": "-number",
    "halve": "number / 2",
    "third": "number / 3",
}


def _nbgrader(grade_id, grade=False, solution=False, locked=False, points=0):
    metadata = {
        "grade_id": grade_id,
        "grade": grade,
        "solution": solution,
        "locked": locked,
        "task": False,
        "schema_version": 3,
    }
    if grade:
        metadata["points"] = points
    return {"nbgrader": metadata}


def _solution(names, title, prefix):
    cells = [
        new_markdown_cell(f"# {title}", id="title"),
        new_code_cell(
            "import toy_checks as checks",
            id="imports",
            metadata=_nbgrader(f"{prefix}-imports", locked=True),
        ),
    ]
    for name in names:
        answer = ANSWERS[name]
        cells += [
            new_markdown_cell(f"## {name.capitalize()}", id=f"{name}-text"),
            new_code_cell(
                f"def {name}(number):\n"
                f'    """{name.capitalize()} a number."""\n'
                "    ### BEGIN SOLUTION\n"
                f"    result = {answer}\n"
                "    ### END SOLUTION\n"
                "    return result",
                id=f"{name}-solution",
                metadata=_nbgrader(f"{prefix}-{name}-answer", solution=True),
            ),
            new_code_cell(
                f"checks.check_{name}({name})",
                id=f"{name}-check",
                metadata=_nbgrader(
                    f"{prefix}-{name}", grade=True, locked=True, points=5
                ),
            ),
        ]
    cells.append(new_code_cell("checks.points_so_far()", id="points"))
    notebook = new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    return notebook


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """Return the folder of a course whose exercises have been released."""
    root = tmp_path_factory.mktemp("course")
    (root / "solutions").mkdir()
    for stem, notebook in (
        ("00-toy", _solution(ANSWERS, "A toy *chapter*", "00")),
        ("01-other", _solution(["double"], "Another chapter", "01")),
    ):
        nbformat.write(notebook, root / "solutions" / f"{stem}.ipynb")
    write_all(root / "solutions", root / "exercises")
    return root


@pytest.fixture(autouse=True, scope="session")
def toy_checks_can_be_imported():
    """Let kernels find the made-up chapter's checks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        yield


class Learner:
    """A learner's copy of a notebook, to be worked on and handed in."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.content = json.loads(source.read_text("utf-8"))
        self.path = folder / source.name

    def __getitem__(self, identity: str) -> dict:
        return next(c for c in self.content["cells"] if c["id"] == identity)

    def write(self, identity: str, source: str) -> None:
        """Replace the source of a cell."""
        self[identity]["source"] = source

    def answer(self, name: str, expression: str) -> None:
        """Answer an exercise by one expression."""
        self.write(
            f"{name}-solution",
            f"def {name}(number):\n    return {expression}",
        )

    def answer_rightly(self, *names: str) -> None:
        """Answer exercises as their solutions do."""
        for name in names:
            self.answer(name, ANSWERS[name])

    def delete(self, identity: str) -> None:
        """Take a cell out."""
        self.content["cells"].remove(self[identity])

    def insert_before(self, identity: str, source: str, **more) -> None:
        """Put a new cell before another."""
        cells = self.content["cells"]
        cell = {
            "cell_type": "code",
            "execution_count": None,
            "id": f"own-{len(cells)}",
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        cells.insert(cells.index(self[identity]), cell | more)

    def duplicate(self, identity: str, source: str | None = None) -> None:
        """Put a copy of a cell, grade_id and all, right after it."""
        cells = self.content["cells"]
        double = copy.deepcopy(self[identity])
        double["id"] += "-copy"
        if source is not None:
            double["source"] = source
        cells.insert(cells.index(self[identity]) + 1, double)

    def hand_in(self) -> Path:
        """Write the notebook and return its path."""
        self.path.write_text(json.dumps(self.content), "utf-8")
        return self.path


@pytest.fixture(scope="session")
def fresh(course, tmp_path_factory):
    """Return a maker of fresh copies of the released notebooks."""

    def make(name: str = "00-toy") -> Learner:
        folder = tmp_path_factory.mktemp("learner")
        return Learner(course / "exercises" / f"{name}.ipynb", folder)

    return make


@pytest.fixture
def learner(fresh):
    """Return a learner's fresh copy of the first made-up chapter."""
    return fresh()


# -- programs that start at once --------------------------------------------


@pytest.fixture(scope="session")
def warm_python():
    """Return a Python that has loaded nbgrader, nbval and torch."""
    with WarmPython() as warm:
        yield warm


@pytest.fixture(scope="module")
def warm(warm_python):
    """Let nbval and all kernels of a module be forked from the warm Python.

    That they are the same without it, the tests of the release and of the
    grader of one notebook show.
    """
    with pytest.MonkeyPatch.context() as patch:
        python = SimpleNamespace(executable=str(warm_python.program))
        patch.setattr(running, "sys", python)
        for name, value in warm_python.environment.items():
            patch.setenv(name, value)
        yield warm_python


# -- the sandbox, where a machine has one ---------------------------------

_WITHOUT_SANDBOX: list[str] = []


@pytest.fixture(scope="session")
def sandbox():
    """Require the sandbox; count the tests that go without it."""
    from attnbook.grading.isolation.sandbox import support

    found = support()
    if not found.ok:
        pytest.skip(f"the sandbox cannot run here: {found.reason}")
    return found


def pytest_runtest_logreport(report):
    """Remember the tests that were skipped for want of a sandbox."""
    if report.skipped and "the sandbox cannot run here" in str(
        report.longrepr
    ):
        _WITHOUT_SANDBOX.append(report.nodeid)


def pytest_terminal_summary(terminalreporter):
    """Say how many tests did not run because the sandbox cannot."""
    if _WITHOUT_SANDBOX:
        terminalreporter.section("the sandbox cannot run here", red=True)
        terminalreporter.write_line(
            f"{len(_WITHOUT_SANDBOX)} tests of it were NOT run; nothing is "
            "known of whether hostile code is held here."
        )
