"""Zygotes, their children, and sessions with students' processes."""

import pytest
from probing import PROBE, SMALL, Probe
from remote_answers import ROOT, opened

from attnbook.grading.isolation.limits import Limits
from attnbook.grading.isolation.sandbox import Zygote, pruned


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = pruned.make(tmp_path_factory.mktemp("package"))
    (folder / "probe.py").write_text(PROBE, "utf-8")
    return folder


@pytest.fixture(scope="module")
def zygote(package, sandbox):
    with Zygote(SMALL, "bubblewrap", ["ctypes"], "probe:serve", package) as z:
        yield z


@pytest.fixture(scope="module")
def open_zygote(package):
    """Without the sandbox."""
    with Zygote(SMALL, "none", ["ctypes"], "probe:serve", package) as z:
        yield z


@pytest.fixture
def probe(zygote):
    with Probe(zygote) as found:
        yield found


@pytest.fixture(params=["zygote", "open_zygote"])
def either(request):
    """A zygote with the sandbox, and one without."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def warm_zygote():
    with Zygote(
        Limits(), "none", ["attnbook.grading.isolation.warm"], package=ROOT
    ) as zygote:
        yield zygote


@pytest.fixture
def session(warm_zygote):
    with opened(warm_zygote) as session:
        yield session


@pytest.fixture(scope="module")
def lasting(warm_zygote):
    """A session for tests that leave it as it was."""
    with opened(warm_zygote) as session:
        yield session
