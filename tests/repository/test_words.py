"""What no file says, and how the prose is written."""

from __future__ import annotations

import re

import pytest

BINARY = {".png", ".jpg", ".gif", ".ico", ".woff", ".woff2", ".pdf"}

# A file that lists what is forbidden has to say it.
THIS = "tests/repository/test_words.py"
LEGAL = {"LICENSE", "LICENSE-CC-BY-4.0"}

NOWHERE = {
    "work left undone": r"\b(?:TODO|FIXME|XXX|HACK)\b",
    # In the sandbox, each submission has the home folder of a student.
    "somebody's folder": (
        r"(?<![\w.])/(?!home/student\b)(?:home|Users|root|work)/\w"
    ),
    "the address of an index": (
        r"pypi\.org/simple|files\.pythonhosted\.org"
        r"|download\.pytorch\.org|registry\.(?:npmjs|yarnpkg)\.\w+"
        r"|deb\.debian\.org"
    ),
    "a conflict left standing": r"^(?:<{7}|>{7}) ",
    "text of a placeholder": r"(?i)lorem ipsum|\bTBD\b",
}

IN_PROSE = {
    "a word that belittles the effort": (
        r"(?i)\b(?:simply|obviously|trivially|of course|needless to say)\b"
    ),
    "hype": (
        r"(?i)\b(?:revolutionary|groundbreaking|game.?chang\w+|blazing\w*"
        r"|cutting.edge|seamless\w*|supercharge\w*)\b"
    ),
    "an exclamation mark": r"\w!(?!\[)(?=\s|$|\")",
    "American spelling": (
        r"\b(?:[Cc]olor(?:s|ed|ing)?|[Bb]ehavior\w*|[Ll]abeled"
        r"|[Nn]ormaliz\w+|[Vv]isualiz\w+|[Gg]eneraliz\w+|[Ss]ummariz\w+"
        r"|[Mm]emoriz\w+|[Ii]nitializ\w+|[Cc]entered|[Nn]eighbor\w*)\b"
        r"(?! [A-Z])"  # a title: Layer Normalization Revisited
    ),
}

# Titles of papers and names in code keep their own spelling.
QUOTED = re.compile(
    r"\"[^\"\n]*\"|“[^”]*”|\*[^*\n]+\*|_[^_\n]+_|^#+ References.*\Z",
    re.MULTILINE | re.DOTALL,
)


def lines_with(pattern: str, text: str) -> list[str]:
    compiled = re.compile(pattern, re.MULTILINE)
    return [line for line in text.splitlines() if compiled.search(line)]


@pytest.mark.parametrize("what", NOWHERE)
def test_no_file_holds(what, root, files):
    found = {}
    for path in files:
        name = path.relative_to(root).as_posix()
        if path.suffix in BINARY or name == THIS or name in LEGAL:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if lines := lines_with(NOWHERE[what], text):
            found[name] = [line.strip()[:100] for line in lines[:3]]
    assert found == {}, f"found {what}"


@pytest.mark.parametrize("what", IN_PROSE)
def test_the_prose_is_without(what, documents):
    found = {}
    for document in documents:
        text = QUOTED.sub("", document.prose)
        if lines := lines_with(IN_PROSE[what], text):
            found[document.name] = [line.strip()[:100] for line in lines]
    assert found == {}, f"found {what}"


def test_a_planted_word_is_found():
    assert lines_with(NOWHERE["work left undone"], "a\n# TODO: b")
    assert lines_with(NOWHERE["somebody's folder"], "open('/home/me/a')")
    assert lines_with(IN_PROSE["an exclamation mark"], "It works!")
    assert lines_with(IN_PROSE["American spelling"], "the color of it")


def test_what_only_looks_like_a_forbidden_word_is_left_alone():
    assert not lines_with(IN_PROSE["an exclamation mark"], "![a](b.png)")
    assert not lines_with(NOWHERE["somebody's folder"], "https://a.b/home/x")
