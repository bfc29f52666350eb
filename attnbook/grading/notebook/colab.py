"""Stands in for ``google.colab``, which a notebook made in Colab asks for.

A Drive, an upload or a widget is nothing that a grader has: whatever is asked
of the module here does nothing, so that the cell goes on. Where the real one
is installed, it is used.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from typing import Any


def install() -> None:
    """Let ``google.colab`` be imported where it is not installed."""
    if _Finder not in sys.meta_path:
        sys.meta_path.append(_Finder)


class _Finder:
    """Finds the stand-ins; it comes last, after all that is installed."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name == "google" or f"{name}.".startswith("google.colab."):
            return importlib.machinery.ModuleSpec(
                name, _Finder, is_package=True
            )
        return None

    @staticmethod
    def create_module(spec: importlib.machinery.ModuleSpec) -> _Module:
        return _Module(spec.name)

    @staticmethod
    def exec_module(module: types.ModuleType) -> None:
        """Nothing to run."""


class _Module(types.ModuleType):
    """A module that has every function, none of which does anything."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self.__name__ == "google":
            raise AttributeError(
                f"module {self.__name__!r} has no attribute {name!r}"
            )
        if self.__name__ == "google.colab":
            return importlib.import_module(f"{self.__name__}.{name}")
        # What was uploaded: no file.
        return dict if name == "upload" else _nothing


def _nothing(*arguments: object, **keywords: object) -> None:
    return None
