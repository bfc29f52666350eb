"""What is written for clusters follows the schemas, and the scripts run."""

from __future__ import annotations

import copy
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from attnbook.mechanisms.across_machines import manifests as written
from attnbook.mechanisms.across_machines.manifests import (
    FILES,
    main,
    manifests,
)
from attnbook.mechanisms.across_machines.training import losses_in

# The oldest that the manifest says it is for, and the newest checked.
KUBERNETES = ("1.33", "1.37")
KINDS = [{}, {"machines": 4, "ranks": 8, "gpus": True}]


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_manifest_follows_the_schemas_of_kubernetes(kind, version):
    documents = list(yaml.safe_load_all(manifests(**kind)["kubernetes.yaml"]))
    assert [d["kind"] for d in documents][-1] == "Job"
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)
    spoilt = copy.deepcopy(documents[-1])
    spoilt["spec"]["completions"] = "four"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(spoilt, version, strict=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_pods_find_the_first_and_have_what_they_ask_for(kind):
    documents = list(yaml.safe_load_all(manifests(**kind)["kubernetes.yaml"]))
    by_kind = {d["kind"]: d for d in documents}
    job, service = by_kind["Job"], by_kind["Service"]
    pod = job["spec"]["template"]["spec"]
    assert pod["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["clusterIP"] == "None"
    name = job["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": name}
    (container,) = pod["containers"]
    command = container["command"][-1]
    assert f"--master-addr {name}-0.{pod['subdomain']} " in command
    machines = kind.get("machines", 2)
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == machines
    assert f"--nnodes {machines} " in command
    limits = container["resources"]["limits"]
    assert limits.get("nvidia.com/gpu") == ("8" if kind else None)
    assert ("--backend nccl" in command) == bool(kind)
    volumes = {volume["name"] for volume in pod["volumes"]}
    mounts = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
    assert set(mounts) == volumes
    assert f'train "{mounts["checkpoints"]}"' in command


@pytest.mark.parametrize("kind", KINDS)
def test_the_scripts_are_written_in_the_language_of_the_shell(kind, tmp_path):
    for name in ("machine.sh", "slurm.sh"):
        path = tmp_path / name
        path.write_text(manifests(**kind)[name])
        done = subprocess.run(["bash", "-n", path], capture_output=True)
        assert done.returncode == 0, done.stderr
    slurm = manifests(**kind)["slurm.sh"]
    options = dict(re.findall(r"^#SBATCH --([\w-]+)=(.*)$", slurm, re.M))
    assert options["nodes"] == str(kind.get("machines", 2))
    assert options["ntasks-per-node"] == "1"
    assert options.get("gpus-per-node") == ("8" if kind else None)
    # Slurm reads its options up to the first command.
    lines = slurm.splitlines()
    assert all(
        line.startswith("#")
        for line in lines[
            : 1
            + max(
                i for i, line in enumerate(lines) if line.startswith("#SBATCH")
            )
        ]
    )


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_left_to_be_filled_in(name):
    for kind in KINDS:
        assert "[[" not in manifests(**kind)[name]


def test_the_command_writes_the_files_and_refuses_what_makes_no_sense(
    tmp_path, capsys
):
    main([str(tmp_path / "x"), "--machines", "3"])
    for name, text in manifests(machines=3).items():
        assert (tmp_path / "x" / name).read_text() == text
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--ranks", "0"])
    assert "at least one of each" in capsys.readouterr().err
    with pytest.raises(ValueError, match="that no shell reads"):
        manifests(folder="my $folder")


@pytest.mark.slow
def test_slurm_s_script_trains_on_two_nodes_that_are_both_here(
    tmp_path, monkeypatch
):
    """With stand-ins for Slurm's two commands, both nodes this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(written, "PORT", free.getsockname()[1])
    folder = tmp_path / "checkpoints"
    script = tmp_path / "slurm.sh"
    script.write_text(manifests(steps=6, folder=str(folder))["slurm.sh"])
    programs = tmp_path / "bin"
    programs.mkdir()
    _program(programs / "scontrol", "echo 127.0.0.1; echo elsewhere")
    _program(
        programs / "srun",
        "shift; export SLURM_NNODES=2\n"
        'SLURM_NODEID=0 "$@" & one=$!\n'
        'SLURM_NODEID=1 "$@" & other=$!\n'
        "wait $one && wait $other",
    )
    _program(programs / "python", f'exec {sys.executable} "$@"')
    done = subprocess.run(
        ["bash", script],
        env={
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "SLURM_JOB_NODELIST": "node[1-2]",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert '"steps": 6' in done.stdout
    assert len(losses_in(folder)) == 6


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
