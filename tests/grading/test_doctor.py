"""The doctor: what it says of a machine, and how it ends."""

from pathlib import Path

import pytest

from attnbook.grading import doctor, hostile
from attnbook.grading.hostile import NOTEBOOKS
from attnbook.grading.isolation.sandbox import Support

ROOT = Path(__file__).parents[2]


@pytest.fixture
def few(monkeypatch):
    """Let the doctor try one notebook of a family."""
    monkeypatch.chdir(ROOT)

    def few(name):
        monkeypatch.setattr(
            hostile, "FAMILIES", {"some of them": [NOTEBOOKS[name]]}
        )

    return few


def test_a_machine_that_holds_them_is_told_so(sandbox, few, capsys):
    few("files in shared places")
    assert doctor.main([]) == 0
    said = capsys.readouterr().out
    assert "✗" not in said
    assert "✓ Leaves files in /tmp, /var/tmp" in said
    assert "2 of 2 notebooks got what they deserve" in said
    assert "This machine can grade strangers' code." in said


def test_what_gets_through_is_named(few, capsys):
    few("files in shared places")
    assert doctor.main(["--no-sandbox"]) == 1
    said = capsys.readouterr().out
    assert "✗ Leaves files in /tmp, /var/tmp" in said
    assert "was left" in said
    assert "1 of 2 notebooks got what they deserve" in said
    assert "Never grade strangers' code so" in said


def test_what_is_missing_is_named_and_nothing_is_run(monkeypatch, capsys):
    def refused():
        return Support(False, "none", "It is too old.", ("Buy another.",))

    def tried(*arguments):
        raise AssertionError("a hostile notebook was run")

    monkeypatch.setattr("attnbook.grading.isolation.sandbox.support", refused)
    monkeypatch.setattr(doctor, "_tried", tried)
    assert doctor.main([]) == 1
    said = capsys.readouterr().out
    assert "✗ Sandbox: It is too old. Buy another." in said
    assert "cannot grade strangers' code: Sandbox." in said


def test_outside_of_the_course_it_says_where_it_belongs(
    monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(doctor, "checkout", lambda: None)
    assert doctor.main(["--no-sandbox"]) == 2
    assert "checkout of the course" in capsys.readouterr().err


@pytest.mark.parametrize(("user", "is_told"), [(0, True), (1000, False)])
def test_who_grades_as_root_is_told(user, is_told, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: user)
    rights = [f for f in doctor.machine() if f.name == "Rights"]
    assert [finding.ok for finding in rights] == [True] * is_told


def test_none_of_those_that_do_lasting_harm_is_tried():
    for kinds in hostile.FAMILIES.values():
        for exercise in ("02-luong-attention", "03-scaled-dot-product"):
            chosen = doctor._chosen(kinds, exercise)
            assert all(kind.is_harmless for kind in chosen)
    for kind in hostile.FAMILIES["exhausting"]:
        assert not kind.is_harmless
