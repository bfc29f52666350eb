"""Which submissions are alike, beyond what the exercise makes alike.

By winnowing, as Moss does it (Schleimer, Wilkerson and Aiken, 2003,
https://doi.org/10.1145/872757.872770): of the runs of eight tokens of an
answer some are chosen as its fingerprints, so that two answers which share
eleven tokens in a row share one. Names that the student chose, comments and
the layout do not count. What the release gives, and what much of the class
has in common, is no fingerprint; what some others have too counts less, the
more they are. Answers with little that counts are left out.

Two students may think alike. What is found here is a question to ask them,
never a verdict.
"""

from __future__ import annotations

import builtins
import functools
import keyword
import math
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from attnbook.grading.records.grades import Exercise, Grade

FROM = 0.8  # the least share of fingerprints that counts as alike
FEWEST = 10  # fingerprints of an answer, those of others counted less

_RUN = 8  # tokens of a fingerprint
_WINDOW = 4  # fingerprints of which one is chosen
_LONGEST = 100_000  # characters of an answer that are read
_FEWEST_HERE = 5  # fingerprints by which one exercise is said to be alike
_COMMON = 0.5  # of the class: who share more have it from the exercise
_MOST_HOLDERS = 20  # in a large class fewer are enough for that
_FEWEST_HOLDERS = 3

_KNOWN = frozenset(keyword.kwlist) | frozenset(dir(builtins))
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
# What stands at a place, whatever that is. Of no part there are two ways to
# read it (`++` and `*+` give nothing back), so each letter is read once.
_TOKEN = re.compile(
    r"""
    (?P<skipped> [^\S\n]++ | \\\r?\n | \#[^\n]*+ )
    | (?P<end> \n )
    | (?P<text> (?i:[bfrtu]{0,2}) (?:
        \"{3} [^"\\]*+ (?: (?: \\(?s:.) | "(?!"") ) [^"\\]*+ )*+ \"{3}
        | '{3} [^'\\]*+ (?: (?: \\(?s:.) | '(?!'') ) [^'\\]*+ )*+ '{3}
        | "(?!"") [^"\\\n]*+ (?: \\(?s:.) [^"\\\n]*+ )*+ "?
        | '(?!'') [^'\\\n]*+ (?: \\(?s:.) [^'\\\n]*+ )*+ '?
    ) )
    | (?P<open> (?: \"{3} | '{3} ) (?s:.)*+ )
    | (?P<name> [^\W\d]\w*+ )
    | (?P<number> \.?\d (?: [eE][+-] | [\w.] )*+ )
    | (?P<sign> \*\*=? | //=? | >>=? | <<=? | -> | := | \.{3} | !=
        | [-+*/%@&|^=<>]=? | \S )
    """,
    re.VERBOSE,
)

Fingerprint = tuple[str, int]  # an item's grade_id, and a hash


@dataclass(frozen=True)
class Group:
    """Students whose answers are alike.

    Each of them is alike to another one. ``shares`` are the least and the
    greatest share of fingerprints that two of these have in common, of
    those of whoever has fewer; ``shares_with_names`` the same where chosen
    names count.
    """

    students: tuple[str, ...]
    shares: tuple[float, float]
    shares_with_names: tuple[float, float]
    titles: tuple[str, ...]  # of the exercises in which all are alike


@dataclass(frozen=True)
class Similar:
    """What a comparison found, the most alike first."""

    groups: tuple[Group, ...]
    compared: int  # submissions
    left_out: int  # submissions that were too short
    cut: tuple[str, ...] = ()  # students of whose answers the rest is unread


