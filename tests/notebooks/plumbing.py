"""Telling plumbing from mechanism: which code of a chapter is the lesson.

*Plumbing* imports, reads a committed table, draws, or lays out results.
*Mechanism* defines what the chapter is about or computes with it. A cell
holds one of the two, so that the page can fold the one and show the other.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache

from attnbook import mechanisms

# Names that stand for the lesson wherever they are called.
COMPUTES = frozenset(
    {
        *("softmax", "log_softmax", "masked_softmax", "exp", "tanh"),
        *("sigmoid", "relu", "einsum", "matmul", "backward", "grad"),
        *("cross_entropy", "masked_fill", "layer_norm", "generate"),
    }
)
SHOWS = frozenset({"plots", "plt", "ax", "axes", "fig", "figure", "explorers"})
SETS_UP = frozenset({"use_style", "set_num_threads", "set_printoptions"})


def python_of(source: str) -> ast.Module:
    """The cell's syntax tree; a magic command counts as ``pass``."""
    return ast.parse(re.sub(r"(?m)^(\s*)[%!].*", r"\1pass", source))


def called(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Each call below a node: what it is looked up in, and its name."""
    for each in ast.walk(node):
        if not isinstance(each, ast.Call):
            continue
        if isinstance(each.func, ast.Name):
            yield "", each.func.id
        elif isinstance(each.func, ast.Attribute):
            root = each.func.value
            while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
                root = getattr(root, "value", None) or root.func
            yield getattr(root, "id", "?"), each.func.attr


@cache
def taught_names() -> frozenset[str]:
    """What the package holds in finished form, and a chapter writes out."""
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(
            mechanisms.__path__, "attnbook.mechanisms."
        )
    ]
    return frozenset(
        name
        for module in modules
        for name, thing in vars(module).items()
        if getattr(thing, "__module__", None) == module.__name__
        and not name.startswith("_")
    )


def computing_names(cells: list) -> frozenset[str]:
    """The functions of a chapter that compute, themselves or by others."""
    names = set(COMPUTES | taught_names())
    functions = [
        node
        for cell in cells
        for node in ast.walk(python_of(cell.source))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    found = -1
    while found < len(names):
        found = len(names)
        names |= {
            node.name
            for node in functions
            if isinstance(node, ast.ClassDef)
            or computes(node, frozenset(names))
        }
    return frozenset(names)


def computes(node: ast.AST, names: frozenset[str]) -> bool:
    """Whether code multiplies matrices, or calls or names what computes."""
    own = {
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }
    named = {
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
    }
    multiplies = any(
        isinstance(each, ast.BinOp) and isinstance(each.op, ast.MatMult)
        for each in ast.walk(node)
    )
    methods = any(
        root not in SHOWS and name in COMPUTES for root, name in called(node)
    )
    return multiplies or methods or bool((named - own) & (names | {"train"}))


def is_mechanism(node: ast.AST, names: frozenset[str] | None = None) -> bool:
    """Whether a cell, or a statement of one, belongs to the lesson.

    Directly, or (with the chapter's ``names``) by a function that it calls.
    """
    names = COMPUTES | taught_names() if names is None else names
    defined = any(
        isinstance(each, ast.ClassDef)
        or (isinstance(each, ast.FunctionDef) and each.name in names)
        for each in ast.walk(node)
    )
    return defined or computes(node, names)


def shows(node: ast.AST) -> bool:
    """Whether it draws, shows a table or reads a committed one."""
    return any(
        (root in SHOWS and name not in SETS_UP)
        or (root, name) == ("", "table")
        for root, name in called(node)
    )


def only_sets_up(node: ast.AST) -> bool:
    """Whether it imports, installs and sets defaults, and nothing else."""
    return any(
        isinstance(each, ast.Import | ast.ImportFrom)
        for each in ast.walk(node)
    ) and all(
        isinstance(each, ast.Import | ast.ImportFrom | ast.Try)
        or all(
            name in SETS_UP or isinstance(each, ast.Assign)
            for _, name in called(each)
        )
        for each in node.body
    )


def plumbing_lines(source: str, names: frozenset[str]) -> int:
    """Lines of the statements of a cell that lay out, draw or import."""
    return sum(
        node.end_lineno - node.lineno + 1
        for node in python_of(source).body
        if not is_mechanism(node, names)
        and (
            isinstance(node, ast.Import | ast.ImportFrom | ast.Try)
            or shows(node)
            or any(name == "print" for _, name in called(node))
        )
    )


def is_plumbing(source: str, names: frozenset[str]) -> bool:
    """Whether a cell holds nothing of the lesson, and mostly shows."""
    tree = python_of(source)
    if is_mechanism(tree, names):
        return False
    lines = len(source.splitlines())
    shown = shows(tree) and plumbing_lines(source, names) > lines / 2
    return shown or only_sets_up(tree)
