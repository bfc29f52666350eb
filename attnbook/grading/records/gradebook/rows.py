"""Rows of the gradebook: their ids, and written only where they differ."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbgrader.api import Gradebook, Notebook

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "attnbook.grading.gradebook")


def identity_of(*parts: str) -> str:
    """Return an id that is the same whenever it is made of the same."""
    return uuid.uuid5(_NAMESPACE, "\n".join(parts)).hex


def write_rows(gradebook: Gradebook, statement: Any, rows: list[dict]) -> None:
    """Insert or update rows, as the statement says."""
    if rows:
        gradebook.db.execute(statement, rows)


def set_values(row: Any, **values: Any) -> None:
    """Set what differs, so that what agrees is not written."""
    for name, value in values.items():
        if getattr(row, name) != value:
            setattr(row, name, value)


def cells_of(
    gradebook: Gradebook, notebook: Notebook, kind: Any
) -> dict[str, str]:
    """Return the id of each cell of a kind, by its name."""
    from sqlalchemy import select

    found = select(kind.name, kind.id).where(kind.notebook_id == notebook.id)
    return dict(gradebook.db.execute(found).all())


def known_rows(
    gradebook: Gradebook, notebook: Notebook, kind: Any, *columns: Any
) -> dict[tuple[str, str], tuple]:
    """Return what is there of ``Grade`` or ``Comment``, by place and cell.

    A place is the id of the notebook that was handed in. Of each row there
    are its id and the columns.
    """
    from nbgrader.api import SubmittedNotebook
    from sqlalchemy import select

    rows = gradebook.db.execute(
        select(kind.notebook_id, kind.cell_id, kind.id, *columns)
        .join(SubmittedNotebook, kind.notebook_id == SubmittedNotebook.id)
        .where(SubmittedNotebook.notebook_id == notebook.id)
    )
    return {(place, cell): tuple(rest) for place, cell, *rest in rows}
