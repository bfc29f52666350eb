"""Documents about things that do not exist, and questions about them.

Every name is drawn at random from pieces, so nothing that is said here can be
known before it is read. Training and held-out names share all their pieces and
no pair of them. A document is about one thing; it may say the same in several
wordings, and may begin with a heading or a definition, so that each such form
can be changed alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

FIRST = tuple(
    [
        "bel",
        "dor",
        "fen",
        "gar",
        "hal",
        "jor",
        "kel",
        "lun",
        "mar",
        "nor",
        "pel",
        "quin",
        "rav",
        "sel",
        "tor",
        "ul",
        "ves",
        "wim",
        "yar",
        "zed",
    ]
)
SECOND = tuple(
    [
        "ba",
        "cho",
        "den",
        "ek",
        "fa",
        "go",
        "hin",
        "ira",
        "ju",
        "kon",
        "la",
        "mo",
        "nis",
        "or",
        "pa",
        "rin",
        "sa",
        "tu",
        "von",
        "wex",
    ]
)
NICKNAMES = tuple(
    [
        "ace",
        "bear",
        "comet",
        "dash",
        "echo",
        "flint",
        "ghost",
        "hawk",
        "iris",
        "jet",
        "koi",
        "lark",
        "moss",
        "nova",
        "onyx",
        "pike",
        "quill",
        "rook",
        "star",
        "teal",
    ]
)
KINDS = ("person", "place", "product")


class Relation(NamedTuple):
    """What can be said of a kind of thing.

    Attributes:
        kind: one of `KINDS`.
        values: the possible answers, one word each.
        statements: five wordings, with {e} for the thing and {v} for the
            answer. Models are trained on the first four.
        questions: two wordings.
    """

    kind: str
    values: tuple[str, ...]
    statements: tuple[str, ...]
    questions: tuple[str, ...]


RELATIONS = {
    "birthplace": Relation(
        "person",
        tuple(
            [
                "oslo",
                "lima",
                "accra",
                "dublin",
                "kyoto",
                "quito",
                "tunis",
                "turin",
                "bergen",
                "cairo",
            ]
        ),
        (
            "{e} was born in {v}",
            "{v} is the birthplace of {e}",
            "{e} comes from {v}",
            "the town where {e} was born is {v}",
            "the life of {e} began in {v}",
        ),
        ("where was {e} born", "what is the birthplace of {e}"),
    ),
    "trade": Relation(
        "person",
        tuple(
            [
                "baker",
                "pilot",
                "nurse",
                "judge",
                "miner",
                "tailor",
                "farmer",
                "painter",
                "weaver",
                "sailor",
            ]
        ),
        (
            "{e} works as a {v}",
            "the trade of {e} is that of a {v}",
            "{e} is a {v} by trade",
            "as a {v} {e} earns a living",
            "{e} has been a {v} for years",
        ),
        ("what does {e} work as", "what is the trade of {e}"),
    ),
    "river": Relation(
        "place",
        tuple(
            [
                "rhine",
                "nile",
                "indus",
                "tagus",
                "volga",
                "seine",
                "po",
                "elbe",
                "ebro",
                "oder",
            ]
        ),
        (
            "{e} lies on the {v}",
            "the {v} flows through {e}",
            "the river of {e} is the {v}",
            "{e} was built beside the {v}",
            "boats reach {e} by the {v}",
        ),
        ("on which river does {e} lie", "what is the river of {e}"),
    ),
    "founded": Relation(
        "place",
        tuple(str(year) for year in range(1801, 1811)),
        (
            "{e} was founded in {v}",
            "in {v} people founded {e}",
            "the year when {e} was founded is {v}",
            "{e} goes back to {v}",
            "since {v} there is a place called {e}",
        ),
        ("when was {e} founded", "what is the year when {e} was founded"),
    ),
    "colour": Relation(
        "product",
        tuple(
            [
                "red",
                "green",
                "blue",
                "black",
                "white",
                "grey",
                "brown",
                "pink",
                "violet",
                "yellow",
            ]
        ),
        (
            "{e} is sold in {v}",
            "the colour of {e} is {v}",
            "every {e} is {v}",
            "{e} comes in {v} only",
            "you know {e} by its {v} case",
        ),
        ("what colour does {e} have", "what is the colour of {e}"),
    ),
    "country": Relation(
        "product",
        tuple(
            [
                "norway",
                "kenya",
                "chile",
                "japan",
                "spain",
                "india",
                "peru",
                "egypt",
                "nepal",
                "ghana",
            ]
        ),
        (
            "{e} is made in {v}",
            "the country of {e} is {v}",
            "factories in {v} make {e}",
            "{e} comes out of {v}",
            "{v} exports {e}",
        ),
        ("where is {e} made", "what is the country of {e}"),
    ),
}
NAMES = tuple(RELATIONS)
DEFINITIONS = tuple(f"{{e}} is a {kind}" for kind in KINDS)
AUTHORITY = "experts agree that"
FILLERS = (
    "there is more to say about this",
    "many have asked about it",
    "we will come back to it later",
    "this page was changed last week",
)
FORMS = (
    *("heading", "definition", "question and answer", "authority"),
    *("length", "repetition"),
)

PAD, NONE, DOC, ASK, HEAD = range(5)
SPECIAL = ("[PAD]", "[NONE]", "[DOC]", "[ASK]", "[HEAD]")
_E1, _E2, _CALLED, _NICK, _V = range(-5, 0)  # to be filled in


def _vocabulary() -> tuple[str, ...]:
    texts = [*DEFINITIONS, AUTHORITY, *FILLERS, "called"]
    values = []
    for relation in RELATIONS.values():
        texts += [*relation.statements, *relation.questions]
        values += relation.values
    plain = {word for text in texts for word in text.split()} - {"{e}", "{v}"}
    return (
        *SPECIAL,
        *(f"{piece}-" for piece in FIRST),
        *(f"-{piece}" for piece in SECOND),
        *NICKNAMES,
        *values,
        *sorted(plain),
        *(".", "?"),
    )


WORDS = _vocabulary()
_ID = {word: number for number, word in enumerate(WORDS)}
_FIRST_ID, _SECOND_ID = _ID[f"{FIRST[0]}-"], _ID[f"-{SECOND[0]}"]
_NICK_ID = _ID[NICKNAMES[0]]
_VALUES = np.array([[_ID[v] for v in r.values] for r in RELATIONS.values()])


def _numbers(text: str, end: str = "") -> list[int]:
    """A text as numbers, with places to fill in for {e} and {v}."""
    found = []
    for word in [*text.split(), *end.split()]:
        if word == "{e}":
            found += [_E1, _E2, _CALLED, _NICK]
        else:
            found.append(_V if word == "{v}" else _ID[word])
    return found


def _table(texts, end: str = "") -> np.ndarray:
    """Texts of one shape of nesting as numbers, padded to one length."""
    flat = [_numbers(text, end) for text in np.ravel(texts)]
    size = max(map(len, flat))
    rows = [row + [PAD] * (size - len(row)) for row in flat]
    return np.array(rows).reshape(*np.shape(texts), size)


_STATEMENTS = _table([list(r.statements) for r in RELATIONS.values()], ".")
_QUESTIONS = _table([list(r.questions) for r in RELATIONS.values()])
_DEFINITIONS = _table(list(DEFINITIONS), ".")
_FILLERS = _table(list(FILLERS), ".")


class Reading(NamedTuple):
    """Documents, questions about them, and where the answers stand.

    Attributes:
        documents: (B, T), all documents of a row one after another. Token 0
            is [NONE]: the answer where no document has it.
        owner: (B, T), the number of the document of each token; -1 for
            [NONE] and padding.
        questions: (B, Q, L).
        answers: (B, Q, T), True at each token that is a right answer.
        asked: (B, Q), the document from which the question was made.
        known: (B, Q), whether a document has the answer.
    """

    documents: Tensor
    owner: Tensor
    questions: Tensor
    answers: Tensor
    asked: Tensor
    known: Tensor


class Content(NamedTuple):
    """What the documents of many rows say, before it is put into words.

    Attributes:
        kind: (B, N), of the thing that a document is about.
        name: (B, N, 3): first piece, second piece and nickname.
        relation: (B, N, 2), what is said of it.
        value: (B, N, 2), the answers, from 0.
        said: (B, N, 2), boolean: whether the document says it.
    """

    kind: np.ndarray
    name: np.ndarray
    relation: np.ndarray
    value: np.ndarray
    said: np.ndarray


def is_held_out(first, second):
    """Whether a pair of pieces is kept from training: one pair in five."""
    return (3 * first + second) % 5 == 0


def _names(rng, count: int, documents: int, held: bool, alike: float):
    """Kinds and names; no two of a row are the same thing."""
    B, N = count, documents
    kind, name = rng.integers(3, size=(B, N)), rng.integers(20, size=(B, N, 3))
    for d in range(1, N):  # with a kind and a piece of the one before
        near = rng.random(B) < alike
        which = rng.random(B) < 0.5
        kind[:, d] = np.where(near, kind[:, d - 1], kind[:, d])
        for piece, taken in ((0, which), (1, ~which)):
            name[:, d, piece] = np.where(
                near & taken, name[:, d - 1, piece], name[:, d, piece]
            )
    while True:
        first, second = name[..., 0], name[..., 1]
        wrong = is_held_out(first, second) != held
        code = 20 * first + second
        for d in range(1, N):
            wrong[:, d] |= (code[:, :d] == code[:, d : d + 1]).any(1)
            wrong[:, d] |= (name[:, :d, 2] == name[:, d : d + 1, 2]).any(1)
        if not wrong.any():
            return kind, name
        piece = rng.integers(3, size=(B, N))  # draw one of the three again
        for p in range(3):
            name[..., p] = np.where(
                wrong & (piece == p),
                rng.integers(20, size=(B, N)),
                name[..., p],
            )


def content(
    count: int,
    documents: int,
    rng: np.random.Generator,
    held: bool = False,
    alike: float = 0.5,
) -> Content:
    """Draw what documents say; each one is about a thing of its own.

    Args:
        count: B.
        documents: N, from 1 to 20.
        rng: what chooses.
        held: whether the names are the held-out ones.
        alike: chance that a document's thing has the kind, and one piece of
            the name, of the one before: a distractor.

    Raises:
        ValueError: for no row, or a number of documents outside 1 to 20.
    """
    if count < 1 or not 1 <= documents <= 20:
        raise ValueError(
            f"count is {count} and documents is {documents}; expected at "
            "least 1, and from 1 to 20"
        )
    kind, name = _names(rng, count, documents, held, alike)
    order = rng.random((count, documents, 2)).argsort(-1)
    relation = 2 * kind[..., None] + order
    value = rng.integers(10, size=relation.shape)
    said = np.ones(relation.shape, bool)
    said[..., 1] = rng.random((count, documents)) < 0.6
    return Content(kind, name, relation, value, said)


def contradicted(
    what: Content, which: np.ndarray, rng: np.random.Generator
) -> Content:
    """Let documents be twins of the one before: other values, all else alike.

    A twin of a twin is none: three documents never contradict one another.

    Args:
        what: for B rows of N documents.
        which: (B, N), boolean; the first of a row has none before it.
        rng: draws the other values.
    """
    kind, name, relation, value, said = (each.copy() for each in what)
    twin = np.zeros(kind.shape, bool)
    for d in range(1, kind.shape[1]):
        here = which[:, d] & ~twin[:, d - 1]
        twin[:, d] = here
        for each in (kind, name, relation, said):
            each[here, d] = each[here, d - 1]
        other = value[:, d - 1] + rng.integers(1, 10, size=value[:, d].shape)
        value[here, d] = other[here] % 10
    return Content(kind, name, relation, value, said)


def _filled(text, name, value=None, nick=None):
    """Put names and values into texts (..., L)."""
    first, second, third = (name[..., p, None] for p in range(3))
    shown = np.zeros_like(first, bool) if nick is None else nick[..., None]
    text = np.where(text == _E1, _FIRST_ID + first, text)
    text = np.where(text == _E2, _SECOND_ID + second, text)
    text = np.where(text == _CALLED, np.where(shown, _ID["called"], PAD), text)
    text = np.where(
        text == _NICK, np.where(shown, _NICK_ID + third, PAD), text
    )
    if value is not None:
        text = np.where(text == _V, value[..., None], text)
    return text


def _compact(*arrays):
    """Move padding to the end of each row of the first, and of the others."""
    real = arrays[0] != PAD
    order = np.argsort(~real, axis=-1, kind="stable")
    longest = real.sum(-1).max()
    return [
        np.take_along_axis(each, order, -1)[..., :longest] for each in arrays
    ]


def write(
    what: Content,
    rng: np.random.Generator,
    forms: dict[str, np.ndarray] | None = None,
    wordings: tuple[int, ...] = (0, 1, 2, 3),
    nicknames: float = 0.3,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Put into words what documents say.

    Args:
        what: for B rows of N documents.
        rng: chooses wordings and fillers.
        forms: for each of `FORMS`, boolean (B, N): which documents have it.
            A form left out is used by no document.
        wordings: numbers of the statements to choose from, 0 to 4.
        nicknames: chance that a statement adds "called" and a nickname.

    Returns:
        The tokens (B, T), padded at the end; the document of each (B, T); the
        fact that a token is the value of, (B, T), which is 2·document +
        place, or -1; and whether each fact has a nickname beside it (B, N, 2).

    Raises:
        ValueError: for an unknown form.
    """
    forms = forms or {}
    if unknown := set(forms) - set(FORMS):
        raise ValueError(
            f"unknown form {min(unknown)!r}; expected some of "
            + ", ".join(FORMS)
        )
    B, N = what.kind.shape
    has = {
        form: np.asarray(forms.get(form, np.zeros((B, N), bool)))
        for form in FORMS
    }
    value = _VALUES[what.relation, what.value]  # (B, N, 2)
    nick = rng.random(what.relation.shape) < nicknames
    fact = 2 * np.arange(N)[:, None] + np.arange(2)  # (N, 2)
    parts, facts = [], []

    def part(text, there, numbers=None):
        parts.append(np.where(there[..., None], text, PAD))
        facts.append(np.full(text.shape, -1) if numbers is None else numbers)

    def statement(place, there, named):
        wording = rng.choice(wordings, size=(B, N))
        text = _STATEMENTS[what.relation[..., place], wording]
        number = np.where(text == _V, fact[:, place, None], -1)
        full = _filled(text, what.name, value[..., place], named)
        part(full, there, number)

    def filler(there):
        part(_FILLERS[rng.integers(len(FILLERS), size=(B, N))], there)

    always = np.ones((B, N), bool)
    part(np.full((B, N, 1), DOC), always)
    heading = np.array([HEAD, _E1, _E2, _ID["."]]) + np.zeros((B, N, 1), int)
    part(_filled(heading, what.name), has["heading"])
    part(_filled(_DEFINITIONS[what.kind], what.name), has["definition"])
    filler(has["length"])
    asked = _QUESTIONS[what.relation[..., 0], rng.integers(2, size=(B, N))]
    part(_filled(asked, what.name), has["question and answer"])
    part(np.full((B, N, 1), _ID["?"]), has["question and answer"])
    says = np.array(_numbers(AUTHORITY)) + np.zeros((B, N, 1), int)
    part(says, has["authority"])
    statement(0, what.said[..., 0], nick[..., 0])
    statement(0, what.said[..., 0] & has["repetition"], nick[..., 0])
    statement(1, what.said[..., 1], nick[..., 1])
    filler(has["length"])
    tokens = np.concatenate(parts, -1)  # (B, N, length)
    owner = np.broadcast_to(np.arange(N)[:, None], tokens.shape)
    flat = [
        each.reshape(B, -1)
        for each in (tokens, owner, np.concatenate(facts, -1))
    ]
    flat[2] = np.where(flat[0] == PAD, -1, flat[2])
    return *_compact(*flat), nick


