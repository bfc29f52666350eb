"""A made-up class that is published once, and copies of it to be changed."""

import shutil

import classroom
import nbgrader.api
import pytest
from graded_class import write_class

from attnbook.grading.records.publish import Options, publish


@pytest.fixture(scope="session")
def first(course, tmp_path_factory):
    """Return a folder that is published, not to be changed."""
    out = write_class(tmp_path_factory.mktemp("published"))
    publish(out, Options(release=course / "exercises"))
    return out


@pytest.fixture
def out(first, tmp_path):
    """Return a copy of a published folder."""
    return shutil.copytree(first, tmp_path / "out")


@pytest.fixture(autouse=True)
def known_version(first, monkeypatch):
    """Do not ask for seconds which version a new gradebook has.

    The first one did, and is compared with one that was made so.
    """
    monkeypatch.setattr(nbgrader.api, "get_alembic_version", classroom.version)
