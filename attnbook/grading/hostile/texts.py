"""Notebooks whose texts do harm where they are shown."""

from __future__ import annotations

from attnbook.grading.hostile.kind import Kind

_PACKED = "03-packed-attention-answer"
_JUDGE = "03-judge-answer"

# What a terminal, a page and a spreadsheet would take for orders.
_TEXT = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>"
    "\\x1b[2J\\x1b]0;owned\\x07\\x9b31m\\u202eevil\\u2066\\x00\\r\\b"
    "{{ 7 * 7 }}{% raw %}=cmd|' /C calc'!A0\\ud800\\U000e0041"
)
CONTROLS = ("\x1b", "\x07", "\x9b", "\x00", "\u202e", "\u2066", "\ud800")

KINDS = [
    Kind(
        "hostile exception text",
        "Puts HTML, terminal escapes and formulas into an exception.",
        answers={
            _PACKED: "def packed_attention(*inputs):\n"
            f'    raise ValueError("{_TEXT}")\n',
            _JUDGE: f'raise ValueError("{_TEXT}")',
        },
        conceals=CONTROLS,
    ),
    Kind(
        "hostile exception name",
        "Raises an exception whose class is named by HTML and escapes.",
        first=f'raise type("{_TEXT[:-12]}", (Exception,), {{}})("x")',
        answers={
            _PACKED: "def packed_attention(*inputs):\n"
            f'    raise type("{_TEXT[:-12].replace(chr(92) + "x00", "")}",'
            ' (Exception,), {})("x")\n',
        },
        conceals=CONTROLS,
    ),
    Kind(
        "hostile warnings",
        "Warns and writes to stderr, where nbgrader takes all points away.",
        answers={
            "03-sink-attention-answer": f"""\
import sys
import warnings

def sink_attention(query, key, value, sink, mask):
    warnings.warn("{_TEXT}")
    print("{_TEXT[:40]}", file=sys.stderr)
    scores = query @ key.mT / query.shape[-1] ** 0.5
    scores = scores.masked_fill(~mask[:, None, None], -torch.inf)
    column = sink[:, None, None].expand(*scores.shape[:-1], 1)
    weights = torch.cat([scores, column], dim=-1).softmax(-1)[..., :-1]
    return weights @ value, weights
"""
        },
        conceals=CONTROLS,
    ),
    Kind(
        "hostile source",
        "Hides code behind characters that turn the direction of text.",
        first="# \u202e \u2066 if admin \u2069\nа = 'a Cyrillic letter'\n"
        "\x0c\nprint('\ud800')",
        answers={
            _PACKED: "def packed_attention(*inputs):\n"
            '    """</pre></td><script>alert(1)</script>"""\n'
            "    \u2066return inputs\n"
        },
        conceals=CONTROLS,
    ),
    Kind(
        "hostile file names",
        "Compiles its code under the names of the grader's own files.",
        answers={
            _PACKED: """\
code = compile(
    "def packed_attention(*inputs):\\n    raise ValueError('x')",
    "/etc/passwd", "exec",
)
exec(code)
"""
        },
        conceals=("root:",),
    ),
]
