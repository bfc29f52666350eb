"""A command that the documents give exists."""

from __future__ import annotations

import importlib.util
import re
import tomllib

from recipes import blocks_of

TARGET = re.compile(r"^([a-z][\w-]*):(?!=)", re.MULTILINE)
MAKE = re.compile(r"\bmake ((?:[a-z][\w-]*)(?= |`|$|\n))", re.MULTILINE)
MODULE = re.compile(r"python3? -m ([\w.]+)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)

GUIDES = ("README.md", "CONTRIBUTING.md")

LISTED = {
    "address",
    "bench",
    "bench-grading",
    "book",
    "chapters",
    "clean",
    "encoder",
    "epub",
    "experiments",
    "explorers",
    "format",
    "grade",
    "grade-class",
    "help",
    "lint",
    "notebooks",
    "quick",
    "release",
    "serve",
    "teaching",
    "test",
}


def makefile_targets(root) -> set[str]:
    return set(TARGET.findall((root / "Makefile").read_text(encoding="utf-8")))


def code_in(path) -> str:
    return "\n".join(CODE.findall(path.read_text(encoding="utf-8")))


def test_the_makefile_has_every_command_of_the_course(root):
    assert LISTED - makefile_targets(root) == set()


def test_every_make_command_in_the_documents_exists(root, documents):
    targets = makefile_targets(root)
    unknown = {
        (document.name, target)
        for document in documents
        for target in MAKE.findall(code_in(document.path))
        if target not in targets
    }
    assert unknown == set()


def test_the_readme_gives_the_two_commands(root):
    found = MAKE.findall(code_in(root / "README.md"))
    assert "book" in found
    assert "test" in found


def test_every_module_that_the_guides_run_exists(root):
    unknown = {
        (name, module)
        for name in GUIDES
        for module in MODULE.findall(code_in(root / name))
        if importlib.util.find_spec(module) is None
    }
    assert unknown == set()


def test_every_path_that_the_guides_name_exists(root):
    """Paths in code spans: with a slash or an ending, and no blank."""
    path_like = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|toml|txt))`")
    made = ("_build/", ".venv/")
    contributing = (root / "CONTRIBUTING.md").read_text("utf-8")
    tried = {
        block.path
        for recipe in ("a new exercise with its mistakes", "a new chapter")
        for block in blocks_of(contributing, recipe)
    }
    missing = {
        (name, path)
        for name in GUIDES
        for path in path_like.findall((root / name).read_text("utf-8"))
        if not path.startswith(made)
        and path not in tried
        and "NN-" not in path
        and "uniform_mix" not in path  # the recipe's own; nobody makes it
        and not (root / path).exists()
    }
    assert missing == set()


def test_help_lists_every_command(root):
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    undescribed = {
        target
        for target in LISTED
        if not re.search(rf"^{target}:.*## \S", makefile, re.MULTILINE)
        and not re.search(rf"^\s*.*\bmake {target}\b", makefile, re.MULTILINE)
    }
    assert undescribed == set()


def test_the_package_has_no_upper_bounds(root):
    """Colab's own numpy and torch must do."""
    project = tomllib.loads(
        (root / "pyproject.toml").read_text(encoding="utf-8")
    )["project"]
    bounded = [
        requirement
        for requirement in project["dependencies"]
        if re.search(r"<|==|~=", requirement)
    ]
    assert bounded == []
