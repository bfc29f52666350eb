"""The database of the gradebook: its address, and how it is opened."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbgrader.api import Gradebook
    from sqlalchemy import URL


_LOCK = 7_416_205_831_142_909  # any number that no other program takes
_COURSE = "default_course"  # as nbgrader calls it
_PATIENCE = 120  # seconds that graders wait for each other


class GradebookError(Exception):
    """The gradebook cannot be used; the text says why and what to do."""


def address(database: str, out: Path) -> URL:
    """Return the database's address: as given, or ``gradebook.db`` in OUT.

    Raises
    ------
    GradebookError
        When it is no address that SQLAlchemy understands.
    """
    import sqlalchemy

    if not database:
        place = str((out / "gradebook.db").resolve())
        return sqlalchemy.URL.create("sqlite", database=place)
    try:
        url = sqlalchemy.make_url(database)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise GradebookError(
            "The address of the gradebook is not understood: expected one "
            "such as sqlite:////srv/course/gradebook.db or "
            "postgresql://user:password@host/name."
        ) from None
    own = url.query.get("password")
    if isinstance(own, str):  # to where it is left out of what is shown
        url = url.difference_update_query(["password"]).set(password=own)
    if url.password == "***":
        raise GradebookError(
            f"The gradebook is {database}, and its password is kept nowhere: "
            "give the whole address with --database."
        )
    return url


@contextlib.contextmanager
def _without_grammars() -> Iterator[None]:
    """Import meanwhile without the package rfc3987-syntax.

    Where it is installed, jsonschema imports it to check international
    addresses, of which a gradebook has none, and it compiles grammars for
    seconds.
    """
    name = "rfc3987_syntax"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None
    try:
        yield
    finally:
        del sys.modules[name]


@contextlib.contextmanager
def opened(url: URL) -> Iterator[Gradebook]:
    """Open the gradebook, made where there is none; commit at the end.

    Whatever goes wrong, all or nothing of what was done stays. Graders that
    open one at once, in a file or on a PostgreSQL server, wait for each other.

    Raises
    ------
    GradebookError
        When it cannot be opened or written; the text says why.
    """
    try:
        with _without_grammars():
            import sqlalchemy
            from nbgrader.api import Gradebook
    except ModuleNotFoundError as error:
        raise GradebookError(
            f"The gradebook needs {error.name}: run `pip install nbgrader`."
        ) from None
    name = url.render_as_string(hide_password=True)
    try:
        with _one_at_a_time(url):
            _create(url)
            _add_course(_patient(url))
            book = Gradebook(_patient(url))
            with book:
                try:
                    if url.get_backend_name() == "sqlite":
                        # From here on, what is read is nobody else's to write.
                        book.db.execute(sqlalchemy.text("BEGIN IMMEDIATE"))
                    yield book
                    book.db.commit()
                except BaseException:
                    book.db.rollback()
                    raise
    except ModuleNotFoundError as error:
        raise GradebookError(
            f"The gradebook {name} needs {error.name}: install it with pip."
        ) from None
    except sqlalchemy.exc.NoSuchModuleError:
        raise GradebookError(
            f"The gradebook {name} is of a kind that SQLAlchemy does not "
            f"know: {url.drivername}."
        ) from None
    except sqlalchemy.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise GradebookError(
            f"The gradebook {name} cannot be used: {reason[:300]}. Nothing "
            "in it was changed. Is it in use, or made by another version of "
            "nbgrader? Then run again, or `nbgrader db upgrade` first."
        ) from None
    except OSError as error:
        raise GradebookError(
            f"The gradebook {name} cannot be written: {error.strerror}."
        ) from None


@contextlib.contextmanager
def _one_at_a_time(url: URL) -> Iterator[None]:
    """Wait, on a PostgreSQL server, until no other grader is at it.

    What is not there is inserted: two at once would both insert it. The lock
    ends with the connection, and so with a grader that is killed.
    """
    import sqlalchemy

    if url.get_backend_name() != "postgresql":
        yield
        return
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        for statement in (
            f"SET LOCAL lock_timeout = '{_PATIENCE}s'",
            f"SELECT pg_advisory_xact_lock({_LOCK})",
        ):
            connection.execute(sqlalchemy.text(statement))
        yield


def _patient(url: URL) -> URL:
    """Return the address by which SQLite waits as long for others."""
    if url.get_backend_name() != "sqlite" or "timeout" in url.query:
        return url
    return url.update_query_dict({"timeout": str(_PATIENCE)})


def _create(url: URL) -> None:
    """Make the tables where there are none: all of them, or none."""
    if url.get_backend_name() == "sqlite" and url.database:
        _create_file(Path(url.database), url)
    else:
        _create_tables(url)


def _create_tables(url: URL) -> None:
    """Make the tables in one transaction, which nbgrader does in two.

    Between the two there is no ``alembic_version``, and nbgrader would never
    add it, without which it cannot upgrade the gradebook. It also asks for
    the version in another process, which takes a second or two.
    """
    import sqlalchemy
    from alembic.script import ScriptDirectory
    from nbgrader import api

    scripts = ScriptDirectory(Path(api.__file__).with_name("alembic"))
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        if sqlalchemy.inspect(connection).get_table_names():
            return
        api.Base.metadata.create_all(connection)
        version = sqlalchemy.Table(
            "alembic_version",
            sqlalchemy.MetaData(),
            sqlalchemy.Column(
                "version_num", sqlalchemy.String(32), nullable=False
            ),
        )
        version.create(connection)
        values = {"version_num": scripts.get_current_head()}
        connection.execute(version.insert(), values)


def _add_course(url: URL) -> None:
    """Add the course where there is none, in one statement.

    nbgrader looks first and inserts then: of two graders at one new file both
    would insert it, and one would fail.
    """
    import sqlalchemy

    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.text(
                f"INSERT INTO course (id) SELECT '{_COURSE}' WHERE NOT EXISTS "
                f"(SELECT 1 FROM course WHERE id = '{_COURSE}')"
            )
        )


def _create_file(place: Path, url: URL) -> None:
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    try:
        _create_tables(url.set(database=str(draft)))
        try:
            os.link(draft, place)
        except FileExistsError:
            pass  # whoever else made one in the meantime keeps theirs
        except OSError:  # on a disk that has no links
            draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)