def similar(exercise: Exercise, grades: Sequence[Grade]) -> Similar:
    """Compare the submissions of an exercise."""
    grades = [grade for grade in grades if grade.graded.status == "graded"]
    answers: dict[tuple[str, ...], list[str]] = {}
    for grade in grades:
        sources = _sources(exercise, grade.graded.sources)
        # Who wrote the very same counts once.
        exact = tuple(_exact(source) for source in sources.values())
        answers.setdefault(exact, []).append(grade.student)
    sources = {
        grade.student: _sources(exercise, grade.graded.sources)
        for grade in grades
    }
    released = _released(exercise)
    prints = {
        members[0]: _prints(sources[members[0]], released)
        for members in answers.values()
    }
    weights = _weights(prints)
    everyone = {members[0]: members for members in answers.values()}
    long = {
        student: found & weights.keys()
        for student, found in prints.items()
        if sum(weights.get(one, 0) for one in found) >= FEWEST
    }
    compared = sum(len(everyone[student]) for student in long)
    pairs = _pairs(long, weights)
    groups = [
        _group(exercise, component, pairs, long, everyone, sources)
        for component in _components(long, pairs, everyone)
    ]
    groups.sort(key=lambda group: (-group.shares[1], group.students))
    cut = tuple(
        grade.student
        for grade in grades
        if any(len(one) >= _LONGEST for one in grade.graded.sources.values())
    )
    return Similar(tuple(groups), compared, len(grades) - compared, cut)


def _sources(exercise: Exercise, sources: Mapping[str, str]) -> dict[str, str]:
    """Return what stands in the solution cells of each exercise.

    By the first of its items, where it has several parts.
    """
    first = {item.solutions: item for item in reversed(exercise.items)}
    return {
        item.grade_id: "\n".join(
            sources.get(name, "")[:_LONGEST] for name in item.solutions
        )
        for item in exercise.items
        if item.solutions and first[item.solutions] is item
    }


def _released(exercise: Exercise) -> dict[str, frozenset[int]]:
    cells = {
        cell.grade_id: cell.source for cell in exercise.release.notebook.cells
    }
    return {
        item: frozenset(_runs(source))
        for item, source in _sources(exercise, cells).items()
    }


def _prints(
    sources: Mapping[str, str], released: Mapping[str, frozenset[int]]
) -> set[Fingerprint]:
    return {
        (item, one)
        for item, source in sources.items()
        for one in _chosen(source) - released[item]
    }


def _weights(
    prints: Mapping[str, set[Fingerprint]],
) -> dict[Fingerprint, float]:
    """Return how much each fingerprint tells; what many share is left out."""
    holders = Counter(one for found in prints.values() for one in found)
    limit = max(_FEWEST_HOLDERS, min(len(prints) * _COMMON, _MOST_HOLDERS))
    return {
        one: 1 / max(count - 1, 1)
        for one, count in holders.items()
        if count <= limit
    }


def _pairs(
    prints: Mapping[str, set[Fingerprint]],
    weights: Mapping[Fingerprint, float],
) -> dict[tuple[str, str], float]:
    """Return the pairs that are alike, and how much."""
    holders: dict[Fingerprint, list[str]] = defaultdict(list)
    for student in sorted(prints):
        for one in sorted(prints[student]):
            holders[one].append(student)
    shared: dict[tuple[str, str], float] = defaultdict(float)
    for one, students in holders.items():
        for pair in combinations(students, 2):
            shared[pair] += weights[one]
    whole = {
        student: math.fsum(weights[one] for one in found)
        for student, found in prints.items()
    }
    found = {}
    for (one, other), weight in shared.items():
        share = min(weight / min(whole[one], whole[other]), 1.0)
        if weight >= FEWEST and share >= FROM:
            found[one, other] = share
    return found


def _components(
    prints: Mapping[str, set[Fingerprint]],
    pairs: Iterable[tuple[str, str]],
    everyone: Mapping[str, Sequence[str]],
) -> list[list[str]]:
    """Return the groups that the pairs make, each sorted."""
    leader = {student: student for student in prints}

    def of(student: str) -> str:
        while leader[student] != student:
            leader[student] = leader[leader[student]]
            student = leader[student]
        return student

    for one, other in pairs:
        leader[of(one)] = of(other)
    groups: dict[str, list[str]] = defaultdict(list)
    for student in sorted(prints):
        groups[of(student)].append(student)
    return [
        group
        for group in groups.values()
        if len(group) > 1 or len(everyone[group[0]]) > 1
    ]


