"""What a notebook's results depend on, and a key made from all of it.

A notebook is executed again when its key has changed, and only then. The
key is made of

- the sources of its code cells;
- the modules of the package that they import, and the modules that these
  import, at the top of a file or inside a function;
- what lies beside such a module and is no Python: an explorer's bundle;
- the tables of ``experiments/`` that a cell or a study names;
- the pinned versions, and the version of Python.

A package whose ``__init__`` only passes names on, as
``attnbook.explorers`` does, counts for the names that a notebook uses. Where
it cannot be seen which those are, all count.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "attnbook"
STUDIES = "attnbook.experiments"
CONSTRAINTS = "constraints.txt"
ALL = "*"
_MAGIC = re.compile(r"(?m)^(\s*)[%!].*")
_NO_DATA = {".py", ".pyc", ".md"}


def key(root: Path, notebook: Path) -> str:
    """A short hash of everything that the results of ``notebook`` rest on.

    Two executions with the same key may stand for each other.
    """
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for source in code_cells(notebook):
        digest.update(hashlib.sha256(source.encode()).digest())
    for path in sorted(files(root, notebook)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


def files(root: Path, notebook: Path) -> set[Path]:
    """The files under ``root`` that ``notebook`` imports, reads or pins."""
    found = _Closure(root)
    pinned = root / CONSTRAINTS
    if pinned.exists():
        found.files.add(pinned)
    try:
        cells = ast.parse("\n".join(_plain(notebook)))
    except SyntaxError:  # nothing is known of it
        for module in (PACKAGE, STUDIES):
            found.files |= set(found.folder_of(module).rglob("*.*"))
        return {path for path in found.files if path.is_file()}
    found.follow(cells, "")
    return found.files


def code_cells(notebook: Path) -> list[str]:
    """The sources of the code cells."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    return [
        "".join(cell["source"])
        for cell in cells
        if cell["cell_type"] == "code"
    ]


def _plain(notebook: Path) -> Iterator[str]:
    for source in code_cells(notebook):
        yield _MAGIC.sub(r"\1pass", source)


class _Closure:
    """The files found so far, and the ways to find more."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: set[Path] = set()
        self._seen: set[tuple[str, str]] = set()
        tables = self.folder_of(STUDIES) / "tables"
        self._tables = {path.stem: path for path in tables.glob("*.csv")}

    def folder_of(self, module: str) -> Path:
        """Where a package lies; ``experiments/`` stands at the top."""
        if module == STUDIES or module.startswith(f"{STUDIES}."):
            module = module.removeprefix(f"{PACKAGE}.")
        return self.root.joinpath(*module.split("."))

    def file_of(self, module: str) -> Path | None:
        """The file of a module of ours, None for any other."""
        if module.split(".")[0] != PACKAGE:
            return None
        folder = self.folder_of(module)
        for path in (folder.with_suffix(".py"), folder / "__init__.py"):
            if path.is_file():
                return path
        return None

    def need(self, module: str, name: str = ALL) -> None:
        """Note ``name`` of a module, with everything behind it."""
        path = self.file_of(module)
        if path is None or (module, name) in self._seen:
            return
        self._seen.add((module, name))
        tree = _parsed(path, path.stat().st_mtime_ns)
        passed_on = self._passed_on(path, tree)
        if passed_on is not None:
            if name == ALL:
                for origin in passed_on.values():
                    self.need(*origin)
            elif name in passed_on:
                self.need(*passed_on[name])
            return
        parent = module.rpartition(".")[0]
        if parent:
            self.need(parent, "")  # it runs, too
        if path in self.files:
            return
        self.files.add(path)
        if path.parent != self.root / PACKAGE:
            self.files |= {
                data
                for data in path.parent.iterdir()
                if data.is_file() and data.suffix not in _NO_DATA
            }
        self.follow(tree, module if path.stem == "__init__" else parent)

    def follow(self, tree: ast.Module, package: str) -> None:
        """Note what a module imports; ``package`` is "" for a notebook."""
        reads_tables = False
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.need(alias.name)
            elif isinstance(node, ast.ImportFrom):
                origin = _origin(node, package)
                reads_tables |= origin.startswith(STUDIES)
                for alias in node.names:
                    reads_tables |= alias.name == "experiments"
                    self._need_from(origin, alias, None if package else tree)
        if reads_tables:
            self.files |= self._tables_named_in(tree)
            if not package and any(map(_asks_for_a_table, ast.walk(tree))):
                self.files |= set(self._tables.values())

    def _need_from(
        self, origin: str, alias: ast.alias, cells: ast.Module | None
    ) -> None:
        module = f"{origin}.{alias.name}"
        if self.file_of(module) is None:
            self.need(origin, alias.name)
            return
        used = {ALL}
        if cells is not None:
            used = _attributes(cells, alias.asname or alias.name)
        for name in used:
            self.need(module, name)

    def _passed_on(
        self, path: Path, tree: ast.Module
    ) -> dict[str, tuple[str, str]] | None:
        """Whence a package has each of its names, None if it does more."""
        if path.stem != "__init__":
            return None
        package = _module_of(path, self.root)
        passed_on = {}
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                origin = _origin(node, package)
                for alias in node.names:
                    module = f"{origin}.{alias.name}"
                    passed_on[alias.asname or alias.name] = (
                        (module, ALL)
                        if self.file_of(module)
                        else (origin, alias.name)
                    )
            elif not _is_words(node):
                return None
        return passed_on

    def _tables_named_in(self, tree: ast.Module) -> set[Path]:
        words = {
            node.value.removesuffix(".csv")
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        return {self._tables[name] for name in words & self._tables.keys()}


@functools.lru_cache(maxsize=None)
def _parsed(path: Path, modified: int) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _module_of(path: Path, root: Path) -> str:
    parts = path.parent.relative_to(root).parts
    return ".".join(parts if parts[0] == PACKAGE else (PACKAGE, *parts))


def _origin(node: ast.ImportFrom, package: str) -> str:
    """The full name of the module that names are taken from."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _is_words(node: ast.stmt) -> bool:
    """Is it a docstring, or the list of a package's names?"""
    if isinstance(node, ast.Assign):
        return [ast.unparse(target) for target in node.targets] == ["__all__"]
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _attributes(tree: ast.Module, name: str) -> set[str]:
    """The attributes of ``name`` that are used; ALL if it is used as such."""
    used, within = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(
            node.value, ast.Name
        ):
            if node.value.id == name:
                used.add(node.attr)
                within.add(node.value)
    bare = any(
        isinstance(node, ast.Name) and node.id == name and node not in within
        for node in ast.walk(tree)
    )
    return {ALL} if bare or not used else used


def _asks_for_a_table(node: ast.AST) -> bool:
    """Is a table asked for whose name is made only when the cell runs?"""
    return (
        isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "table"
        and bool(node.args)
        and not isinstance(node.args[0], ast.Constant)
    )
