"""Who handed in what, in cloned repositories, and when."""

import hashlib
import os
import subprocess
import types
import zlib
from datetime import timedelta

import layouts
import pytest
from as_found import students

from attnbook.grading.intake import commit_times
from attnbook.grading.intake.submissions import describe


def git(repository, *arguments):
    return subprocess.run(
        ["git", *arguments],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(repository)},
    ).stdout.strip()


def test_a_repository_has_the_time_of_the_notebooks_own_last_commit(
    tmp_path, toy, found_in
):
    repository = tmp_path / "00-toy-student-01"
    layouts.write(repository / "week 1" / "00-toy.ipynb", toy("one"))
    layouts.commit(repository)
    layouts.write(repository / "README.md", b"# Mine\n")
    layouts.commit(repository, layouts.TIME + timedelta(days=3))
    (tmp_path / "student-02").mkdir()
    found = found_in(tmp_path)
    assert found.layout == "repositories"
    assert students(found) == ["student-01", "student-02"]
    assert found.submissions[0].received == layouts.TIME
    assert "can be forged" in describe(found)
    git(repository, "pack-refs", "--all")
    git(repository, "gc", "-q")
    assert found_in(tmp_path).submissions[0].received == layouts.TIME
    # The repository itself may be given, too.
    assert found_in(repository).submissions[0].received == layouts.TIME
    # So may a shallow clone.
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository}", "clone")
    (clone,) = found_in(tmp_path / "clone").submissions
    assert clone.received == layouts.TIME + timedelta(days=3)


def test_without_a_commit_the_time_is_that_of_the_file(
    tmp_path, toy, found_in, monkeypatch
):
    path = layouts.make(
        "repositories", tmp_path, {"student-01": toy()}, "00-toy"
    )
    notebook = path / "student-01" / "00-toy.ipynb"
    later = layouts.TIME + timedelta(days=9)
    layouts.write(notebook, toy("later"), later)
    assert found_in(path).submissions[0].received == layouts.TIME
    monkeypatch.setattr(commit_times, "is_there", lambda: False)
    found = found_in(path)
    assert found.submissions[0].received == later
    assert "no commit of the notebook was found" in found.notes[0]
    monkeypatch.undo()
    layouts.write(path / "student-01" / "new 00-toy.ipynb", toy("new"), later)
    notebook.unlink()
    assert found_in(path).submissions[0].received == later


def trap(repository, canary):
    """Make git in a repository run a program, in each way that log knows."""
    program = repository / "program"
    program.write_text(f"#!/bin/sh\ntouch '{canary}'\nexit 1\n")
    program.chmod(0o755)
    for name in ("post-index-change", "reference-transaction", "fsmonitor"):
        hook = repository / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(program.read_text())
        hook.chmod(0o755)
    for key in (
        "core.fsmonitor", "core.pager", "core.sshCommand", "gpg.program",
        "diff.external", "core.gitProxy", "uploadpack.packObjectsHook",
    ):  # fmt: skip
        git(repository, "config", key, str(program))
    git(repository, "config", "log.showSignature", "true")
    # A commit that claims to be signed, so that there is something to check.
    commit = git(repository, "cat-file", "commit", "HEAD")
    header, _, message = commit.partition("\n\n")
    signed = (
        f"{header}\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n"
        f" -----END PGP SIGNATURE-----\n\n{message}\n"
    )
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=repository,
        input=signed.encode(),
        capture_output=True,
        check=True,
    )
    branch = repository / ".git" / "refs" / "heads" / "main"
    branch.write_bytes(made.stdout)


def test_no_program_of_a_hostile_repository_is_run(tmp_path, toy, found_in):
    path = layouts.make(
        "repositories", tmp_path / "in", {"student-01": toy()}, "00-toy"
    )
    repository, canary = path / "student-01", tmp_path / "canary"
    trap(repository, canary)
    git(repository, "log", "-1", "--", "00-toy.ipynb")
    assert canary.exists()  # So the trap does snap.
    canary.unlink()
    found = found_in(path)
    assert found.submissions[0].received == layouts.TIME
    assert found.notes == ()
    assert not canary.exists()


def test_nothing_is_fetched_for_a_repository_that_lacks_objects(
    tmp_path, toy, found_in
):
    path = layouts.make(
        "repositories", tmp_path / "in", {"student-01": toy()}, "00-toy"
    )
    repository, canary = path / "student-01", tmp_path / "canary"
    trap(repository, canary)
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.url": "ssh://localhost/none",
        "remote.origin.promisor": "true",
        "log.showSignature": "false",
        "core.fsmonitor": "false",
    }.items():
        git(repository, "config", key, value)
    tree = git(repository, "rev-parse", "HEAD^{tree}")
    (repository / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    canary.unlink(missing_ok=True)
    with pytest.raises(subprocess.CalledProcessError):
        git(repository, "log", "-1", "--", "00-toy.ipynb")
    assert canary.exists()  # So the trap does snap.
    canary.unlink()
    assert "no commit of the notebook was found" in found_in(path).notes[0]
    assert not canary.exists()


@pytest.mark.parametrize(
    "head",
    [
        b"ref: refs/heads/../../../../outside\n",
        b"ref: /outside\n",
        b"--output=/outside",
        b"\xff" * 100,
        b"",
    ],
)
def test_a_head_that_leads_elsewhere_is_no_commit(
    head, tmp_path, toy, found_in
):
    path = layouts.make(
        "repositories", tmp_path / "in", {"student-01": toy()}, "00-toy"
    )
    repository = path / "student-01"
    (path / "outside").write_text(git(repository, "rev-parse", "HEAD"))
    (repository / ".git" / "HEAD").write_bytes(head)
    assert "no commit of the notebook" in found_in(path).notes[-1]


def test_git_gets_no_memory_for_an_object_that_claims_much(
    tmp_path, toy, found_in
):
    path = layouts.make(
        "repositories", tmp_path / "in", {"student-01": toy()}, "00-toy"
    )
    repository = path / "student-01"
    commit = git(repository, "cat-file", "commit", "HEAD").encode() + b"\n"
    blank = b" " * 1_000_000
    head = b"commit %d\0" % (len(commit) + 400 * len(blank))
    digest = hashlib.sha1(head + commit)
    packer = zlib.compressobj(1)
    packed = [packer.compress(head + commit)]
    for _ in range(400):
        digest.update(blank)
        packed.append(packer.compress(blank))
    packed.append(packer.flush())
    name = digest.hexdigest()
    file = repository / ".git" / "objects" / name[:2] / name[2:]
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"".join(packed))
    branch = repository / ".git" / "refs" / "heads" / "main"
    branch.write_text(f"{name}\n")
    assert file.stat().st_size < 3_000_000
    found = found_in(path)
    assert "no commit of the notebook was found" in found.notes[0]


def test_a_slow_repository_takes_its_seconds_once_and_not_for_each_file(
    tmp_path, toy, found_in, monkeypatch
):
    path = layouts.make(
        "repositories", tmp_path / "in", {"student-01": toy()}, "00-toy"
    )
    for number in range(5):
        layouts.write(path / "student-01" / f"{number}.ipynb", toy(number))
    layouts.commit(path / "student-01")
    clock = iter(range(0, 1_000, 15))
    calls = []

    def slowly(*arguments):
        calls.append(arguments)
        return layouts.TIME

    monkeypatch.setattr(commit_times, "_logged", slowly)
    monkeypatch.setattr(
        commit_times, "time", types.SimpleNamespace(monotonic=clock.__next__)
    )
    found_in(path)
    assert len(calls) == 2  # each of 15 seconds, of 20 that there are
