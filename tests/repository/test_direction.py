"""Every import goes down a floor, nothing runs in a circle, no file is long.

What a module imports is read from its text: at the top or inside a function,
for types alone, and by name. Where a module calls ``import_module``, each
string in it that is the name of a module counts as an import.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

MOST_LINES = 600
FOLDERS = (
    *("attnbook", "book", "experiments"),
    *("benchmarks", "teaching", "tests"),
)
SOURCES = "attnbook", "experiments"  # the second is installed in the first

# The wings of `grading/`, from the ground up. A wing knows those of all lower
# floors, and none of its own floor.
FLOORS = [
    ("notebook", "report", "arguments"),
    ("isolation", "intake"),
    ("grade",),
    ("records", "systems", "hostile"),
    ("classroom", "doctor"),
    ("__main__",),
]

# What each part of the package may import, besides itself.
KNOWS: dict[str, set[str]] = {
    "mechanisms": set(),
    "data": set(),
    "judging": set(),
    "train": {"mechanisms", "data"},
    "plots": set(),
    "explorers": set(),
    "experiments": {"mechanisms", "data", "train"},
    "checks": {"judging", "mechanisms", "data"},
    "grading": set(),
}
for number, wings in enumerate(FLOORS):
    for wing in wings:
        KNOWS[f"grading.{wing}"] = {
            f"grading.{lower}" for floor in FLOORS[:number] for lower in floor
        }
KNOWS["grading.isolation"] |= {"judging"}
# A hostile notebook that holds the answers to the published cases by heart.
KNOWS["grading.hostile"] |= {"checks"}


# -- reading ----------------------------------------------------------------


@dataclass(frozen=True)
class Arrow:
    """One module names another, in a line of a file."""

    source: str
    target: str
    place: str
    through: str = "import"  # or "its name", "sys.modules"


def modules_of(root: Path) -> dict[str, Path]:
    """Every module of the package, by the name that it is imported by."""
    found = {}
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*.py")):
            parts = list(path.relative_to(root).with_suffix("").parts)
            if folder != "attnbook":
                parts.insert(0, "attnbook")
            if parts[-1] == "__init__":
                parts.pop()
            found[".".join(parts)] = path
    return found


def arrows_of(root: Path) -> list[Arrow]:
    """All that the modules of the package import of this repository."""
    modules = modules_of(root)
    found = []
    for name, path in modules.items():
        tree = ast.parse(path.read_text("utf-8"))
        package = name if path.stem == "__init__" else name.rpartition(".")[0]
        for line, target, through in _named(tree, package, modules):
            if target.partition(".")[0] in FOLDERS and target != name:
                place = f"{path.relative_to(root)}:{line}"
                found.append(Arrow(name, target, place, through))
    return found


def _named(
    tree: ast.Module, package: str, modules: Mapping[str, Path]
) -> Iterator[tuple[int, str, str]]:
    imports_by_name = any(map(_is_import_by_name, ast.walk(tree)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, "import"
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                parents = parents[: len(parents) - node.level + 1]
                base = ".".join([*parents, *filter(None, [base])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                is_module = whole in modules
                yield node.lineno, whole if is_module else base, "import"
        elif _is_sys_modules(node):
            for text in _strings(node):
                yield node.lineno, text, "sys.modules"
        elif (
            imports_by_name
            and isinstance(node, ast.Constant)
            and node.value in modules
        ):
            yield node.lineno, node.value, "its name"


def _is_import_by_name(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    return name in ("import_module", "__import__")


def _is_sys_modules(node: ast.AST) -> bool:
    """Know `sys.modules[…]` and `sys.modules.get(…)`, not what is in them."""
    if isinstance(node, ast.Call):
        asked = node.func
        asked = asked.value if isinstance(asked, ast.Attribute) else None
    else:
        asked = node.value if isinstance(node, ast.Subscript) else None
    return (
        isinstance(asked, ast.Attribute)
        and asked.attr == "modules"
        and isinstance(asked.value, ast.Name)
        and asked.value.id == "sys"
    )


def _strings(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


# -- judging ----------------------------------------------------------------


def wing_of(module: str) -> str:
    """The part of the package that a module belongs to."""
    _, *parts = module.split(".")
    return ".".join(parts[: 2 if parts[:1] == ["grading"] else 1])


def running_up(arrows: list[Arrow]) -> list[str]:
    """Say which imports do not go down."""
    found = []
    for arrow in arrows:
        what = f"{arrow.place} imports {arrow.target}"
        if arrow.through != "import":
            what += f" (through {arrow.through})"
        if arrow.through == "sys.modules":
            found.append(
                f"{what}: what is there depends on who ran first. Let the "
                "upper module register with the lower one."
            )
        if not arrow.target.startswith("attnbook"):
            found.append(
                f"{what}: the package knows nothing of the folders around "
                "it. Move what it needs into the package."
            )
            continue
        source, target = wing_of(arrow.source), wing_of(arrow.target)
        if source not in KNOWS:
            found.append(
                f"{arrow.place}: `{source}` has no place in KNOWS. Say there "
                "what it may import."
            )
        elif target not in {source, "", *KNOWS[source]}:
            allowed = ", ".join(sorted(KNOWS[source])) or "nothing else"
            found.append(
                f"{what}: {source} may know {allowed}. Move what both need "
                "down to a module that both may know, or hand it over as an "
                "argument."
            )
    return found


def circle_of(arrows: list[Arrow]) -> list[str]:
    """Return modules that import each other in a circle, [] if none do."""
    known: dict[str, set[str]] = {}
    for arrow in arrows:
        known.setdefault(arrow.source, set()).add(arrow.target)
    done: set[str] = set()

    def below(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for target in sorted(known.get(module, ())):
            if found := below(target, [*path, module]):
                return found
        done.add(module)
        return []

    return next((c for m in sorted(known) if (c := below(m, []))), [])


def long_files(root: Path) -> list[str]:
    """Say which modules are longer than anybody reads."""
    found = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            lines = len(path.read_text("utf-8").splitlines())
            if lines > MOST_LINES:
                found.append(
                    f"{path.relative_to(root)} has {lines} lines, "
                    f"{MOST_LINES} at most: split it where it does two things."
                )
    return found


# -- this repository --------------------------------------------------------


@pytest.fixture(scope="module")
def arrows(root):
    return arrows_of(root)


def test_every_import_goes_down(arrows):
    found = running_up(arrows)
    assert not found, "\n".join(found)


def test_nothing_imports_itself_in_a_circle(arrows):
    circle = circle_of(arrows)
    assert not circle, (
        f"{' → '.join(circle)}: move what two of them need of each other to "
        "a module of its own below both"
    )


def test_no_module_is_too_long_to_be_read(root):
    found = long_files(root)
    assert not found, "\n".join(found)


def test_the_table_is_that_of_the_package(root):
    wings = {wing_of(name) for name in modules_of(root)} - {""}
    assert wings == set(KNOWS)


def test_imports_are_read_wherever_they_stand(arrows):
    """That nothing is found must not mean that nothing was read."""
    found = {(wing_of(a.source), wing_of(a.target)) for a in arrows}
    assert ("checks", "judging") in found
    assert ("experiments", "mechanisms") in found
    assert ("grading.hostile", "checks") in found  # inside a function
    assert ("grading.__main__", "grading.classroom") in found  # by its name


# -- a made-up one ----------------------------------------------------------

SOUND = {
    "attnbook/mechanisms/soft.py": "import math",
    "attnbook/judging/__init__.py": "",
    "attnbook/judging/values.py": "import sys\nsys.modules.get('torch')",
    "attnbook/judging/words.py": "from attnbook.judging import values",
    "attnbook/checks/soft/__init__.py": "from attnbook.judging.words import x",
    "attnbook/grading/isolation/pipe.py": "import attnbook.judging.values",
    "attnbook/grading/records/page.py": "from attnbook.grading import grade",
    "attnbook/grading/grade.py": "from .isolation import pipe",
    "experiments/study.py": "from attnbook.mechanisms.soft import softmax",
}


@pytest.fixture
def tree(tmp_path):
    """Return what writes a small repository, some of it changed."""

    def write(**changes: str) -> Path:
        texts = SOUND | {k.replace("__", "/"): v for k, v in changes.items()}
        for name, text in texts.items():
            path = tmp_path / (name if "." in name else f"{name}.py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        return tmp_path

    return write


def test_a_sound_tree_is_left_alone(tree):
    arrows = arrows_of(tree())
    assert len(arrows) == 6
    assert running_up(arrows) == []
    assert circle_of(arrows) == []
    assert long_files(tree()) == []


@pytest.mark.parametrize(
    ("where", "text", "said"),
    [
        (
            "attnbook__mechanisms__soft",
            "from attnbook.checks import soft",
            "mechanisms may know nothing else",
        ),
        (
            "attnbook__judging__values",
            "def f():\n    from attnbook.grading.isolation import pipe",
            "judging may know nothing else",
        ),
        (
            "attnbook__judging__values",
            "from ..grading.isolation.pipe import x",
            "judging may know nothing else",
        ),
        (
            "attnbook__judging__values",
            "if TYPE_CHECKING:\n    import attnbook.checks.soft",
            "judging may know nothing else",
        ),
        (
            "attnbook__judging__values",
            "import importlib\n"
            "importlib.import_module('attnbook.checks.soft')",
            "through its name",
        ),
        (
            "attnbook__judging__values",
            "from importlib import import_module\n"
            "def f(x): return import_module(KNOWN[x])\n"
            "KNOWN = {'x': 'attnbook.checks.soft'}",
            "through its name",
        ),
        (
            "attnbook__judging__values",
            "import sys\nx = sys.modules.get('attnbook.judging.words')",
            "through sys.modules",
        ),
        (
            "attnbook__judging__values",
            "import sys\nx = sys.modules['attnbook.judging.words']",
            "through sys.modules",
        ),
        (
            "attnbook__grading__isolation__pipe",
            "import attnbook.grading.records.page",
            "Move what both need down",
        ),
        (
            "attnbook__grading__intake__zips",
            "import attnbook.grading.isolation.pipe",
            "grading.intake may know grading.arguments",
        ),
        ("attnbook__judging__values", "import tests.x", "knows nothing of"),
        ("attnbook__fresh__new", "import attnbook.train", "no place in KNOWS"),
    ],
)
def test_an_arrow_that_is_turned_is_found(tree, where, text, said):
    found = running_up(arrows_of(tree(**{where: text})))
    assert len(found) == 1, found
    assert said in found[0]
    name, line = where.replace("__", "/"), len(text.splitlines())
    assert found[0].startswith(f"{name}.py:{line}")


@pytest.mark.parametrize("lazy", ["", "def f():\n    "])
def test_a_circle_is_found_and_named(tree, lazy):
    circle = circle_of(
        arrows_of(
            tree(
                attnbook__judging__values=f"{lazy}import attnbook.judging.a",
                attnbook__judging__a="from attnbook.judging import words",
            )
        )
    )
    names = [name.rpartition(".")[2] for name in circle]
    assert names == ["words", "values", "a", "words"]


def test_a_long_file_is_found(tree):
    long = "\n".join(["x = 1"] * (MOST_LINES + 1))
    found = long_files(tree(tests__test_all=long, attnbook__train="x = 1"))
    assert found == [
        "tests/test_all.py has 601 lines, 600 at most: split it where it "
        "does two things."
    ]
