"""How the commands read their arguments: as argparse does, with less to read.

A wrong argument is answered by what is wrong with it, not by a list of all
the others.
"""

from __future__ import annotations

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser whose errors are short."""

    def error(self, message: str) -> NoReturn:
        """End the command with 2, and say why and where to read more."""
        self.exit(
            2,
            f"Not done: {message.rstrip('.')}.\n"
            f"`{self.prog} --help` lists what can be said.\n",
        )
