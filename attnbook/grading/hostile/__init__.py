"""Hostile submissions as code: what they try, and what they deserve.

``NOTEBOOKS`` holds every kind of hostile notebook, ``FOLDERS`` those whose
harm is in the file itself: archives, links, names, sizes. ``python -m
attnbook.grading doctor`` grades those that are safe to run on one's own
machine, and the tests of the course grade them all.

Add a kind to the module of its family, and raise the count in
``teaching/threat-model.md``.
"""

from attnbook.grading.hostile import (
    channel,
    ending,
    exhausting,
    forbidden,
    pretending,
    reaching,
    reading,
    tampering,
    texts,
)
from attnbook.grading.hostile.files import FOLDERS, Folder
from attnbook.grading.hostile.kind import Kind
from attnbook.grading.hostile.traps import Traps

__all__ = ["FAMILIES", "FOLDERS", "NOTEBOOKS", "Folder", "Kind", "Traps"]

FAMILIES = {
    "tampering": tampering.KINDS,
    "pretending": pretending.KINDS,
    "reading": reading.KINDS,
    "forbidden calls": forbidden.KINDS,
    "ending": ending.KINDS,
    "exhausting": exhausting.KINDS,
    "reaching out": reaching.KINDS,
    "channel": channel.KINDS,
    "texts": texts.KINDS,
}
NOTEBOOKS = {
    kind.name: kind for family in FAMILIES.values() for kind in family
}
