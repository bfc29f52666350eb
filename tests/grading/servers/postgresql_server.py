"""A PostgreSQL server of the tests' own, on this machine alone."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

USER = "teacher"
# What survives a crash of the machine is not what is tested.
SETTINGS = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB")


def find_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest there is.

    Debian keeps them off the path.
    """
    on_path = shutil.which("postgres")
    if on_path:
        return Path(on_path).resolve().parent
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    folders = [path.parent for path in found if os.access(path, os.X_OK)]
    return max(
        folders, key=lambda folder: float(folder.parent.name), default=None
    )


@dataclass
class Server:
    """A server that is running, with a password, on the loopback."""

    port: int
    password: str
    made: int = 0

    def address(self, name: str) -> URL:
        """Return the address of a database, with the password in it."""
        return URL.create(
            "postgresql+psycopg",
            USER,
            self.password,
            host="127.0.0.1",
            port=self.port,
            database=name,
        )

    def new(self) -> str:
        """Make an empty database; return its whole address."""
        self.made += 1
        name = f"gradebook_{self.made}"
        engine = create_engine(self.address("postgres"), poolclass=NullPool)
        with engine.connect() as connection:
            # Nothing is made within a transaction here.
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text(f"CREATE DATABASE {name}"))
        return self.address(name).render_as_string(hide_password=False)


@contextlib.contextmanager
def running(programs: Path) -> Iterator[Server]:
    """Run a server of its own in a folder that is deleted afterwards."""
    owner = _owner()
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    process = None
    try:
        if owner:
            os.chown(folder, owner["user"], owner["group"])
        server = Server(_free_port(), secrets.token_hex(8))
        password = folder / "password"
        password.write_text(server.password)
        if owner:
            os.chown(password, owner["user"], owner["group"])
        made = subprocess.run(
            [
                programs / "initdb", "--no-sync", "--encoding=UTF8",
                "--locale=C", "--auth=scram-sha-256", f"--username={USER}",
                f"--pwfile={password}", folder / "data",
            ],
            cwd=folder, capture_output=True, text=True, **owner,
        )  # fmt: skip
        assert made.returncode == 0, made.stdout + made.stderr
        settings = [
            f"port={server.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={folder}",
            *SETTINGS,
        ]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [
                    programs / "postgres", "-D", folder / "data",
                    *(part for line in settings for part in ("-c", line)),
                ],
                cwd=folder, stdout=log, stderr=log, **owner,
            )  # fmt: skip
        _wait_for(server, process, folder / "log")
        yield server
    finally:
        if process:
            process.send_signal(signal.SIGQUIT)  # at once, and keeping nothing
            process.wait(30)
        shutil.rmtree(folder)


def _owner() -> dict:
    """Return as whom it runs: it refuses to run as root."""
    if os.getuid():
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return {
                "user": found.pw_uid,
                "group": found.pw_gid,
                "extra_groups": [],
            }
    raise AssertionError("there is no user besides root to run it as")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def _wait_for(server: Server, process: subprocess.Popen, log: Path) -> None:
    engine = create_engine(server.address("postgres"), poolclass=NullPool)
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OperationalError), engine.connect():
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text())
