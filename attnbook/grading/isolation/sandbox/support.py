"""Whether this machine can run the sandbox, and if not, what to do."""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from attnbook.grading.isolation.limits import Limits
from attnbook.grading.isolation.sandbox import bubblewrap
from attnbook.grading.isolation.sandbox.spawning import SandboxError, Zygote

LEVEL = "bubblewrap+seccomp"

_KUBERNETES = (
    "Grade with one pod a shard, as teaching/kubernetes does, where the "
    "pod's own limits and network policy stand in for the sandbox."
)
_WHERE_LINUX_IS = (
    "Grade in a Linux virtual machine or in a Linux container that allows "
    "user namespaces."
)
_INSTALL = (
    "Install it: `apt-get install bubblewrap libseccomp2` on Debian and "
    "Ubuntu, `dnf install bubblewrap libseccomp` on Fedora; and "
    "`pip install pyseccomp`."
)
_APPARMOR = (
    "Ubuntu keeps user namespaces, since 23.10, from programs without an "
    "AppArmor profile. Give bubblewrap one: `printf 'abi <abi/4.0>,\\n"
    "include <tunables/global>\\nprofile bwrap /usr/bin/bwrap "
    "flags=(unconfined) {\\n  userns,\\n}\\n' | sudo tee "
    "/etc/apparmor.d/bwrap && sudo apparmor_parser -r "
    "/etc/apparmor.d/bwrap`."
)
_CONTAINER = (
    "This is a container, and it forbids user namespaces or the mounts "
    "inside them. Run it so that it allows them: `docker run --security-opt "
    "seccomp=unconfined --security-opt apparmor=unconfined --security-opt "
    "systempaths=unconfined`, or grade outside of it."
)
_SYSCTL = (
    "Let ordinary users have user namespaces: `sudo sysctl "
    "kernel.unprivileged_userns_clone=1` on older Debian, "
    "`sudo sysctl user.max_user_namespaces=10000` elsewhere."
)


@dataclass(frozen=True)
class Support:
    """What :func:`support` found.

    Attributes
    ----------
    ok
        Whether submissions can be run in the sandbox.
    level
        The isolation that each grade records; "none" without the sandbox.
    reason
        Why it cannot be used; empty when it can.
    ways_out
        What to do about that, a sentence each.
    """

    ok: bool
    level: str
    reason: str = ""
    ways_out: tuple[str, ...] = ()


@functools.cache
def support() -> Support:
    """Find out by doing it: start the sandbox, and a child in it."""
    if sys.platform == "win32":
        return _refused(
            "The sandbox needs Linux; this is Windows.",
            "Grade in WSL 2, the Linux inside Windows: `wsl --install`, then "
            "install Python and bubblewrap there.",
        )
    if sys.platform != "linux":
        system = "macOS" if sys.platform == "darwin" else sys.platform
        return _refused(
            f"The sandbox needs Linux; this is {system}.", _WHERE_LINUX_IS
        )
    if bubblewrap.find() is None:
        return _refused("bubblewrap (`bwrap`) is not installed.", _INSTALL)
    try:
        with Zygote(Limits(), "bubblewrap", entry="builtins:id") as zygote:
            how = zygote.wait(zygote.spawn())
    except (SandboxError, OSError, TimeoutError) as error:
        return _refused(str(error), *_ways_out(str(error)))
    if how != "exit 0":
        return _refused(f"A process in the sandbox ended by {how!r}.")
    return Support(True, LEVEL)


def _refused(reason: str, *ways_out: str) -> Support:
    return Support(False, "none", reason, (*ways_out, _KUBERNETES))


def _ways_out(reason: str) -> list[str]:
    found = []
    if "libseccomp" in reason:
        found.append(_INSTALL)
    elif _says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"):
        found.append(_APPARMOR)
    elif _says("/proc/sys/user/max_user_namespaces", "0") or _says(
        "/proc/sys/kernel/unprivileged_userns_clone", "0"
    ):
        found.append(_SYSCTL)
    if _is_container():
        found.append(_CONTAINER)
    return found


def _says(path: str, text: str) -> bool:
    try:
        return Path(path).read_text("ascii").strip() == text
    except (OSError, UnicodeDecodeError):
        return False


def _is_container() -> bool:
    marks = ("/.dockerenv", "/run/.containerenv")
    return "KUBERNETES_SERVICE_HOST" in os.environ or any(
        Path(mark).exists() for mark in marks
    )
