"""The studies' command, and which study writes which table."""

import sys

import pytest

from attnbook.experiments import FOLDER
from attnbook.experiments.command import command, studies


def called(monkeypatch, tmp_path, run, tables, *arguments, **options):
    """Run a study's command with these arguments; the files it wrote."""
    argv = ["study", "--out", str(tmp_path), *arguments]
    monkeypatch.setattr(sys, "argv", argv)
    command("What for?\n\nDetails.", tables, run, **options)
    return sorted(path.name for path in tmp_path.iterdir())


def test_every_committed_table_is_written_by_one_study_and_is_there():
    written = [name for tables in studies().values() for name in tables]
    committed = [path.stem for path in FOLDER.glob("*.csv")]
    assert sorted(written) == sorted(committed)


def test_every_study_is_a_command_that_its_module_names():
    for name in studies():
        source = (FOLDER.parent / f"{name}.py").read_text()
        assert f"\n    python -m attnbook.experiments.{name}\n" in source
        assert "\n    command(" in source


def test_options_have_the_kind_of_their_defaults(monkeypatch, tmp_path):
    def run(**options):
        seen.append(options)
        return [{"n": 1}]

    seen = []
    defaults = {"seeds": (0, 1), "steps": 5, "models": ["a", "b"]}
    for arguments in [[], ["--seeds", "7", "--steps", "9", "--models", "b"]]:
        assert called(
            monkeypatch, tmp_path, run, ("one",), *arguments, **defaults
        ) == ["one.csv"]
    assert seen == [defaults, {"seeds": [7], "steps": 9, "models": ["b"]}]


def test_a_name_that_is_no_choice_is_refused(monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit):
        called(
            monkeypatch, tmp_path, dict, (), "--models", "c", models=["a", "b"]
        )
    assert "invalid choice: 'c'" in capsys.readouterr().err


def test_each_table_is_written_under_its_name(monkeypatch, tmp_path):
    tables = {"first": [{"n": 1}], "second": [{"n": 2}]}
    assert called(monkeypatch, tmp_path, lambda: tables, tuple(tables)) == [
        "first.csv",
        "second.csv",
    ]
    assert (tmp_path / "second.csv").read_text() == "n\n2\n"


def test_rows_alone_are_those_of_the_only_table(monkeypatch, tmp_path):
    with pytest.raises(ValueError):
        called(monkeypatch, tmp_path, lambda: [{"n": 1}], ("one", "two"))
