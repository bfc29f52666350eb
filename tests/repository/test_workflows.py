"""The workflows are valid, pinned, and hold as few rights as they can."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
import yaml

WORKFLOWS = sorted(
    (Path(__file__).resolve().parents[2] / ".github/workflows").glob("*.yml")
)

INJECTION = """\
name: Planted
on: [push, pull_request]
permissions: {}
concurrency: { group: planted, cancel-in-progress: true }
jobs:
  planted:
    name: Planted
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - name: Print the title of the pull request
        run: echo ${{ github.event.pull_request.title }}
"""


def command(name: str) -> str:
    """The full path of a tool installed beside this Python."""
    found = shutil.which(name, path=sysconfig.get_path("scripts"))
    if found is None:
        pytest.fail(
            f"{name} is not installed. It stands in requirements-test.txt: "
            "`make test` installs it."
        )
    return found


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )


def validate(schema: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    return run(command("check-jsonschema"), "--builtin-schema", schema, *paths)


def audit(path: Path) -> subprocess.CompletedProcess[str]:
    """zizmor in its strictest persona, without the network."""
    return run(
        command("zizmor"),
        "--offline",
        "--no-config",
        "--no-progress",
        "--color=never",
        "--persona=auditor",
        path,
    )


def steps_of(path: Path) -> list[tuple[str, dict]]:
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return [
        (job_name, step)
        for job_name, job in jobs.items()
        for step in job.get("steps", [])
    ]


def test_there_are_four_workflows():
    names = [path.stem for path in WORKFLOWS]
    assert names == ["links", "newest", "publish", "tests"]


def test_every_workflow_follows_the_schema():
    checked = validate("vendor.github-workflows", *WORKFLOWS)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_job_has_a_time_limit():
    checked = validate("custom.github-workflows-require-timeout", *WORKFLOWS)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_schema_rejects_a_misspelt_key(tmp_path):
    broken = tmp_path / "broken.yml"
    text = WORKFLOWS[0].read_text(encoding="utf-8")
    broken.write_text(text.replace("runs-on:", "run-on:"), encoding="utf-8")
    assert validate("vendor.github-workflows", broken).returncode != 0


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_security_linter_finds_nothing(path):
    audited = audit(path)
    assert audited.returncode == 0, audited.stdout + audited.stderr


def test_the_security_linter_finds_a_planted_injection(tmp_path):
    planted = tmp_path / ".github" / "workflows" / "planted.yml"
    planted.parent.mkdir(parents=True)
    planted.write_text(INJECTION, encoding="utf-8")
    audited = audit(planted)
    assert audited.returncode != 0
    assert "template-injection" in audited.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_to_a_commit_with_its_version(path):
    pinned = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
    in_this_repository = re.compile(r"\$/\.github/workflows/[\w-]+\.yml$")
    for line in path.read_text(encoding="utf-8").splitlines():
        _, found, reference = line.partition("uses: ")
        if found:
            assert pinned.match(reference) or in_this_repository.match(
                reference
            ), f"{path.name}: {reference} is not pinned"


def test_one_action_has_one_version_everywhere():
    versions: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for name, reference in re.findall(
            r"uses: ([\w./-]+)@(.*)", path.read_text(encoding="utf-8")
        ):
            versions.setdefault(name, set()).add(reference)
    assert {name: v for name, v in versions.items() if len(v) > 1} == {}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_starts_with_no_rights_and_one_run_at_a_time(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]


def test_only_the_deployment_may_write():
    writers = {
        (path.stem, job_name, right)
        for path in WORKFLOWS
        for job_name, job in yaml.safe_load(path.read_text(encoding="utf-8"))[
            "jobs"
        ].items()
        for right, level in job.get("permissions", {}).items()
        if level == "write"
    }
    assert writers == {
        ("publish", "deploy", "pages"),
        ("publish", "deploy", "id-token"),
    }


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_checkout_keeps_no_credentials(path):
    for job_name, step in steps_of(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            kept = step.get("with", {}).get("persist-credentials")
            assert kept is False, f"{path.name}, {job_name}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_script_is_pasted_together_from_an_expression(path):
    for job_name, step in steps_of(path):
        assert "${{" not in step.get("run", ""), f"{path.name}, {job_name}"


def test_nothing_is_published_that_has_not_passed_the_tests():
    path = next(path for path in WORKFLOWS if path.stem == "publish")
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    assert jobs["deploy"]["needs"] == "book"
    assert jobs["book"]["needs"] == "tests"
    assert jobs["tests"]["uses"].endswith("/tests.yml")


def test_no_cache_reaches_what_is_published():
    path = next(path for path in WORKFLOWS if path.stem == "publish")
    for _, step in steps_of(path):
        assert not step.get("uses", "").startswith("actions/cache@")
        assert "cache" not in step.get("with", {})