def _group(
    exercise: Exercise,
    members: Sequence[str],
    pairs: Mapping[tuple[str, str], float],
    prints: Mapping[str, set[Fingerprint]],
    everyone: Mapping[str, Sequence[str]],
    sources: Mapping[str, Mapping[str, str]],
) -> Group:
    inside = set(members)
    linked = {pair: s for pair, s in pairs.items() if inside.issuperset(pair)}
    shares = list(linked.values())
    named = [_share_with_names(sources[a], sources[b]) for a, b in linked]
    if any(len(everyone[member]) > 1 for member in members):
        shares.append(1.0)
        named.append(1.0)
    titles = []
    for item in exercise.items:
        own = [
            {one for one in prints[member] if one[0] == item.grade_id}
            for member in members
        ]
        least = min(map(len, own))
        alike = len(set.intersection(*own))
        if least >= _FEWEST_HERE and alike >= FROM * least:
            titles.append(item.title)
    return Group(
        tuple(sorted(s for member in members for s in everyone[member])),
        (min(shares), max(shares)),
        (min(named), max(named)),
        tuple(titles),
    )


def _share_with_names(
    one: Mapping[str, str], other: Mapping[str, str]
) -> float:
    own = {(i, run) for i, s in one.items() for run in _runs(s, True)}
    theirs = {(i, run) for i, s in other.items() for run in _runs(s, True)}
    least = min(len(own), len(theirs))
    return len(own & theirs) / least if least else 0.0


# -- fingerprints ----------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def _chosen(source: str) -> frozenset[int]:
    """Return the fingerprints that winnowing chooses of an answer."""
    runs = _runs(source)
    if len(runs) < _WINDOW:
        return frozenset([min(runs)] if runs else [])
    windows = zip(*(runs[i:] for i in range(_WINDOW)), strict=False)
    return frozenset(map(min, windows))


def _runs(source: str, with_names: bool = False) -> list[int]:
    """Return a hash of each run of tokens."""
    # Numbers, as hashes of texts differ from one Python process to another.
    both = _tokens(source)
    tokens = [_number(t) for t in (both.exact if with_names else both.plain)]
    shifted = (tokens[i:] for i in range(_RUN))
    return list(map(hash, zip(*shifted, strict=False)))


@functools.lru_cache(maxsize=65536)
def _number(token: str) -> int:
    return zlib.crc32(token.encode("utf-8", "replace"))


def _exact(source: str) -> str:
    return "\0".join(_tokens(source).exact)


@dataclass(frozen=True)
class _Tokens:
    exact: tuple[str, ...]
    plain: tuple[str, ...]  # without chosen names


@functools.lru_cache(maxsize=4096)
def _tokens(source: str) -> _Tokens:
    """Return the tokens of an answer, whatever it is.

    Much as Python's own tokenizer, which goes over a line again and again
    where it is no Python; this one reads no letter twice.
    """
    exact: list[str] = []
    plain: list[str] = []
    depth, has_begun = 0, False  # in brackets, and a line of code
    for found in _TOKEN.finditer(source):
        kind, text = found.lastgroup, found[0]
        if kind == "skipped" or (kind == "end" and (depth or not has_begun)):
            continue
        if (
            kind == "open"
        ):  # a text without end: what follows counts all the same
            words = re.findall(r"\w+|[^\w\s]", text)
            return _Tokens((*exact, *words), (*plain, *words))
        has_begun = kind != "end"
        depth = max(depth + (text in _OPENING) - (text in _CLOSING), 0)
        is_chosen = text not in _KNOWN and exact[-1:] != ["."]
        short = {"end": ";", "text": "''"}.get(kind, text)
        plain.append("name" if kind == "name" and is_chosen else short)
        exact.append(";" if kind == "end" else text)
    if has_begun:
        exact.append(";")
        plain.append(";")
    return _Tokens(tuple(exact), tuple(plain))
