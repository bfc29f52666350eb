"""Whether somebody watches the notebook run, or a program does."""

from __future__ import annotations

import sys


def somebody_watches() -> bool:
    """Say whether a person has run the cell that is running now.

    Jupyter, JupyterLab and VS Code offer to answer `input()` with each cell
    they run; nbval, nbclient and so nbgrader do not. Whatever is not known
    counts as a program, for which a wrong answer has to raise.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    kernel = getattr(shell, "kernel", None)
    return getattr(kernel, "_allow_stdin", False) is True
