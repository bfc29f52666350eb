"""No explorer of the package is left out by these tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from samples import SAMPLES

from attnbook import explorers

HERE = Path(__file__).parent
PACKAGE = Path(explorers.__file__).parent
FOLDERS = sorted(path.parent.name for path in PACKAGE.glob("*/view.mjs"))


def class_name(folder: str) -> str:
    return "".join(part.title() for part in folder.split("_"))


def own_tests_of(folders: Iterable[str]) -> dict[str, str]:
    """The text of each explorer's own tests."""
    return {
        folder: "".join(
            path.read_text("utf-8") for path in HERE.glob(f"test_{folder}*.py")
        )
        for folder in folders
    }


def left_out(
    folders: Iterable[str],
    exported: Iterable[str],
    samples: Iterable[str],
    tests: Mapping[str, str],
) -> list[str]:
    """What is missing of each explorer, and where to write it."""
    said = []
    for folder in folders:
        name, own = class_name(folder), tests.get(folder, "")
        if name not in exported:
            said.append(
                f"{name} is not exported: import it in "
                "attnbook/explorers/__init__.py and name it in __all__"
            )
        if name not in samples:
            said.append(
                f"{name} has no sample: add one to SAMPLES in "
                "tests/explorers/samples.py"
            )
        needs = {
            r"show\(": "shown in a page",
            r"\.press\(": "moved by a key",
            r"\.(click|tap|check)\(|mouse": "moved by mouse or finger",
            r"pytest\.raises\(ValueError": "given bad input",
        }
        said += [
            f"{name} is never {what}: do it in "
            f"tests/explorers/test_{folder}.py"
            for pattern, what in needs.items()
            if not re.search(pattern, own)
        ]
    return said


def test_no_explorer_is_left_out():
    assert len(FOLDERS) >= 11
    assert (
        left_out(FOLDERS, explorers.__all__, SAMPLES, own_tests_of(FOLDERS))
        == []
    )


def test_no_class_and_no_sample_lacks_its_folder():
    classes = set(map(class_name, FOLDERS))
    assert set(explorers.__all__) == set(SAMPLES) == classes


def test_an_explorer_in_no_list_would_be_noticed():
    said = left_out(["uniform_mix"], explorers.__all__, SAMPLES, {})
    assert len(said) == 6
    assert said[1] == (
        "UniformMix has no sample: add one to SAMPLES in "
        "tests/explorers/samples.py"
    )


def test_every_function_of_the_arithmetic_is_compared_with_numpys():
    source = (PACKAGE / "kit" / "arithmetic.mjs").read_text("utf-8")
    compared = (HERE / "arithmetic.test.mjs").read_text("utf-8")
    functions = re.findall(r"^export (?:const|function) (\w+)", source, re.M)
    assert len(functions) >= 20
    missing = [
        f"{name} is compared with nothing: add a case to cases.py and the "
        "comparison to arithmetic.test.mjs"
        for name in functions
        if not re.search(rf"\barithmetic\.{name}\b", compared)
    ]
    assert missing == []
