"""Start the program of this chapter in several processes, from one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

PROGRAM = "attnbook.mechanisms.across_machines.run"


class LaunchError(RuntimeError):
    """A process has failed; says which, how, and what to do.

    Attributes:
        output: all that the processes wrote.
    """

    def __init__(self, message: str, output: str):
        super().__init__(message)
        self.output = output


def command(ranks: int, *arguments: object, restarts: int = 0) -> list[str]:
    """The command that starts R ranks on this machine.

    Args:
        ranks: R.
        arguments: of `run`.
        restarts: how often all ranks are started again after one has ended.
    """
    return [
        *(sys.executable, "-m", "torch.distributed.run"),
        *("--standalone", "--nproc-per-node", str(ranks)),
        *("--max-restarts", str(restarts)),
        *("-m", PROGRAM, *map(str, arguments)),
    ]


def launch(
    ranks: int, *arguments: object, restarts: int = 0, timeout: float = 120
) -> str:
    """Start R ranks on this machine, and wait for them.

    Args:
        ranks: R.
        arguments: of `run`, such as "trials".
        restarts: how often all are started again after one has ended.
        timeout: seconds to wait for the end.

    Returns:
        What they wrote.

    Raises:
        LaunchError: if a rank fails, naming it.
        subprocess.TimeoutExpired: if they take longer.
    """
    # One thread each: the ranks share the processor.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command(ranks, *arguments, restarts=restarts),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        encoding="utf-8",
        errors="replace",
    )
    try:
        output, _ = process.communicate(timeout=timeout)
    except BaseException:
        process.terminate()  # torchrun ends its ranks
        process.communicate()
        raise
    if process.returncode:
        raise LaunchError(_reason(output), output)
    return output


def _reason(output: str) -> str:
    """One sentence on the rank that failed first, as torchrun says."""
    cause = output.rpartition("Root Cause")[2]
    rank = re.search(r"rank\s*: (\d+)", cause)
    code = re.search(r"exitcode\s*: (-?\d+)", cause)
    if not (rank and code):
        return f"the ranks did not start:\n{output[-2000:]}"
    how = f"ended with exit code {code[1]}"
    if int(code[1]) < 0:
        how = f"was ended by {signal.Signals(-int(code[1])).name}"
    said = re.findall(r"^\w*(?:Error|Lost): .*$", output, re.MULTILINE)
    return (
        f"rank {rank[1]} {how}, and torchrun ended the others."
        + (f" First message: {said[0]}" if said else "")
        + " Start the same command again: a training goes on from its last "
        "checkpoint."
    )