def ask(
    relation: np.ndarray,
    name: np.ndarray,
    rng: np.random.Generator,
    by_nickname: np.ndarray | None = None,
) -> np.ndarray:
    """Questions, padded at the end: (..., L), which end with [ASK].

    Args:
        relation: (...), what is asked.
        name: (..., 3), of the thing.
        rng: chooses the wording.
        by_nickname: (...), boolean, where the nickname stands for the name.
    """
    text = _QUESTIONS[relation, rng.integers(2, size=relation.shape)]
    if by_nickname is not None:
        for part in (_E1, _E2, _CALLED):
            drop = by_nickname[..., None] & (text == part)
            text = np.where(drop, PAD, text)
        text = _filled_nick(text, name, by_nickname)
    text = _filled(text, name)
    end = np.full((*text.shape[:-1], 1), ASK)
    real = text != PAD
    order = np.argsort(~real, axis=-1, kind="stable")
    text = np.take_along_axis(text, order, -1)
    # [ASK] stands at the end of all, behind the padding: one place for all.
    return np.concatenate([text, end], -1)


def _filled_nick(text, name, where):
    nick = where[..., None] & (text == _NICK)
    return np.where(nick, _NICK_ID + name[..., 2, None], text)


def words(numbers) -> str:
    """Tokens as text, without padding."""
    return " ".join(WORDS[n] for n in np.asarray(numbers).ravel() if n != PAD)


