"""The pages that the table of contents promises."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def documents() -> list[str]:
    """Every document of ``_toc.yml``, without its ending."""
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))

    def below(entry) -> list[str]:
        if isinstance(entry, list):
            return [name for item in entry for name in below(item)]
        if not isinstance(entry, dict):
            return []
        own = [entry[key] for key in ("root", "file") if key in entry]
        return own + [
            name for value in entry.values() for name in below(value)
        ]

    return below(contents)


def pages() -> list[str]:
    """Every page that a reader can come to."""
    return [f"{name}.html" for name in documents()] + ["search.html"]


def notebooks() -> list[str]:
    """The documents that are notebooks."""
    return [name for name in documents() if (ROOT / f"{name}.ipynb").exists()]
