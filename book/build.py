"""Build the book, with or without its solutions, as pages or as EPUB.

This is Jupyter Book's own command with the flags that the course needs::

    jupyter-book build . -W -n --keep-going

and three things around it: solutions can be left out, a failed build is not
remembered as a good one, and the page to open is printed at the end.
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
    target = output_folder(source, solutions, epub)
    top = target.parent.parent
    top.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", str(source)]
    command += ["--path-output", str(top), *STRICT]
    if epub:
        command += ["--builder", "custom", "--custom-builder", "epub"]
    if not solutions:
        contents = yaml.safe_load((source / "_toc.yml").read_text("utf-8"))
        shortened = top / "_toc.yml"
        shortened.write_text(
            yaml.safe_dump(without_solutions(contents), sort_keys=False),
            "utf-8",
        )
        command += ["--toc", str(shortened)]
    environment = dict(
        os.environ,
        ATTENTION_BOOK_SOLUTIONS="1" if solutions else "0",
        PYTHONUNBUFFERED="1",
        PYDEVD_DISABLE_FILE_VALIDATION="1",
    )
    status = subprocess.call(command, env=environment, cwd=source)
    if status:
        # Sphinx would not repeat the warnings of pages that it has read,
        # and a second build would pass. Executed notebooks stay cached.
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
            "\nThe book was not built: the lines marked WARNING or ERROR "
            "above say why.",
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
