"""The normal form of a notebook, so that a diff shows only what changed.

A notebook in normal form has no outputs but those of cells tagged
``nbval-check-output``, no execution counts but on those, stable cell ids in
kebab-case, and no metadata that an editor left behind. A cell tagged
``hide-input`` is folded in JupyterLab and in Colab too::

    python -m book.notebooks            # rewrite every notebook
    python -m book.notebooks --check    # change nothing, only compare
"""

from __future__ import annotations

import argparse
import copy
import re
import sys
import unicodedata
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("chapters", "solutions", "exercises")
COMPARED = "nbval-check-output"
KEPT_CELL_METADATA = ("tags", "mystnb", "nbgrader")
FOLDED = "hide-input"  # the tag; what JupyterLab and Colab know it by:
FOLDED_METADATA = {"jupyter": {"source_hidden": True}, "cellView": "form"}
LOCKS = ("deletable", "editable")  # nbgrader sets them, to False
METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}
_KEBAB = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def normal(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy of ``notebook`` in normal form."""
    result = copy.deepcopy(notebook)
    result.nbformat, result.nbformat_minor = 4, 5
    result.metadata = nbformat.from_dict(METADATA)
    if "attnbook" in notebook.metadata:  # the release says what it is
        result.metadata.attnbook = notebook.metadata.attnbook
    taken: set[str] = set()
    for cell in result.cells:
        cell.source = "\n".join(
            line.rstrip() for line in cell.source.rstrip().split("\n")
        )
        cell.metadata = _cell_metadata(cell.metadata)
        cell.id = _free(_kebab(cell), taken)
        taken.add(cell.id)
        if cell.cell_type == "code":
            _normalise_outputs(cell)
    return result


def _cell_metadata(metadata) -> nbformat.NotebookNode:
    kept = {
        name: metadata[name]
        for name in KEPT_CELL_METADATA
        if metadata.get(name)
    }
    if "nbgrader" in kept:
        kept |= {name: False for name in LOCKS if metadata.get(name) is False}
    if "tags" in kept:
        kept["tags"] = sorted(set(kept["tags"]))
        if FOLDED in kept["tags"]:
            kept |= FOLDED_METADATA
    return nbformat.from_dict(kept)


def _normalise_outputs(cell) -> None:
    if COMPARED not in cell.metadata.get("tags", []):
        cell.outputs, cell.execution_count = [], None
        return
    merged = []
    for output in cell.outputs:
        output.pop("execution_count", None)
        if output.output_type == "execute_result":
            output.execution_count = 1
        if "metadata" in output:
            output.metadata = nbformat.from_dict({})
        if "data" in output:
            output.data = nbformat.from_dict(
                {
                    kind: value
                    for kind, value in output.data.items()
                    if kind == "text/plain"
                }
            )
        same_stream = (
            merged
            and output.output_type == "stream"
            and merged[-1].output_type == "stream"
            and merged[-1].name == output.name
        )
        if same_stream:
            merged[-1].text += output.text
        else:
            merged.append(output)
    cell.outputs = merged
    cell.execution_count = 1 if merged else None


def _kebab(cell) -> str:
    if _KEBAB.fullmatch(cell.get("id", "")) and len(cell.id) <= 64:
        return cell.id
    source = cell.get("id") or cell.source
    plain = unicodedata.normalize("NFKD", source).encode("ascii", "ignore")
    words = re.findall(r"[a-z0-9]+", plain.decode().lower())
    return "-".join(words[:6])[:60].strip("-") or cell.cell_type


def _free(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"


def as_text(notebook: nbformat.NotebookNode) -> str:
    """How a notebook is written to a file: one space, a closing newline."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def normal_text(path: Path) -> str:
    """The text that the notebook at ``path`` has in normal form.

    Raises:
        ValueError: the file is no notebook.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
        return as_text(normal(notebook))
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as why:
        raise ValueError(f"{path}: expected a notebook: {why}") from None


def found(root: Path = ROOT) -> list[Path]:
    """Every notebook of the course."""
    return [
        path
        for name in FOLDERS
        for path in sorted((root / name).glob("*.ipynb"))
    ]


def main(arguments: list[str] | None = None) -> int:
    """The command; with ``--check`` its status is 1 where one differs."""
    parser = argparse.ArgumentParser(
        prog="python -m book.notebooks", description=__doc__.split("\n")[0]
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args(arguments)
    differing = 0
    for path in chosen.paths or found():
        try:
            wanted = normal_text(path)
        except (OSError, ValueError) as problem:
            print(problem, file=sys.stderr)
            return 2
        if path.read_text("utf-8") == wanted:
            continue
        differing += 1
        if chosen.check:
            print(f"{path}: not in normal form, run `make notebooks`")
        else:
            path.write_text(wanted, "utf-8")
            print(f"normalised {path}")
    return 1 if chosen.check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
