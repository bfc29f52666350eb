"""Loads all that the command may need, before processes are forked."""

import contextlib

import classroom

from attnbook.grading.records import publish

with contextlib.suppress(ModuleNotFoundError):  # tests then say so
    import psycopg  # noqa: F401
    from sqlalchemy.dialects.postgresql import psycopg as _  # noqa: F401

classroom.equip()
classroom.version()
__all__ = ["publish"]
