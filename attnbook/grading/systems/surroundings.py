"""What a system tells a grader, and must not tell the code it grades."""

from __future__ import annotations

import os

_PREFIXES = ("GITHUB_", "ACTIONS_", "RUNNER_")


def taken() -> dict[str, str]:
    """Return the environment, and take the system's own variables out of it.

    A learner's code inherits what is left. The files that the variables name
    (the summary, the outputs) are written by the grader alone; that hides
    them, no more: learner and grader share a machine.
    """
    before = dict(os.environ)
    for name in before:
        if name.startswith(_PREFIXES):
            del os.environ[name]
    return before
