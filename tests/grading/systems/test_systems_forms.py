"""Workflows, manifests and the image, checked without the network."""

import copy
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TEACHING = ROOT / "teaching"
WORKFLOWS = sorted((TEACHING / "github").glob("*.yml"))
MANIFESTS = sorted((TEACHING / "kubernetes").glob("*.yaml"))
CONTAINER = TEACHING / "container/Containerfile"
# The oldest that the manifests say they are for, and the newest checked.
KUBERNETES = ("1.33", "1.37")


def run(tool: str, *arguments) -> subprocess.CompletedProcess:
    found = shutil.which(tool, path=sysconfig.get_path("scripts"))
    if found is None:
        pytest.fail(
            f"{tool} is not installed. It stands in requirements-test.txt: "
            "`make test` installs it."
        )
    return subprocess.run(
        [found, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def loaded(path: Path) -> dict:
    return yaml.safe_load(path.read_text("utf-8"))


def documents(path: Path) -> list[dict]:
    return list(yaml.safe_load_all(path.read_text("utf-8")))


def jobs_of(path: Path) -> dict[str, dict]:
    return {
        document["metadata"]["name"]: document["spec"]
        for document in documents(path)
        if document["kind"] == "Job"
    }


# -- workflows ---------------------------------------------------------------


def test_there_are_two_workflows():
    assert [p.stem for p in WORKFLOWS] == ["grade-class", "grade"]


@pytest.mark.parametrize(
    "schema",
    ["vendor.github-workflows", "custom.github-workflows-require-timeout"],
)
def test_the_workflows_follow_the_schema(schema):
    done = run("check-jsonschema", "--builtin-schema", schema, *WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_security_linter_finds_nothing_in_the_workflows(path):
    done = run(
        "zizmor",
        "--offline",
        "--no-config",
        "--no-progress",
        "--persona=auditor",
        path,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_action_has_one_version_here_and_in_the_course_itself():
    versions: dict[str, set[str]] = {}
    for path in [*WORKFLOWS, *(ROOT / ".github/workflows").glob("*.yml")]:
        for name, version in re.findall(
            r"uses: ([\w./-]+)@(.*)", path.read_text("utf-8")
        ):
            assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", version)
            versions.setdefault(name, set()).add(version)
    assert {name: v for name, v in versions.items() if len(v) > 1} == {}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_workflows_may_read_and_no_more(path):
    workflow = loaded(path)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert set(job["permissions"].values()) <= {"read"}
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            if "checkout@" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


def test_the_class_is_graded_in_all_its_shares():
    job = loaded(TEACHING / "github/grade-class.yml")["jobs"]["grade"]
    shards = job["strategy"]["matrix"]["shard"]
    assert shards == list(range(1, len(shards) + 1))
    grade = next(s["run"] for s in job["steps"] if "SHARD" in s.get("env", {}))
    assert f'"$SHARD/{len(shards)}"' in grade
    # One share that fails does not stop the others.
    assert job["strategy"]["fail-fast"] is False


# -- manifests ---------------------------------------------------------------


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_the_manifests_follow_the_schemas_of_kubernetes(path, version):
    for document in documents(path):
        kubernetes_validate.validate(document, version, strict=True)


def test_the_schemas_reject_a_misspelt_key_and_a_wrong_type():
    job = next(d for d in documents(MANIFESTS[0]) if d["kind"] == "Job")
    for spoil in (
        lambda spec: spec.update(completionmode=spec.pop("completionMode")),
        lambda spec: spec.update(completions="four"),
    ):
        spoilt = copy.deepcopy(job)
        spoil(spoilt["spec"])
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(spoilt, KUBERNETES[-1], strict=True)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_each_index_of_the_job_is_a_share(path):
    grade = jobs_of(path)["grade"]
    settings = next(d for d in documents(path) if d["kind"] == "ConfigMap")
    assert grade["completionMode"] == "Indexed"
    assert str(grade["completions"]) == settings["data"]["SHARDS"]
    assert grade["maxFailedIndexes"] <= grade["completions"]
    assert settings["data"]["EXERCISE"] in {
        path.stem for path in (ROOT / "exercises").glob("*.ipynb")
    }


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_no_pod_reaches_the_network_or_gains_rights(path):
    policy = next(d for d in documents(path) if d["kind"] == "NetworkPolicy")
    assert policy["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    for job in jobs_of(path).values():
        pod = job["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            rights = container["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory", "ephemeral-storage"} == set(
                container["resources"]["limits"]
            )


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_all_that_is_mounted_and_named_is_there(path):
    found = documents(path)
    claims = {
        d["metadata"]["name"]
        for d in found
        if d["kind"] == "PersistentVolumeClaim"
    }
    assert len({d["metadata"].get("namespace") for d in found[1:]}) == 1
    for job in jobs_of(path).values():
        pod = job["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for volume in volumes.values():
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                assert claim in claims
        for container in pod["containers"]:
            for mount in container["volumeMounts"]:
                assert mount["name"] in volumes


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_kubernetes_leaves_the_scripts_as_they_are(path):
    """It replaces $(NAME) by the variable, and $$ by $, before the shell."""
    for job in jobs_of(path).values():
        for container in job["template"]["spec"]["containers"]:
            script = container["command"][-1]
            assert "$$" not in script
            assert not re.search(r"\$\([A-Za-z_][\w.-]*\)", script)


def test_only_the_manifest_that_says_so_grades_without_a_sandbox():
    with_it, without = (
        next(path for path in MANIFESTS if path.stem == name)
        for name in ("grade-class", "grade-class-no-sandbox")
    )
    for path, is_unprotected in (with_it, False), (without, True):
        pod = jobs_of(path)["grade"]["template"]["spec"]
        script = pod["containers"][0]["command"][-1]
        assert ("--no-sandbox" in script.split()) is is_unprotected
        # Without the sandbox the pod keeps the cluster's own filter.
        profile = pod["securityContext"]["seccompProfile"]["type"]
        assert (profile == "RuntimeDefault") is is_unprotected
        # Kubernetes refuses the one without the other.
        rights = pod["containers"][0]["securityContext"]
        assert ("procMount" in rights) is not is_unprotected
        assert (pod.get("hostUsers") is False) is not is_unprotected


# -- the image ---------------------------------------------------------------


def test_the_linter_finds_nothing_in_the_container_file():
    done = run("hadolint", CONTAINER)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linter_finds_a_planted_mistake(tmp_path):
    planted = tmp_path / "Containerfile"
    text = CONTAINER.read_text("utf-8")
    assert "useradd" in text
    planted.write_text(text.replace("useradd", "cd /tmp && sudo useradd"))
    done = run("hadolint", planted)
    assert done.returncode != 0
    assert "DL3004" in done.stdout


def test_what_the_image_copies_is_in_the_checkout():
    text = CONTAINER.read_text("utf-8").replace("\\\n", " ")
    copied = [
        name
        for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert {"attnbook", "exercises", "constraints.txt"} <= set(copied)
    # How the package is built is said in these two.
    assert {"pyproject.toml", "setup.py"} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists(), name


def test_the_image_has_the_sandbox_and_no_rights():
    text = CONTAINER.read_text("utf-8")
    assert re.search(r"install .*-y bubblewrap libseccomp2\b", text)
    users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
    assert users == ["10001"]
    for path in MANIFESTS:
        for job in jobs_of(path).values():
            context = job["template"]["spec"]["securityContext"]
            assert str(context["runAsUser"]) == users[0]
