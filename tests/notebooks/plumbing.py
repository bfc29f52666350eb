"""Telling plumbing from mechanism: which code of a chapter is the lesson.

*Plumbing* imports, reads a committed table, draws, or lays out results.
*Mechanism* defines what the chapter is about or computes with it. A cell
holds one of the two, so that the page can fold the one and show the other.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from attnbook import mechanisms

# Names that stand for the lesson wherever they are called.
COMPUTES = frozenset(
    "softmax log_softmax masked_softmax exp tanh sigmoid relu einsum matmul "
    "backward grad fit cross_entropy masked_fill layer_norm generate "
    "rotate zero_grad".split()
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


def taught_names() -> frozenset[str]:
    """What the package holds in finished form, and a chapter writes out."""
    return frozenset(
        name
        for module in vars(mechanisms).values()
        if getattr(module, "__name__", "").startswith("attnbook.mechanisms.")
        for name, thing in vars(module).items()
        if getattr(thing, "__module__", None) == module.__name__
        and not name.startswith("_")
    )


def computing_names(cells: list) -> frozenset[str]:
    """The functions of a chapter that compute, themselves or by others."""
    taught = taught_names()
    names = set(COMPUTES)
    functions = [
        node
        for cell in cells
        for node in ast.walk(python_of(cell.source))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    found = -1
    while found != len(names):
        found = len(names)
        names |= {
            node.name
            for node in functions
            if isinstance(node, ast.ClassDef)
            or node.name in taught
            or computes(node, frozenset(names))
        }
    return frozenset(names)


def computes(node: ast.AST, names: frozenset[str]) -> bool:
    """Whether code multiplies matrices, or calls what computes."""
    return any(
        isinstance(each, ast.BinOp) and isinstance(each.op, ast.MatMult)
        for each in ast.walk(node)
    ) or any(
        name in names for root, name in called(node) if root not in SHOWS
    )


def is_mechanism(node: ast.AST, names: frozenset[str]) -> bool:
    """Whether a cell, or a statement of one, belongs to the lesson."""
    defined = any(
        isinstance(each, ast.ClassDef)
        or (isinstance(each, ast.FunctionDef) and each.name in names)
        for each in ast.walk(node)
    )
    return defined or computes(node, names)


def shows(node: ast.AST) -> bool:
    """Whether it draws, shows a table or reads a committed one."""
    return any(
        (root in SHOWS and name not in SETS_UP) or (root, name) == ("", "table")
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


def is_plumbing(tree: ast.Module, names: frozenset[str]) -> bool:
    """Whether a cell holds nothing of the lesson and only shows or imports."""
    return not is_mechanism(tree, names) and (
        shows(tree) or only_sets_up(tree)
    )


def plumbing_lines(source: str, names: frozenset[str]) -> int:
    """Lines of the statements of a cell that lay out, draw or import."""
    tree = python_of(source)
    return sum(
        node.end_lineno - node.lineno + 1
        for node in tree.body
        if not is_mechanism(node, names)
        and (
            isinstance(node, ast.Import | ast.ImportFrom | ast.Try)
            or shows(node)
            or any(name == "print" for _, name in called(node))
        )
    )
