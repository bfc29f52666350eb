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
    if url.password == "***":
        raise GradebookError(
            f"The gradebook is {database}, and its password is kept nowhere: "
            "give the whole address with --database."
        )
    return url


@contextlib.contextmanager
def opened(url: URL) -> Iterator[Gradebook]:
    """Open the gradebook, made where there is none; commit at the end.

    Whatever goes wrong, all or nothing of what was done stays.

    Raises
    ------
    GradebookError
        When it cannot be opened or written; the text says why.
    """
    try:
        import sqlalchemy
        from nbgrader.api import Gradebook
    except ModuleNotFoundError as error:
        raise GradebookError(
            f"The gradebook needs {error.name}: run `pip install nbgrader`."
        ) from None
    name = url.render_as_string(hide_password=True)
    try:
        with _alembic_on_path():
            _create(url)
            book = Gradebook(url)
        with book:
            try:
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
def _alembic_on_path() -> Iterator[None]:
    """Let nbgrader find ``alembic``, which is beside this Python."""
    before = os.environ.get("PATH")
    scripts = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join(filter(None, [scripts, before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PATH"]
        else:
            os.environ["PATH"] = before


def _create(url: URL) -> None:
    """Make a SQLite file with all its tables, or leave none behind."""
    from nbgrader.api import Gradebook

    if url.get_backend_name() != "sqlite" or not url.database:
        return
    place = Path(url.database)
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    try:
        Gradebook(url.set(database=str(draft))).close()
        # Whoever else made one in the meantime keeps theirs.
        if not place.exists():
            draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)
