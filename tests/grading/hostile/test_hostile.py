"""Hostile notebooks, graded as a class is: what they get, and what got out.

Each kind of :mod:`attnbook.grading.hostile` is one test. Where the sandbox
cannot run, they are skipped and counted at the end of the session, and one
test fails where ``CI`` is set.
"""

import copy
import fcntl
import importlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from attnbook.grading.hostile import FAMILIES, FOLDERS, NOTEBOOKS, Kind, Traps
from attnbook.grading.hostile import traps as traps_
from attnbook.grading.hostile.kind import EARNED
from attnbook.grading.hostile.trying import (
    LIMITS,
    Outcome,
    attempt,
    text_of,
    warm_up,
)
from attnbook.grading.notebook.release import known_releases
from attnbook.grading.report import Report, Result, as_html, as_json
from attnbook.judging.exercise import Case, Exercise

ROOT = Path(__file__).parents[3]
EXERCISES = ROOT / "exercises"

SEED = 20_251  # of the cases that nobody has seen


@pytest.fixture(autouse=True)
def devices(request, tmp_path_factory):
    """Let nobody else look where a test changes devices of this machine."""
    given = getattr(request.node, "callspec", None)
    changes = given and given.params.get("name") == "device of the machine"
    place = tmp_path_factory.getbasetemp().parent / "devices"  # of all workers
    with place.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if changes else fcntl.LOCK_SH)
        yield


@pytest.fixture(scope="module")
def releases():
    return known_releases(EXERCISES, Path("hostile.ipynb"))[0]


@pytest.fixture(scope="module")
def traps():
    with Traps(EXERCISES) as traps:
        yield traps


@pytest.fixture(scope="module")
def examine(sandbox, releases, traps):
    """Return what grades a kind, with one examiner for each exercise."""
    from attnbook.grading.isolation import remote
    from attnbook.grading.isolation.apart import Examiner

    kept = {}

    def examine(kind):
        if kind.exercise not in kept:
            for examiner in kept.values():
                examiner.close()
            kept.clear()
            examiner = Examiner(
                releases[kind.exercise], LIMITS, "bubblewrap", SEED
            )
            kept[kind.exercise] = examiner
            warm_up(releases[kind.exercise], examiner, traps)
        examiner = kept[kind.exercise]
        return attempt(kind, releases[kind.exercise], examiner, traps)

    with pytest.MonkeyPatch.context() as patch:
        # Seconds that are given to who ignores that it is interrupted.
        patch.setattr(remote, "GRACE", 0.5)
        yield examine
    for examiner in kept.values():
        examiner.close()


