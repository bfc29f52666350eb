"""Exceptions that cross the pipe: described as data, and made anew.

Only exceptions of Python itself and a few of torch and NumPy come out as
what they were. Any other becomes one of a fresh class of that name, so that
no process can raise in another what that one would take for its own.
"""

from __future__ import annotations

import builtins
import errno
import sys
import traceback
from dataclasses import dataclass
from typing import Any

from attnbook.grading.isolation import bounds
from attnbook.grading.isolation.wire import WireError, cleaned, identifier
from attnbook.judging import inspection

_PLAIN = (str, bytes, int, float, bool, type(None))

# Elsewhere than in builtins: by the module and name that they go by.
_KNOWN = {
    ("torch._C", "_LinAlgError"): ("torch.linalg", "LinAlgError"),
    ("torch", "OutOfMemoryError"): ("torch", "OutOfMemoryError"),
    ("numpy.linalg", "LinAlgError"): ("numpy.linalg", "LinAlgError"),
    ("numpy.exceptions", "AxisError"): ("numpy.exceptions", "AxisError"),
}

# What is called to start another process, and what is said when it cannot.
_STARTS = ("fork", "spawn", "exec")
_NO_PROCESS = (
    "No other programs or processes can be started while it is graded"
)

# Names that mean something to whoever reads a grade.
_RESERVED = {"WrongAnswer", "TakenAwayError", "NotImplementedError"}


@dataclass(frozen=True)
class Description:
    """An exception as data.

    ``kinds`` are its classes from itself upwards, each as "module.name";
    ``place`` is the line of the learner's code that raised it.
    """

    kinds: tuple[str, ...]
    text: str
    arguments: tuple = ()
    place: str = ""

    @property
    def name(self) -> str:
        """The name of its class."""
        return identifier(self.kinds[0].rpartition(".")[2], "Error")


def described(error: BaseException) -> tuple:
    """Return an exception as the data of a :class:`Description`."""
    kinds = tuple(
        f"{kind.__module__}.{kind.__name__}"[:200]
        for kind in type(error).__mro__[: bounds.MOST_CLASSES]
        if kind not in (object, BaseException)
    ) or ("builtins.BaseException",)
    try:
        arguments = error.args
        if not all(type(x) in _PLAIN and len(str(x)) < 500 for x in arguments):
            arguments = ()
        text = str(error)[: bounds.LONGEST_ERROR]
        if _is_of_a_process(error):
            arguments = (errno.EPERM, f"{error.strerror}. {_NO_PROCESS}")
            text = f"{text}. {_NO_PROCESS}"
    except Exception:  # of a class of the learner's, or a number too long
        arguments, text = (), "<exception str() failed>"
    return kinds, text, tuple(arguments), _place(error)


def _is_of_a_process(error: BaseException) -> bool:
    """Say whether it tells that another process could not be started."""
    if type(error) is not PermissionError or error.errno != errno.EPERM:
        return False
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return any(
        word in f"{frame.name} {frame.line}"
        for frame in last
        for word in _STARTS
    )


def read(value: Any) -> Description:
    """Check what claims to be the data of a description.

    Raises
    ------
    WireError
        When it is not.
    """
    if type(value) is not tuple or len(value) != 4:
        raise WireError("an exception is not described as one")
    kinds, text, arguments, place = value
    if not (
        type(kinds) is type(arguments) is tuple
        and type(text) is type(place) is str
        and 0 < len(kinds) <= bounds.MOST_CLASSES
        and all(type(kind) is str for kind in kinds)
        and all(type(argument) in _PLAIN for argument in arguments)
    ):
        raise WireError("an exception is not described as one")
    place = " ".join(place[: bounds.LONGEST_PLACE].split())
    return Description(kinds, text[: bounds.LONGEST_ERROR], arguments, place)


def revived(description: Description) -> Exception:
    """Make the exception anew, of the same class where that is known."""
    known = [_known(kind) for kind in description.kinds]
    if known[0] is not None:
        error = _made(known[0], description)
    else:
        parent = next((kind for kind in known if kind is not None), Exception)
        error = _fresh(description.name, parent)(description.text)
    if description.place:
        error.place_in_answer = description.place
    return error


def _known(kind: str) -> type[Exception] | None:
    module, _, name = kind.rpartition(".")
    if module == "builtins":
        found = getattr(builtins, name, None)
    elif (module, name) in _KNOWN:
        module, name = _KNOWN[module, name]
        found = getattr(sys.modules.get(module), name, None)
    else:
        return None
    is_error = isinstance(found, type) and issubclass(found, Exception)
    return found if is_error else None


def _made(kind: type[Exception], description: Description) -> Exception:
    for arguments in (description.arguments, (description.text,)):
        try:
            error = kind(*arguments)
            if type(error) is kind and str(error) == description.text:
                return error
        except Exception:
            continue
    return _fresh(kind.__name__, kind, is_same=True)(description.text)


class _Foreign:
    """The text is what came, whatever the class would make of it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


_made_kinds: dict[tuple, type[Exception]] = {}


def _fresh(name: str, parent: type, is_same: bool = False) -> type[Exception]:
    if not is_same and name in _RESERVED:
        name = "Error"
    if len(_made_kinds) >= bounds.MOST_KINDS:
        _made_kinds.clear()  # one student's names must not take all places
    key = name, parent
    if key not in _made_kinds:
        kind = _class(name, parent)
        _made_kinds[key] = kind
    return _made_kinds[key]


def _class(name: str, parent: type) -> type[Exception]:
    try:
        kind = type(name, (_Foreign, parent), {})
        kind("")
    except TypeError:
        kind = type(name, (_Foreign, Exception), {})
    return kind


def _place(error: BaseException) -> str:
    """Return the last line of the learner's own code in a traceback."""
    return cleaned(inspection.place(error, longest_name=80, longest_line=200))
