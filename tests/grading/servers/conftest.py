"""The servers that tests are run against, each started once."""

from collections.abc import Iterator

import pytest
from postgresql_server import Server, find_programs, running


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server of the tests' own."""
    pytest.importorskip(
        "psycopg",
        reason="NOT TESTED against PostgreSQL: there is no psycopg. Run "
        "`pip install -r requirements-test.txt`.",
    )
    programs = find_programs()
    if programs is None:
        pytest.skip(
            "NOT TESTED against PostgreSQL: there is none. Install it, on "
            "Debian with `apt-get install postgresql`."
        )
    with running(programs) as server:
        yield server
