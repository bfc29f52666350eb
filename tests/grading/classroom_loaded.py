"""Loads all that the command may need, before processes are forked."""

import classroom

from attnbook.grading.records import publish

classroom.equip()
classroom.version()
__all__ = ["publish"]
