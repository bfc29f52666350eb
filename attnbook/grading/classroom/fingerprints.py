"""Digests of what a grade hangs on."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import asdict
from pathlib import Path

from attnbook.grading.isolation.limits import Limits
from attnbook.grading.notebook.release import Release


def of_package() -> str:
    """Return the digest of this package's Python files."""
    root = Path(__file__).resolve().parents[2]
    whole = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.relative_to(root)}\0{content}\n".encode())
    return whole.hexdigest()


def of_release(release: Release) -> str:
    """Return the digest of a released notebook's cells."""
    cells = [asdict(cell) for cell in release.notebook.cells]
    text = json.dumps([release.name, cells], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def of_circumstances(
    release: str, package: str, limits: Limits, isolation: str
) -> str:
    """Return the digest of all that two submissions have in common."""
    versions = {}
    for name in ("torch", "numpy"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = ""
    parts = [release, package, asdict(limits), isolation, versions]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def key(digest: str, circumstances: str) -> str:
    """Return the digest of a submission in its circumstances."""
    return hashlib.sha256(f"{digest}\0{circumstances}".encode()).hexdigest()
