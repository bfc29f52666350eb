"""What the studies' commands have in common: options, run, tables."""

from __future__ import annotations

import argparse
import pkgutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from attnbook import experiments
from attnbook.experiments import FOLDER, write_table

SEEDS = (0, 1, 2)

Rows = list[dict]
Option = int | tuple[int, ...] | list[str]


def command(
    doc: str,
    tables: tuple[str, ...],
    run: Callable[..., Rows | dict[str, Rows]],
    **options: Option,
) -> None:
    """Run a study from the command line, and write its tables.

    Args:
        doc: of the study's module; `--help` shows its first line.
        tables: the names of what it writes.
        run: called with the options; returns the rows of its only table, or
            those of each table that is to be written, by name.
        options: the default of each: one number, several of them, or the
            names that it may take, which are all taken by default. `--out`,
            the folder to write to, comes on top.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    for name, default in options.items():
        parser.add_argument(f"--{name}", default=default, **_kind(default))
    parser.add_argument("--out", type=Path, default=FOLDER)
    chosen = vars(parser.parse_args())
    out = chosen.pop("out")
    found = run(**chosen)
    if not isinstance(found, dict):
        found = dict(zip(tables, [found], strict=True))
    for name, rows in found.items():
        write_table(out / f"{name}.csv", rows)


def _kind(default: Option) -> dict:
    """What `add_argument` has to know of an option beside its default."""
    if isinstance(default, int):
        return {"type": int}
    if isinstance(default[0], str):
        return {"nargs": "+", "choices": default}
    return {"nargs": "+", "type": int}


def studies() -> dict[str, tuple[str, ...]]:
    """The tables that each study writes, by the name of its module.

    A study is a module that says so, in `TABLES`.
    """
    found = {}
    for module in pkgutil.iter_modules(experiments.__path__):
        if not module.name.startswith("_"):
            study = import_module(f"{experiments.__name__}.{module.name}")
            if hasattr(study, "TABLES"):
                found[module.name] = study.TABLES
    return found
