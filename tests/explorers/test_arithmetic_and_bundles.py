"""What runs in the browser: its arithmetic, and its committed bundles."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXPLORERS = ROOT / "attnbook" / "explorers"
NAMES = sorted(path.parent.name for path in EXPLORERS.glob("*/view.mjs"))
COMPARED = sorted(
    path.name for path in Path(__file__).parent.glob("*.test.mjs")
)

# One holds a whole model, with its tokenizer; the others explain what they
# show in many sentences.
MOST = {
    "generation": 32_000,
    "pattern_painter": 24_000,
    "ring_walk": 23_000,
    "tile_walk": 26_000,
    "written_state": 26_000,
}


def missing(what: str) -> None:
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


@pytest.fixture
def node() -> str:
    path = shutil.which("node")
    if path is None:
        missing("no Node found: install Node 20 or newer")
    return path


@pytest.mark.parametrize("file", COMPARED)
def test_the_arithmetic_in_the_browser_is_pythons(node, file):
    path = f"tests/explorers/{file}"
    done = subprocess.run(
        [node, "--test", path],
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout or "fail 0" in done.stdout
    cases = (ROOT / path).read_text("utf-8")
    assert f"tests {cases.count('test(')}" in done.stdout


def test_the_committed_bundles_are_what_the_sources_give(node, tmp_path):
    if not (ROOT / "node_modules" / "esbuild").is_dir():
        missing("no esbuild found: run `npm ci`")
    script = EXPLORERS / "kit" / "bundle.mjs"
    subprocess.run([node, script, "made"], cwd=tmp_path, check=True)
    made = {path.parent.name: path for path in tmp_path.glob("made/*/*.mjs")}
    assert sorted(made) == NAMES
    for name, path in made.items():
        committed = EXPLORERS / name / "built.mjs"
        assert path.read_bytes() == committed.read_bytes(), (
            f"{name} is not what its sources give: run `npm run build`"
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_is_small_and_asks_no_other_host(name):
    text = (EXPLORERS / name / "built.mjs").read_text(encoding="utf-8")
    assert len(text.encode()) < MOST.get(name, 20_000)
    addresses = text.replace("http://www.w3.org/2000/svg", "")
    assert "http" not in addresses
    assert not re.search(r"\bimport\b", text)


def test_every_explorer_has_its_source_beside_its_class():
    assert len(NAMES) >= 4
    for name in NAMES:
        for file in ("__init__.py", "view.mjs", "style.css", "built.mjs"):
            assert (EXPLORERS / name / file).is_file()
