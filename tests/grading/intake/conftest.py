"""What a class hands in, and what is found of it."""

import json

import layouts
import pytest
from as_found import MEGABYTE

from attnbook.grading.intake.submissions import find
from attnbook.grading.notebook.release import known_releases


@pytest.fixture(scope="module")
def releases(course, tmp_path_factory):
    nobody = tmp_path_factory.mktemp("nobody") / "x"
    return known_releases(course / "exercises", nobody)[0]


@pytest.fixture(scope="module")
def toy(course):
    """The bytes of the released notebook, with a mark to tell them apart."""
    text = (course / "exercises" / "00-toy.ipynb").read_text("utf-8")

    def marked(mark="") -> bytes:
        content = json.loads(text)
        content["cells"][0]["source"] = f"# A toy, by {mark}"
        return json.dumps(content).encode()

    return marked


@pytest.fixture(scope="module")
def other(course):
    return (course / "exercises" / "01-other.ipynb").read_bytes()


@pytest.fixture
def found_in(releases):
    def found(path):
        return find(path, "00-toy", releases, 20 * MEGABYTE)

    return found


@pytest.fixture
def in_zip(tmp_path, found_in):
    """Return what is found in a zip, made of files or given in bytes."""

    def found(files, name="class.zip"):
        path = tmp_path / name
        data = files if isinstance(files, bytes) else layouts.zipped(files)
        path.write_bytes(data)
        return found_in(path)

    return found
