"""A Jupyter server of the tests' own, in a folder, on this machine alone."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from nbgrader_course import environment

# All cells are on the page, also those that are out of sight, and nothing
# asks whether it may look for news elsewhere.
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
}


@contextlib.contextmanager
def running(folder: Path, own: Path) -> Iterator[str]:
    """Run JupyterLab in a folder; give its address.

    ``own`` is a folder for all that it writes besides.
    """
    own.mkdir()
    variables = environment(own) | {
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTER_DATA_DIR": str(own / "data"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
    }
    for name, values in SETTINGS.items():
        path = own / "settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))
    log = own / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "jupyter", "lab", "--no-browser",
                "--allow-root", "--ServerApp.ip=127.0.0.1",
                "--ServerApp.port=0", "--IdentityProvider.token=",
                f"--ServerApp.root_dir={folder}",
            ],
            cwd=folder, stdout=file, stderr=file, env=variables,
        )  # fmt: skip
    try:
        yield _address(process, own / "runtime", log)
    finally:
        process.terminate()  # and its kernels with it
        process.wait(30)


def _address(process: subprocess.Popen, runtime: Path, log: Path) -> str:
    """Wait until it answers; return where."""
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        for path in runtime.glob("jpserver-*.json"):
            with contextlib.suppress(ValueError):  # half written
                return json.loads(path.read_text())["url"].rstrip("/")
        time.sleep(0.1)
    raise AssertionError(log.read_text())
