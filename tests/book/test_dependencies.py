"""A notebook is executed again when something of its own has changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_books import write_notebook

from book import execution
from book.dependencies import files, key

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("attnbook", "experiments", "chapters", "solutions")


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """The notebooks of the course and all that they may import."""
    top = tmp_path_factory.mktemp("course")
    for name in COPIED:
        shutil.copytree(
            ROOT / name,
            top / name,
            ignore=shutil.ignore_patterns("__pycache__", ".*"),
        )
    shutil.copy(ROOT / "constraints.txt", top)
    return top


@pytest.fixture
def stale_after(course):
    """``stale_after(paths)``: the notebooks to run again if these change."""
    changed: dict[Path, bytes] = {}

    def keys() -> dict[str, str]:
        return {
            path.relative_to(course).with_suffix("").as_posix(): key(
                course, path
            )
            for path in execution.notebooks(course)
        }

    def changing(*patterns: str) -> set[str]:
        before = keys()
        for pattern in patterns:
            found = [p for p in course.glob(pattern) if p.is_file()]
            assert found, f"nothing is called {pattern}"
            for path in found:
                changed[path] = path.read_bytes()
                path.write_bytes(changed[path] + b"\n# changed\n")
        after = keys()
        return {name for name in after if after[name] != before[name]}

    yield changing
    for path, content in changed.items():
        path.write_bytes(content)


def test_the_graders_are_part_of_no_notebook(stale_after):
    assert stale_after("attnbook/grading/**/*") == set()


def test_a_mechanism_is_part_of_the_chapters_that_use_it(stale_after):
    stale = stale_after("attnbook/mechanisms/positions.py")
    assert {"chapters/05-positions", "chapters/06-transformer"} <= stale
    assert not {name for name in stale if name < "chapters/04"}
    assert not {name for name in stale if name.startswith("solutions/")}


def test_a_bundle_is_part_of_the_chapters_that_show_it(stale_after):
    stale = stale_after("attnbook/explorers/soft_lookup/built.mjs")
    assert stale == {"chapters/00-soft-lookup"}


def test_a_table_is_part_of_the_chapters_that_read_it(stale_after):
    stale = stale_after("experiments/tables/accuracy_by_length.csv")
    assert stale == {
        "chapters/01-additive-attention",
        "chapters/06-transformer",
    }


def test_the_checks_of_a_chapter_are_part_of_its_solutions(stale_after):
    stale = stale_after("attnbook/checks/positions/*.py")
    assert stale == {"solutions/05-positions"}


def test_what_exercises_are_made_of_is_part_of_every_solution(stale_after):
    stale = stale_after("attnbook/judging/exercise.py")
    assert stale == {
        f"solutions/{path.stem}"
        for path in (ROOT / "solutions").glob("*.ipynb")
    }


def test_the_pinned_versions_are_part_of_every_notebook(stale_after, course):
    stale = stale_after("constraints.txt")
    assert len(stale) == len(execution.notebooks(course))


@pytest.fixture
def package(tmp_path) -> Path:
    """A package with everything that an import can look like."""
    sources = {
        "attnbook/__init__.py": '"""The package."""\n',
        "attnbook/top.py": "from . import parts\n",
        "attnbook/lazy.py": (
            "def late():\n    from .parts.one import One\n    return One\n"
        ),
        "attnbook/dotted.py": "import attnbook.parts.two\n",
        "attnbook/parts/__init__.py": (
            '"""Names only."""\nfrom attnbook.parts.one import One\n'
            'from attnbook.parts.two import Two\n__all__ = ["One", "Two"]\n'
        ),
        "attnbook/parts/one.py": "One = 1\n",
        "attnbook/parts/two.py": "from attnbook.base import Two\n",
        "attnbook/parts/note.md": "words\n",
        "attnbook/base/__init__.py": "Two = 1 + 1\n",
        "attnbook/base/data.json": "{}\n",
        "experiments/__init__.py": "def table(name): ...\n",
        "experiments/study.py": (
            "from attnbook.experiments import table\n"
            'def run(): table("second")\n'
        ),
        "experiments/tables/first.csv": "a\n",
        "experiments/tables/second.csv": "a\n",
        "constraints.txt": "",
    }
    for name, text in sources.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


BASE = {"base/__init__.py", "base/data.json"}
ONE, TWO = {"parts/one.py"}, {"parts/two.py"} | BASE
STUDIES = {"experiments/__init__.py"}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import numpy", set()),
        ("from attnbook.parts import One", ONE),
        ("from attnbook import parts\nparts.One", ONE),
        ("from attnbook import parts as p\np.Two", TWO),
        ("from attnbook import parts\ndir(parts)", ONE | TWO),
        ("from attnbook import parts\nwhat = parts\nparts.One", ONE | TWO),
        ("from attnbook.parts import *", ONE | TWO),
        ("from attnbook import top", {"top.py"} | ONE | TWO),
        ("from attnbook import lazy", {"lazy.py"} | ONE),
        ("from attnbook import dotted", {"dotted.py"} | TWO),
        ("if True:\n    from attnbook.base import Two", BASE),
        ("try:\n    import attnbook\nexcept E:\n    %pip install a", set()),
        (
            "from attnbook.experiments import table\ntable('first')",
            STUDIES | {"tables/first.csv"},
        ),
        (
            "from attnbook.experiments import study",
            STUDIES | {"study.py", "tables/second.csv"},
        ),
        (
            "from attnbook.experiments import table\ntable('fir' + 'st')",
            STUDIES | {"tables/first.csv", "tables/second.csv"},
        ),
    ],
)
def test_imports_are_followed_wherever_they_stand(package, code, expected):
    notebook = package / "a.ipynb"
    write_notebook(notebook, "A", code)
    found = {
        path.relative_to(package).as_posix()
        for path in files(package, notebook)
    }
    assert found - {"constraints.txt"} == {
        name
        for path in package.rglob("*.*")
        for name in [path.relative_to(package).as_posix()]
        for end in expected
        if name.removeprefix("attnbook/") == end
        or name == f"experiments/{end}"
    }


def test_of_a_notebook_that_cannot_be_read_all_is_part(package):
    notebook = package / "a.ipynb"
    write_notebook(notebook, "A", "a b")
    assert package / "attnbook/parts/one.py" in files(package, notebook)


def test_the_code_of_a_notebook_is_part_of_its_key_and_its_text_is_not(
    package,
):
    notebook = package / "a.ipynb"
    keys = []
    for title, code in (("A", "1"), ("B", "1"), ("B", "2")):
        write_notebook(notebook, title, code)
        keys.append(key(package, notebook))
    assert keys[0] == keys[1] != keys[2]
