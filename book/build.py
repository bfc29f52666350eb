"""Build the book, with or without its solutions, as pages or as EPUB.

This is Jupyter Book's own command with the flags that the course needs::

    jupyter-book build . -W -n --keep-going

and four things around it: the notebooks are executed before, side by side;
solutions can be left out, a failed build is not remembered as a good one,
and the page to open is printed at the end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

from book import execution

ROOT = Path(__file__).resolve().parent.parent
STRICT = ("-W", "-n", "--keep-going")
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"


def without_solutions(contents: dict) -> dict:
    """A table of contents with every page under ``solutions/`` gone."""

    def kept(entry):
        if isinstance(entry, dict):
            return {name: kept(value) for name, value in entry.items()}
        if isinstance(entry, list):
            return [
                kept(item)
                for item in entry
                if not str(item.get("file", "")).startswith("solutions/")
            ]
        return entry

    return kept(contents)


def executed_in(source: Path, contents: dict) -> list[Path]:
    """The notebooks of a table of contents that are executed for it."""

    def below(entry) -> list[str]:
        if isinstance(entry, list):
            return [name for item in entry for name in below(item)]
        if not isinstance(entry, dict):
            return []
        own = [entry["file"]] if "file" in entry else []
        return own + [
            name for value in entry.values() for name in below(value)
        ]

    paths = [source / f"{name}.ipynb" for name in below(contents)]
    return [
        path
        for path in paths
        if path.parent.name in execution.FOLDERS and path.exists()
    ]


def output_folder(source: Path, solutions: bool, epub: bool) -> Path:
    """Where the built pages (or the EPUB's parts) of one variant lie."""
    variant = [] if solutions else ["without-solutions"]
    if epub:
        variant.append("for-epub")
    top = source.joinpath("_build", *variant) if variant else source
    return top / "_build" / ("epub" if epub else "html")


def build(
    source: Path = ROOT, solutions: bool = True, epub: bool = False
) -> int:
    """Build one variant of the book under ``source``; its exit status."""
    contents = yaml.safe_load((source / "_toc.yml").read_text("utf-8"))
    if not solutions:
        contents = without_solutions(contents)
    failures = execution.execute_all(source, executed_in(source, contents))
    if failures:
        return execution.report(failures)
    target = output_folder(source, solutions, epub)
    top = target.parent.parent
    top.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", str(source)]
    command += ["--path-output", str(top), *STRICT]
    if epub:
        command += ["--builder", "custom", "--custom-builder", "epub"]
    if not solutions:
        shortened = top / "_toc.yml"
        shortened.write_text(
            yaml.safe_dump(contents, sort_keys=False), "utf-8"
        )
        command += ["--toc", str(shortened)]
    environment = dict(
        os.environ,
        ATTENTION_BOOK_SOLUTIONS="1" if solutions else "0",
        PYTHONUNBUFFERED="1",
    )
    status = subprocess.call(command, env=environment, cwd=source)
    if status:
        # Sphinx would not repeat the warnings of pages that it has read,
        # and a second build would pass.
        shutil.rmtree(target.parent / ".doctrees", ignore_errors=True)
    return status


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit status is that of the build."""
    parser = argparse.ArgumentParser(
        prog="python -m book.build", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--source", type=Path, default=ROOT)
    parser.add_argument("--without-solutions", action="store_true")
    parser.add_argument("--epub", action="store_true")
    chosen = parser.parse_args(arguments)
    source = chosen.source.resolve()
    solutions = not chosen.without_solutions
    started = time.monotonic()
    status = build(source, solutions, chosen.epub)
    if status:
        print(
            "\nThe book was not built: the traceback, or the lines marked "
            "WARNING or ERROR, above say why.",
            file=sys.stderr,
        )
        return status
    target = output_folder(source, solutions, chosen.epub)
    if chosen.epub:
        made = next(target.glob("*.epub"))
        page = source / "_build" / "attention-from-scratch.epub"
        shutil.copyfile(made, page)
    else:
        page = target / "index.html"
    seconds = time.monotonic() - started
    print(f"\nThe book is built, in {seconds:.0f} s. Open\n\n    {page}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