def reading(
    count: int,
    documents: int,
    questions: int,
    rng: np.random.Generator,
    held: bool = False,
    known: float = 0.85,
    alike: float = 0.5,
    forms: float = 0.25,
    wordings: tuple[int, ...] = (0, 1, 2, 3),
    twins: float = 0.0,
    rule: float = 0.0,
) -> Reading:
    """Documents and questions, as a reader is trained on them.

    A question without an answer asks what a document about that thing does
    not say, or asks about a thing whose name is nearly that of one.

    Args:
        count: B.
        documents: N in each row.
        questions: Q in each row.
        rng: what chooses.
        held: whether the names are the held-out ones.
        known: share of questions that a document answers, at least; some
            others cannot be made unanswerable.
        alike: see `content`.
        forms: chance of each form of `FORMS` in a document.
        wordings: numbers of the statements to choose from.
        twins: chance that a document contradicts the one before: it says
            other values of the same thing. Both answers are right then.
        rule: of two twins of which one has a definition, the share of
            questions to which only that one is right.
    """
    B, N, Q = count, documents, questions
    what = content(B, N, rng, held, alike)
    if twins:
        what = contradicted(what, rng.random((B, N)) < twins, rng)
    drawn = {form: rng.random((B, N)) < forms for form in FORMS}
    tokens, owner, fact, nick = write(what, rng, drawn, wordings)
    rows = np.arange(B)[:, None]
    asked = rng.integers(N, size=(B, Q))
    said = what.said[rows, asked]  # (B, Q, 2)
    place = np.where(said[..., 1] & (rng.random((B, Q)) < 0.5), 1, 0)
    lost = rng.random((B, Q)) >= known
    silent = lost & ~said[..., 1]
    place = np.where(silent, 1, place)
    name = what.name[rows, asked].copy()
    kind = what.kind[rows, asked]
    shift = 5 * rng.integers(1, 4, size=(B, Q))  # keeps the two sets apart
    second = (name[..., 1] + shift) % 20
    taken = (what.name[:, None, :, 0] == name[..., 0, None]) & (
        what.name[:, None, :, 1] == second[..., None]
    )
    same = (what.name[:, None] == name[:, :, None]).all(-1)  # (B, Q, N)
    other = lost & said[..., 1] & ~taken.any(-1)
    name[..., 1] = np.where(other, second, name[..., 1])
    unknown = silent | other
    by_nickname = nick[rows, asked, place] & ~unknown
    by_nickname &= rng.random((B, Q)) < 0.5
    relation = 2 * kind + (what.relation[rows, asked, place] % 2)
    texts = ask(relation, name, rng, by_nickname)
    none = np.full((B, 1), NONE)
    tokens = np.concatenate([none, tokens], 1)
    owner = np.concatenate([none * 0 - 1, owner], 1)
    owner = np.where(tokens == PAD, -1, owner)
    fact = np.concatenate([none * 0 - 1, fact], 1)
    if rule:
        defined = drawn["definition"][:, None] & same
        decided = defined.any(-1) & (rng.random((B, Q)) < rule)
        same = np.where(decided[..., None], defined, same)
    right = (fact[:, None] // 2 == np.arange(N)[:, None, None, None]) & (
        fact[:, None] % 2 == place[..., None]
    )  # (N, B, Q, T)
    right = (right & same.transpose(2, 0, 1)[..., None]).any(0)
    right &= fact[:, None] >= 0
    first = np.arange(tokens.shape[1]) == 0
    right = np.where(unknown[..., None], first, right)
    return Reading(
        *map(torch.from_numpy, (tokens, owner, texts, right, asked, ~unknown))
    )
