"""Calls across the pipe, and the gradients that flow back through them.

Each side is a :class:`Peer`. Who calls sends the arguments, and gets the
result or the exception. A tensor that requires gradients becomes a leaf on
the other side; the outputs become nodes of the caller's graph, whose
backward pass asks the other side to run its own. An argument that was
changed in place over there is changed here too.

While a peer waits for an answer it serves what it is asked itself, so a
function that is handed over can be called back.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from attnbook.grading.isolation import bounds, errors
from attnbook.grading.isolation.changes import overwrite, plain
from attnbook.grading.isolation.channel import Channel
from attnbook.grading.isolation.gradients import Node, anchor, swapped
from attnbook.grading.isolation.objects import (
    DOINGS,
    name_of,
    own,
    owner_of,
    traits_of,
)
from attnbook.grading.isolation.packing import Packer
from attnbook.grading.isolation.unpacking import Unpacker
from attnbook.grading.isolation.wire import (
    NO_NOTE,
    Mark,
    TensorNote,
    TooLargeError,
    WireError,
)


@dataclass
class _Served:
    """A call that was run here: what its gradients can be asked of."""

    outputs: list = field(default_factory=list)
    arguments: tuple = ()
    before: Any = None  # the arguments as they came, encoded


class Peer:
    """One side of the pipe.

    Parameters
    ----------
    channel
        The messages.
    deadline
        Returns when to stop waiting, in seconds of ``time.monotonic()``.
    """

    remembers = False  # whether later calls may depend on earlier arguments
    tells_changes = False  # whether arguments can be changed over here

    def __init__(
        self,
        channel: Channel,
        deadline: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.channel = channel
        self.deadline = deadline
        self.lock = threading.RLock()
        self._depth = 0
        self._number = itertools.count()
        self._given: dict[int, Any] = {}  # objects the other side may name
        self._numbers: dict[int, int] = {}  # of them, by id
        self._stand_ins: dict[int, Any] = {}  # for objects over there
        self.handlers = self.served()
        self.era = 0
        self._forget()

    def _forget(self) -> None:
        """Begin anew to count calls and leaves, on both sides alike."""
        self.era += 1
        self._sent: list = []  # tensors of ours that are leaves over there
        self._leaves: list = []  # leaves here, for tensors over there
        self._kept: list = []  # what is made of them, so that no id returns
        self._notes: dict[int, TensorNote] = {}  # of leaves here, by id
        self._own: list = []  # leaves of ours that stand for themselves
        self._foreign: list = []  # tensors here for such leaves over there
        self._asked: list = []  # the arguments of calls to over there
        self._served: list[_Served] = []  # calls from over there

    # -- messages --------------------------------------------------------

    def ask(self, kind: str, value: Any = None) -> Any:
        """Send a request that holds no tensors with a graph.

        Returns its reply.
        """
        packer = Packer(self._mark)
        with self.lock:
            code, body = self._exchange(kind, packer.pack(value), packer)
        return Unpacker(body, self._stand_in).unpack(code)

    def tell(self, kind: str, value: Any = None) -> None:
        """Send what wants no reply, together with the next request."""
        packer = Packer(self._mark)
        with self.lock:
            self.channel.put(f"{kind}!", packer.pack(value), packer.buffers)

    def _exchange(
        self, kind: str, code: Any, packer: Packer
    ) -> tuple[Any, memoryview]:
        self.channel.send(kind, code, packer.buffers, self.deadline())
        while True:
            kind, code, body = self.receive()
            if kind == "reply":
                return code, body
            if kind == "error":
                raise self._raised(
                    errors.read(Unpacker(body, _no_mark).unpack(code))
                )
            self.serve(kind, code, body)

    def receive(self) -> tuple[str, Any, memoryview]:
        """Return the next message."""
        return self.channel.receive(self.deadline())

    def serve(self, kind: str, code: Any, body: memoryview) -> None:
        """Do what is asked, and reply.

        Raises
        ------
        WireError
            When it is nothing that can be asked.
        """
        handler = self.handlers.get(kind.removesuffix("!"))
        if handler is None:
            raise WireError("it asks for what cannot be asked")
        if self._depth >= bounds.MOST_NESTED:
            raise WireError("calls are nested too deeply")
        self._depth += 1
        try:
            reply, packer = handler(code, body)
        except WireError:
            raise
        except BaseException as error:
            if self.is_fatal(error):
                raise
            packer = Packer(_no_object)
            reply, answer = packer.pack(self.described(error)), "error"
        else:
            answer = "reply"
        finally:
            self._depth -= 1
        if kind.endswith("!"):
            return
        with self.lock:  # another thread may wait for an answer
            try:
                self.channel.send(
                    answer, reply, packer.buffers, self.deadline()
                )
            except TooLargeError as error:
                packer = Packer(_no_object)
                reply = packer.pack(self.described(error))
                self.channel.send(
                    "error", reply, packer.buffers, self.deadline()
                )

    def served(self) -> dict[str, Callable]:
        """Return the kinds of request that are served here."""
        return {"call": self._serve_call, "backward": self._serve_backward}

    def is_fatal(self, error: BaseException) -> bool:
        """Say whether an error ends this side, and is not reported."""
        return False

    def described(self, error: BaseException) -> tuple:
        """Return the data that tell of an exception."""
        return errors.described(error)

    def _raised(self, description: errors.Description) -> BaseException:
        return errors.revived(description)

    # -- objects ---------------------------------------------------------

    def mark_result(self, value: Any) -> Mark:
        """Return the mark of an object in the result of a call."""
        return self._mark(value)

    def _mark(self, value: Any) -> Mark:
        """Return the mark of an object, ours or theirs."""
        theirs = owner_of(value)
        if theirs is not None and theirs[0] is self:
            return Mark(False, theirs[1])
        number = self._numbers.get(id(value))
        if number is None:
            number = next(self._number)
            self._given[number] = value
            self._numbers[id(value)] = number
        return Mark(True, number, name_of(value), traits_of(value))

    def release(self, ours: int, theirs: Iterable[int]) -> None:
        """Forget what was given since a trial began, and all its calls.

        Parameters
        ----------
        ours
            The first number of the objects given to the other side.
        theirs
            The numbers of the objects that were given to this one.
        """
        for number in [n for n in self._given if n >= ours]:
            self._numbers.pop(id(self._given.pop(number)), None)
        for number in theirs:
            self._stand_ins.pop(number, None)
        self._forget()

    def _stand_in(self, mark: Mark) -> Any:
        """Return what is meant by a mark: ours, or a stand-in for theirs."""
        if not mark.is_mine:
            if mark.number not in self._given:
                raise WireError("it names an object that was never given")
            return self._given[mark.number]
        found = self._stand_ins.get(mark.number)
        if found is None:
            found = self.stand_in(mark)
            own(found, self, mark.number)
            self._stand_ins[mark.number] = found
        return found

    def stand_in(self, mark: Mark) -> Any:
        """Make what stands here for an object over there."""
        raise NotImplementedError

    # -- calling ---------------------------------------------------------

    def call(
        self,
        number: int,
        arguments: tuple = (),
        keywords: Mapping[str, Any] | None = None,
        how: str = "call",
    ) -> Any:
        """Call an object over there, or look at a part of it.

        Parameters
        ----------
        how
            "call", "get" and "set" (an attribute), "item", "iter", "len",
            "float", "int" or "bool".
        """
        with self.lock:
            is_graph = torch.is_grad_enabled()
            first = len(self._sent)
            packer = Packer(self._mark, self._note_argument)
            given = arguments, dict(keywords or {})
            try:
                code = packer.pack((how, number, *given, is_graph))
            except TooLargeError:
                del self._sent[first:]
                raise
            self._asked.append(given)
            place = len(self._asked) - 1
            reply, body = self._exchange("call", code, packer)
            last = len(self._sent)
            outputs: list = []

            def tensor(value, note: TensorNote):
                return self._incoming_output(value, note, outputs)

            unpacker = Unpacker(body, self._stand_in, tensor)
            result, changes = _pair(unpacker.unpack(reply))
            self._write_back(changes)
            if not outputs:
                return result
            chosen = range(0 if self.remembers else first, last)
            found = Node.apply(
                (self, place, tuple(chosen), len(self._foreign), outputs),
                anchor(),
                *(self._sent[index] for index in chosen),
                *self._foreign,
            )
            nodes = dict(zip(map(id, outputs), found, strict=True))
            return swapped(result, nodes)

    def _note_argument(self, value: Any) -> TensorNote:
        self._sent.append(value)
        return TensorNote(True, value.is_leaf, False, len(self._sent) - 1)

    def _incoming_output(
        self, value: Any, note: TensorNote, outputs: list
    ) -> Any:
        if not note.requires_grad:
            return value
        if not note.is_own:
            if note.number != len(outputs):
                raise WireError("outputs are not counted as they come")
            outputs.append(value)
            return value
        if note.number > len(self._foreign):
            raise WireError("leaves are not counted as they come")
        if note.number == len(self._foreign):
            self._foreign.append(value.requires_grad_())
        leaf = self._foreign[note.number]
        if leaf.shape != value.shape or leaf.dtype != value.dtype:
            raise WireError("a leaf is not what it was")
        return leaf

    def _write_back(self, changes: Any) -> None:
        if changes is None:
            return
        if type(changes) is not dict:
            raise WireError("changes are not told as expected")
        for place, after in changes.items():
            if type(place) is not int or not 0 <= place < len(self._asked):
                raise WireError("changes of a call that never was")
            overwrite(self._asked[place], after)

    # -- being called ----------------------------------------------------

    def _serve_call(self, code: Any, body: memoryview) -> tuple[Any, Packer]:
        unpacker = Unpacker(body, self._stand_in, self._incoming_argument)
        how, number, arguments, keywords, is_graph = _request(
            unpacker.unpack(code)
        )
        if number not in self._given:
            raise WireError("it calls what it was never given")
        served = _Served()
        self._served.append(served)
        if self.tells_changes and (arguments or keywords):
            served.arguments = arguments, keywords
            # As they came, which is how they are sent when unchanged; but
            # not where a stand-in is among them.
            served.before = (
                self._fingerprint(served.arguments)
                if self._stand_ins
                else (code[3:5], bytes(body))
            )
        with torch.set_grad_enabled(is_graph):
            result = self.invoke(how, self._given[number], arguments, keywords)
        packer = Packer(
            self.mark_result, lambda tensor: self._note_output(tensor, served)
        )
        return packer.pack((result, self._changes())), packer

    def invoke(
        self, how: str, target: Any, arguments: tuple, keywords: dict
    ) -> Any:
        """Do with an object what a call from over there wants."""
        return DOINGS[how](target, *arguments, **keywords)

    def _incoming_argument(self, value: Any, note: TensorNote) -> Any:
        if not note.requires_grad:
            return value
        if note.number != len(self._leaves):
            raise WireError("leaves are not counted as they come")
        given = leaf = value.requires_grad_()
        self._leaves.append(leaf)
        if not note.is_leaf:
            with torch.enable_grad():
                given = leaf.clone(memory_format=torch.preserve_format)
            self._kept.append(given)
        self._notes[id(given)] = note
        return given

    def _note_as_it_came(self, value: Any) -> TensorNote:
        return self._notes.get(id(value), NO_NOTE)

    def _note_output(self, value: Any, served: _Served) -> TensorNote:
        if value.is_leaf and not _holds(self._leaves, value):
            if not _holds(self._own, value):
                self._own.append(value)
            number = next(n for n, own in enumerate(self._own) if own is value)
            return TensorNote(True, True, True, number)
        served.outputs.append(value)
        return TensorNote(True, False, False, len(served.outputs) - 1)

    def _fingerprint(self, arguments: tuple) -> Any:
        try:
            packer = Packer(self._mark, self._note_as_it_came)
            code = [packer.pack(part) for part in arguments]
            return code, b"".join(packer.buffers)
        except TooLargeError:
            return None

    def _changes(self) -> dict | None:
        """Return the arguments that are no longer what they were."""
        changes = {}
        for place, served in enumerate(self._served):
            if served.before is None:
                continue
            after = self._fingerprint(served.arguments)
            if after is not None and after != served.before:
                served.before = after
                changes[place] = plain(served.arguments)
        return changes or None

    def _serve_backward(
        self, code: Any, body: memoryview
    ) -> tuple[Any, Packer]:
        request = Unpacker(body, _no_mark).unpack(code)
        place, gradients, chosen, owns = _backward_request(request)
        if not 0 <= place < len(self._served) or owns > len(self._own):
            raise WireError("gradients of a call that never was")
        outputs = self._served[place].outputs
        if len(gradients) != len(outputs) or not all(
            type(index) is int and 0 <= index < len(self._leaves)
            for index in chosen
        ):
            raise WireError("gradients do not fit the call")
        leaves = [self._leaves[index] for index in chosen] + self._own[:owns]
        pairs = [
            (output, gradient)
            for output, gradient in zip(outputs, gradients, strict=True)
            if gradient is not None
        ]
        found = self.differentiate(pairs, leaves)
        packer = Packer(_no_object)
        return packer.pack(found), packer

    def differentiate(self, pairs: list, leaves: list) -> list:
        """Run the backward pass of this side's graph."""
        if not pairs or not leaves:
            return [None] * len(leaves)
        outputs, gradients = zip(*pairs, strict=True)
        return list(
            torch.autograd.grad(
                outputs,
                leaves,
                gradients,
                retain_graph=True,
                allow_unused=True,
            )
        )


# -- the forms of what is asked and answered --------------------------------


def _no_mark(mark: Mark) -> Any:
    raise WireError("an object came where only data can")


def _no_object(value: Any) -> Mark:
    raise TooLargeError("an object stands where only data can")


def _pair(value: Any) -> tuple:
    if type(value) is not tuple or len(value) != 2:
        raise WireError("a reply is not of the form expected")
    return value


def _request(value: Any) -> tuple:
    if (
        type(value) is not tuple
        or list(map(type, value)) != [str, int, tuple, dict, bool]
        or value[0] not in DOINGS
        or not all(type(key) is str for key in value[3])
    ):
        raise WireError("a call is not of the form expected")
    return value


def _backward_request(value: Any) -> tuple:
    if (
        type(value) is not tuple
        or list(map(type, value)) != [int, list, tuple, int]
        or value[3] < 0
        or not all(
            gradient is None or isinstance(gradient, torch.Tensor)
            for gradient in value[1]
        )
    ):
        raise WireError("a backward pass is not asked for as expected")
    return value


def _holds(tensors: list, tensor: Any) -> bool:
    return any(one is tensor for one in tensors)