def _by_exercise():
    honest = [
        Kind(f"honest in {name}", "Answers it honestly.", exercise=name)
        for name in EARNED
    ]
    kinds = [*honest, *NOTEBOOKS.values()]
    kinds.sort(key=lambda kind: kind.exercise)
    # As many as it takes for two workers; each needs an examiner of its own.
    halves = ("hostile, one half", "hostile, the other half")
    return [
        pytest.param(
            kind,
            id=kind.name,
            marks=pytest.mark.xdist_group(halves[2 * place // len(kinds)]),
        )
        for place, kind in enumerate(kinds)
    ]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", _by_exercise())
def test_a_hostile_notebook_gets_what_it_deserves(kind, examine):
    outcome = examine(kind)
    assert outcome.faults == []
    assert outcome.report.isolation == "bubblewrap"


def test_this_machine_can_run_the_sandbox():
    from attnbook.grading.isolation.sandbox import support

    found = support()
    if not found.ok and not os.environ.get("CI"):
        pytest.skip(f"the sandbox cannot run here: {found.reason}")
    assert found.ok, " ".join([found.reason, *found.ways_out])


def test_the_corpus_is_as_large_as_it_is_said_to_be():
    assert len(NOTEBOOKS) == sum(map(len, FAMILIES.values()))  # no name twice
    assert len(NOTEBOOKS) >= 100
    page = (ROOT / "teaching" / "threat-model.md").read_text("utf-8")
    words = " ".join(page.split())
    said = f"{len(NOTEBOOKS)} kinds of notebook and {len(FOLDERS)} kinds of"
    assert said in words
    for kind in [*NOTEBOOKS.values(), *FOLDERS.values()]:
        assert kind.tries.endswith(".")
        assert "__" not in kind.name


# -- that the tests can fail -------------------------------------------------


@pytest.fixture(scope="module")
def impatient():
    """Let the traps wait less long for what will not end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(traps_, "_LOOKS", 5)
        yield


@pytest.fixture(scope="module")
def unprotected(releases, traps, impatient):
    """Return what grades a kind without the sandbox."""
    from attnbook.grading.isolation.apart import Examiner

    release = releases["03-scaled-dot-product"]
    with Examiner(release, LIMITS, "none", SEED) as examiner:
        warm_up(release, examiner, traps)
        yield lambda kind: attempt(kind, release, examiner, traps)


@pytest.mark.xdist_group("hostile, without the sandbox")
@pytest.mark.parametrize(
    ("name", "effect"),
    [
        ("files in shared places", "file"),
        ("files at home", "file"),
        ("TCP connection", "connection"),
        ("UDP and names", "connection"),
        ("abstract socket", "connection"),
        ("written gradebook", "gradebook"),
        ("daemon", "process"),
        pytest.param(
            "device of the machine",
            "file",
            marks=pytest.mark.skipif(
                os.geteuid() != 0, reason="the devices are root's"
            ),
        ),
    ],
)
def test_without_the_sandbox_it_would_be_noticed(name, effect, unprotected):
    outcome = unprotected(NOTEBOOKS[name])
    assert effect in outcome.effects
    assert outcome.faults


@pytest.mark.xdist_group("hostile, without the sandbox")
def test_even_without_the_sandbox_the_verdict_is_made_elsewhere(
    unprotected,
):
    for name in ("patched differences", "patched Exercise", "patched check"):
        outcome = unprotected(NOTEBOOKS[name])
        assert outcome.report.points == sum(outcome.kind.earned.values())
        assert outcome.report.isolation == "none"


def test_points_and_words_that_differ_are_faults():
    kind = Kind(
        "k",
        "Tries.",
        deserves={"one": 2.0},
        reports=("restored",),
        conceals=("secret",),
    )

    def outcome(points, note, seconds=0.0, **effects):
        result = Result("one", "One", points, 4, "failed", "", 0.0)
        report = Report(notebook="n", results=(result,), notes=(note,))
        return Outcome(kind, report, effects, seconds)

    assert outcome(2, "It was restored.").faults == []
    assert "got 4 points" in outcome(4, "restored").faults[0]
    assert outcome(2, "restored", 1_000.0).faults == ["it took 1000 s"]
    assert "does not say" in outcome(2, "").faults[0]
    assert "holds 'secret'" in outcome(2, "restored secret").faults[0]
    assert outcome(2, "restored", file=["x was left"]).faults == ["x was left"]


@pytest.mark.xdist_group("hostile, without the sandbox")
def test_the_traps_notice_what_they_are_for(tmp_path, impatient):
    (tmp_path / "exercises").mkdir()
    with Traps(tmp_path / "exercises") as traps:
        assert traps.effects() == {}
        Path("/tmp", f"{traps.token}-x").touch()
        traps.gradebook.write_bytes(b"other")
        socket.create_connection(("127.0.0.1", traps.port)).close()
        sleeper = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)"]
        )
        try:
            effects = traps.effects()
        finally:
            sleeper.kill()
            sleeper.wait()
        assert set(effects) == {"file", "process", "connection", "gradebook"}
        assert traps.effects() == {}  # each is told once
        assert not Path("/tmp", f"{traps.token}-x").exists()


# -- how a report is shown ---------------------------------------------------


@pytest.mark.xdist_group("hostile, the other half")
def test_a_hostile_text_does_no_harm_where_it_is_shown(examine):
    report = examine(NOTEBOOKS["hostile exception text"]).report
    page = as_html(report)
    assert "<script>" not in page
    assert "<img" not in page
    assert "alert(1)" in text_of(report)  # it is there to be read
    document = as_json(report)
    assert "\x1b" not in page + document
    document.encode("utf-8")


# -- one student after the other ---------------------------------------------


def _spoil(value):
    """Change what was handed over, as far as it goes."""
    if isinstance(value, torch.Tensor):
        with torch.no_grad():
            value.zero_()
    elif isinstance(value, np.ndarray):
        value[...] = 0
    elif isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            _spoil(item)
        if not isinstance(value, tuple):
            value.clear()


def _state(module):
    """Return all inputs that the checks of a chapter keep, as bytes."""
    kept = [
        [case.arguments, case.keywords]
        for exercise in module.EXERCISES.values()
        for case in (*exercise.cases, *exercise.fresh_cases())
    ]
    kept += [
        [thing.arguments, thing.keywords]
        for part in vars(module).values()
        if isinstance(part, ModuleType)
        for thing in vars(part).values()
        if isinstance(thing, Case)
    ]
    return [_plain(one) for one in kept]


def _plain(value):
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()  # NaN equals nothing
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return repr(value) if not callable(value) else "a function"


@pytest.mark.parametrize("name", [path.stem for path in EXERCISES.glob("*")])
def test_what_one_student_spoils_the_next_one_gets_whole(name, monkeypatch):
    monkeypatch.setattr(Exercise, "secret_seed", SEED)
    module = importlib.import_module(
        "attnbook.checks." + name[3:].replace("-", "_")
    )
    before = _state(module)
    for exercise in module.EXERCISES.values():

        def spoiling(*arguments, exercise=exercise, **keywords):
            kept = copy.deepcopy((arguments, keywords))
            _spoil([*arguments, *keywords.values()])
            return exercise.reference(*kept[0], **kept[1])

        for case in (*exercise.cases, *exercise.fresh_cases()):
            exercise.runner.evaluate(spoiling, case)
        for property_ in exercise.properties:
            exercise.runner.observe(spoiling, property_)
    assert _state(module) == before
