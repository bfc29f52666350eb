"""Write what starts the training on several machines.

    python -m attnbook.mechanisms.across_machines.manifests clusters \\
        --machines 2 --ranks 8 --gpus

writes into a folder: `machine.sh`, to be started on each machine by hand,
`slurm.sh` for sbatch, and `kubernetes.yaml` for kubectl. With `--gpus` each
rank has a GPU, and they talk by NCCL; without, by Gloo on processors.
"""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
FILES = ("machine.sh", "slurm.sh", "kubernetes.yaml")
PORT = 29500
FOLDER = "/checkpoints"  # where the volume of the pods is


def manifests(
    machines: int = 2,
    ranks: int = 1,
    gpus: bool = False,
    steps: int = 60,
    folder: str = "checkpoints",
) -> dict[str, str]:
    """The text of each file.

    Args:
        machines: how many.
        ranks: on each of them.
        gpus: whether each rank has a GPU.
        steps: to train.
        folder: for checkpoints, of the first two files: one that all
            machines see.

    Returns:
        For each of `FILES` its text.

    Raises:
        ValueError: if there is no machine or no rank, or a folder that would
            have to be quoted.
    """
    if min(machines, ranks) < 1:
        raise ValueError(
            f"machines is {machines} and ranks is {ranks}; expected at least "
            "one of each"
        )
    if shlex.quote(folder) != folder:
        raise ValueError(
            f"folder is {folder!r}; expected a path of letters, digits, and "
            "signs that no shell reads, such as / - _ ."
        )
    facts = {
        "machines": machines,
        "last": machines - 1,
        "ranks": ranks,
        "port": PORT,
        "backend": "nccl" if gpus else "gloo",
        "steps": steps,
        "cpus": ranks,
        "memory": 2 * ranks,
        "slurm_gpus": f"#SBATCH --gpus-per-node={ranks}\n" if gpus else "",
        "kubernetes_gpus": f'nvidia.com/gpu: "{ranks}", ' if gpus else "",
    }
    return {
        name: _filled(
            (TEMPLATES / name).read_text("utf-8"),
            facts
            | {"folder": FOLDER if name == "kubernetes.yaml" else folder},
        )
        for name in FILES
    }


def _filled(text: str, facts: dict[str, object]) -> str:
    return re.sub(r"\[\[(\w+)\]\]", lambda m: str(facts[m[1]]), text)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--machines", type=int, default=2)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--gpus", action="store_true")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--folder", default="checkpoints")
    chosen = vars(parser.parse_args(arguments))
    out = chosen.pop("out")
    try:
        texts = manifests(**chosen)
    except ValueError as wrong:
        parser.error(str(wrong))
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (out / name).write_text(text, "utf-8", newline="\n")
        print(out / name)


if __name__ == "__main__":
    main()
