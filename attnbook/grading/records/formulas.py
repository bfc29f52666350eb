"""Cells of a table that a spreadsheet would run as formulas, made harmless.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab
or a line's end for a formula, whoever wrote it. As OWASP recommends, such a
text gets a ``'`` in front
(https://owasp.org/www-community/attacks/CSV_Injection); so do the full-width
forms of these signs, and those that follow blanks. Numbers stay numbers.
:func:`as_read` takes the ``'`` off again.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*(?:\s*[=+\-@＝＋－＠]|[\t\r\n])")


def harmless(value: object) -> object:
    """Return what to write into a cell for a value; numbers as they are."""
    if not isinstance(value, str):
        return value
    # No file can hold a lone surrogate, and a NUL ends a cell for some.
    text = value.encode("utf-8", "replace").decode().replace("\0", "")
    return f"'{text}" if _FORMULA.match(text) else text


def as_read(text: str) -> str:
    """Return the text that :func:`harmless` was given."""
    if text.startswith("'") and _FORMULA.match(text[1:]):
        return text[1:]
    return text
