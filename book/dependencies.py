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
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

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
    for cell in _code_cells(notebook):
        digest.update(hashlib.sha256(_source(cell).encode()).digest())
        digest.update(b"%d" % ("raises-exception" in _tags(cell)))
    for path in sorted(files(root, notebook)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(_hash(path, *_state(path)))
    return digest.hexdigest()[:32]


def files(root: Path, notebook: Path) -> set[Path]:
    """The files under ``root`` that ``notebook`` imports, reads or pins."""
    found = _Closure(root)
    pinned = root / CONSTRAINTS
    if pinned.exists():
        found.files.add(pinned)
    cells = _read_cells(notebook, *_state(notebook))
    if cells is None:  # nothing is known of it
        for module in (PACKAGE, STUDIES):
            found.files |= set(found.folder_of(module).rglob("*.*"))
        return {path for path in found.files if path.is_file()}
    found.follow(cells, "")
    return found.files


def _code_cells(notebook: Path) -> list[dict]:
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def _source(cell: dict) -> str:
    return "".join(cell["source"])


def _tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


class _Read(NamedTuple):
    """What matters of the code of a module or of a notebook's cells."""

    imports: list[ast.Import | ast.ImportFrom]
    words: frozenset[str]  # its strings, without ".csv"
    uses: dict[str, set[str]]  # of a name, the attributes; ALL if it is bare
    makes_table_names: bool  # one is known only when the code runs
    does_more: bool  # than to pass names on

    @classmethod
    def of(cls, tree: ast.Module) -> _Read:
        imports, words, makes_table_names = [], set(), False
        uses: dict[str, set[str]] = defaultdict(set)
        dotted = set()
        for node in ast.walk(tree):  # an attribute before its name
            if isinstance(node, ast.Import | ast.ImportFrom):
                imports.append(node)
            elif isinstance(node, ast.Constant):
                words.add(str(node.value).removesuffix(".csv"))
            elif isinstance(node, ast.Attribute):
                if isinstance(node.value, ast.Name):
                    uses[node.value.id].add(node.attr)
                    dotted.add(node.value)
            elif isinstance(node, ast.Name):
                if node not in dotted:
                    uses[node.id].add(ALL)
            elif isinstance(node, ast.Call):
                makes_table_names |= _makes_a_table_name(node)
        does_more = not all(
            isinstance(node, ast.ImportFrom) or _is_words(node)
            for node in tree.body
        )
        return cls(
            imports, frozenset(words), uses, makes_table_names, does_more
        )


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
        read = _read(path, *_state(path))
        passed_on = self._passed_on(path, read)
        if passed_on is not None:
            if name == ALL:
                for origin in passed_on.values():
                    self.need(*origin)
            elif name in passed_on:
                self.need(*passed_on[name])
            elif name:
                self.need(f"{module}.{name}")  # or it is no module
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
        self.follow(read, module if path.stem == "__init__" else parent)

    def follow(self, read: _Read, package: str) -> None:
        """Note what a module imports; ``package`` is "" for a notebook."""
        reads_tables = False
        for node in read.imports:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.need(alias.name)
                continue
            origin = _origin(node, package)
            reads_tables |= origin.startswith(STUDIES)
            for alias in node.names:
                reads_tables |= alias.name == "experiments"
                module = f"{origin}.{alias.name}"
                if self.file_of(module) is None:
                    self.need(origin, alias.name)
                    continue
                used = {ALL}
                if not package:
                    used = read.uses.get(alias.asname or alias.name, used)
                for name in used:
                    self.need(module, name)
        if reads_tables:
            named = read.words & self._tables.keys()
            if read.makes_table_names and not package:
                named = self._tables.keys()
            self.files |= {self._tables[name] for name in named}

    def _passed_on(
        self, path: Path, read: _Read
    ) -> dict[str, tuple[str, str]] | None:
        """Whence a package has each of its names, None if it does more."""
        if path.stem != "__init__" or read.does_more:
            return None
        package = _module_of(path, self.root)
        passed_on = {}
        for node in read.imports:
            origin = _origin(node, package)
            for alias in node.names:
                module = f"{origin}.{alias.name}"
                passed_on[alias.asname or alias.name] = (
                    (module, ALL)
                    if self.file_of(module)
                    else (origin, alias.name)
                )
        return passed_on


def _state(path: Path) -> tuple[int, int]:
    """What changes when a file does."""
    about = path.stat()
    return about.st_mtime_ns, about.st_size


@functools.cache
def _hash(path: Path, modified: int, size: int) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


@functools.cache
def _read(path: Path, modified: int, size: int) -> _Read:
    return _Read.of(ast.parse(path.read_text("utf-8")))


@functools.cache
def _read_cells(notebook: Path, modified: int, size: int) -> _Read | None:
    """The cells taken together, None if they are no Python."""
    sources = (
        _MAGIC.sub(r"\1pass", _source(cell)) for cell in _code_cells(notebook)
    )
    try:
        return _Read.of(ast.parse("\n".join(sources)))
    except SyntaxError:
        return None


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


def _makes_a_table_name(call: ast.Call) -> bool:
    return (
        getattr(call.func, "id", "") == "table"
        and bool(call.args)
        and not isinstance(call.args[0], ast.Constant)
    )
