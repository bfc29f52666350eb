"""How much memory the trusted process may take for what a student sends."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

# On Windows this is imported only to say that it cannot be used.
if sys.platform != "win32":
    import resource


@contextlib.contextmanager
def bounded_memory(in_use: int | None, beyond: int) -> Iterator[None]:
    """Let an allocation fail rather than take all that the machine has.

    Parameters
    ----------
    in_use
        Bytes of address space that count as taken, None where nobody tells:
        then nothing is bounded.
    beyond
        Bytes that may be taken besides.
    """
    before = resource.getrlimit(resource.RLIMIT_AS)
    most = before[0]
    if in_use is not None:
        wanted = in_use + beyond
        most = wanted if most == resource.RLIM_INFINITY else min(most, wanted)
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
