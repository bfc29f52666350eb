"""The licences are whole, and everything that names them agrees."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib

import yaml

HOLDER = "the contributors of Attention from Scratch"

# The legal code as Creative Commons gives it as plain text.
CC_BY_SHA256 = (
    "9e5f1b3c610b9c2da5c313bf81d577a7d1acec686bdb0384edefa6df0f90cd94"
)


def test_the_licence_of_the_text_is_the_unchanged_legal_code(root):
    text = (root / "LICENSE-CC-BY-4.0").read_bytes()
    assert hashlib.sha256(text).hexdigest() == CC_BY_SHA256


def test_the_licence_of_the_code_names_the_holder_and_three_conditions(root):
    text = (root / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("BSD 3-Clause License\n")
    assert f"Copyright (c) 2026, {HOLDER}\n" in text
    for start in (
        "1. Redistributions of source code",
        "2. Redistributions in binary form",
        "3. Neither the name of the copyright holder",
        "THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS",
    ):
        assert f"\n{start}" in text


def test_the_citation_follows_its_schema(root):
    checked = subprocess.run(
        [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.citation-file-format",
            str(root / "CITATION.cff"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_citation_agrees_with_the_package_and_the_licence(root):
    citation = yaml.safe_load(
        (root / "CITATION.cff").read_text(encoding="utf-8")
    )
    project = tomllib.loads(
        (root / "pyproject.toml").read_text(encoding="utf-8")
    )["project"]
    assert citation["version"] == project["version"]
    assert citation["license"] == "BSD-3-Clause"
    assert citation["license"] in str(project["license"])
    assert citation["authors"] == [{"name": HOLDER.replace("the", "The", 1)}]


def test_the_readme_names_both_licences(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert "(LICENSE)" in readme
    assert "(LICENSE-CC-BY-4.0)" in readme
