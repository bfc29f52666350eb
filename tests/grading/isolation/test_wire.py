"""Plain data over a socket, and what is refused."""

import json
import math
import socket
import struct
import time
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from attnbook.grading.isolation import bounds, wire
from attnbook.grading.isolation.channel import Channel, ClosedError, LateError
from attnbook.grading.isolation.packing import Packer
from attnbook.grading.isolation.unpacking import Unpacker
from attnbook.grading.isolation.wire import (
    Mark,
    TensorNote,
    TooLargeError,
    WireError,
)


@pytest.fixture
def ends():
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def marked(value):
    name = wire.identifier(type(value).__name__)
    return Mark(True, 7, name, ("call",))


def sent(value):
    packer = Packer(marked)
    code = json.loads(json.dumps(packer.pack(value)))
    body = memoryview(b"".join(packer.buffers))
    return Unpacker(body, lambda mark: mark).unpack(code)


def read(code, body=b""):
    return Unpacker(memoryview(body), lambda mark: mark).unpack(code)


def same(one, other):
    if isinstance(one, torch.Tensor):
        return (
            one.dtype == other.dtype
            and one.shape == other.shape
            and torch.equal(one, other)
        )
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return type(one) is type(other) and one == other


VALUES = [
    None,
    True,
    -3,
    10**300,
    2.5,
    -0.0,
    math.inf,
    1 - 2j,
    Fraction(-2, 3),
    Decimal("0.10"),
    "word ✓ \x00",
    b"\0\xff",
    [],
    [1, [2, ()]],
    (1, "a"),
    {"a": 1, 2: None, (3, "b"): [4]},
    np.float32(1.5),
    np.int64(-1),
    np.bool_(True),
    np.arange(6).reshape(2, 3),
    np.asfortranarray(np.eye(3)[:2]),
    np.array(2.0),
    np.zeros((0, 4)),
    np.array([True, False]),
    torch.arange(6).reshape(2, 3),
    torch.tensor(1.0),
    torch.zeros(0, 2),
    torch.tensor([True, False]),
    torch.ones(3, dtype=torch.bfloat16),
    torch.tensor([1 + 2j]),
    torch.arange(6.0).reshape(2, 3).mT,
    torch.arange(3.0)[:, None].expand(3, 4),
    torch.arange(12.0).reshape(3, 4)[:, ::2],
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:40])
def test_a_value_comes_out_as_it_went_in(value):
    assert same(value, sent(value))


def test_nan_and_the_sign_of_zero_survive():
    assert math.isnan(sent(math.nan))
    assert math.copysign(1, sent(-0.0)) == -1


@pytest.mark.parametrize(
    "x",
    [
        torch.arange(6.0).reshape(2, 3).mT,
        torch.arange(3.0)[:, None].expand(3, 4),
        torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1),
    ],
)
def test_strides_survive_as_code_may_ask_for_them(x):
    assert sent(x).stride() == x.stride()


def test_one_tensor_sent_twice_is_one_tensor():
    x, y = torch.ones(2), np.ones(2)
    a, b, c, d = sent((x, y, x, y))
    assert a is c
    assert b is d


def test_what_was_sent_can_be_changed_in_place():
    sent(torch.zeros(2)).add_(1)
    array = sent(np.zeros(2))
    array += 1
    assert array.tolist() == [1, 1]


def test_subclasses_are_sent_as_the_data_under_them():
    class Liar(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return True

        def __eq__(self, other):
            return True

    class Word(str):
        def __eq__(self, other):
            return True

        __hash__ = str.__hash__

    x = torch.arange(3.0).as_subclass(Liar)
    assert type(sent(x)) is torch.Tensor
    assert sent(x).tolist() == [0, 1, 2]
    assert type(sent(torch.nn.Parameter(torch.ones(1)))) is torch.Tensor
    assert type(sent(Word("a"))) is str
    assert type(sent(torch.max(torch.eye(2), 0))) is tuple
    assert type(sent(torch.Size([1, 2]))) is tuple


@pytest.mark.parametrize(
    "value",
    [
        object(),
        len,
        (x for x in ()),
        {1},
        np.array(["a"]),
        torch.eye(2).to_sparse(),
        torch.empty(2, device="meta"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_data_is_only_marked(value):
    mark = sent([value])[0]
    assert mark == Mark(True, 7, type(value).__name__, ("call",))


def test_what_is_too_large_is_not_sent(monkeypatch):
    monkeypatch.setattr(bounds, "MOST_BODY", 1000)
    monkeypatch.setattr(bounds, "MOST_ITEMS", 50)
    for value in (
        torch.zeros(1001, dtype=torch.uint8),
        [torch.zeros(200), torch.ones(200)],
        torch.zeros(1).expand(10_000),
        np.zeros(200),
        b"a" * 1001,
        list(range(60)),
        10**2000,
    ):
        with pytest.raises(TooLargeError):
            sent(value)


REFUSED_BY_WHO_READS = {
    "nothing of a huge shape": (torch.empty(0, 2**60), "beyond measure"),
    "so in NumPy": (np.empty((0, 2**60), np.int8), "beyond measure"),
    "many axes": (torch.ones([1] * 33), "33 axes"),
    "many axes in NumPy": (np.ones([1] * 33), "33 axes"),
    "many keys": (dict.fromkeys(range(2_001)), "more than 2,000 keys"),
    "one tensor again and again": (
        [torch.zeros(2**23)] * 5,
        "stands for more than 128 MiB",
    ),
}


@pytest.mark.parametrize("name", REFUSED_BY_WHO_READS)
def test_what_no_reader_takes_is_not_sent_and_the_reason_told(name):
    value, words = REFUSED_BY_WHO_READS[name]
    with pytest.raises(TooLargeError, match=words):
        sent(value)


def test_booleans_with_other_bytes_under_them_are_sent_as_booleans():
    bytes_ = torch.tensor([0, 1, 2, 255], dtype=torch.uint8)
    wanted = [False, True, True, True]
    assert sent(bytes_.view(torch.bool)).tolist() == wanted
    assert sent(bytes_.numpy().view(bool)).tolist() == wanted
    assert sent(bytes_[:, None].expand(4, 2).view(torch.bool)).tolist() == [
        [is_true] * 2 for is_true in wanted
    ]


def test_more_digits_than_a_double_has_are_rounded():
    long = Decimal("1" * 1_000)
    assert math.isclose(sent(long) / long, 1)
    third = np.longdouble(1) / 3
    assert same(sent(third), np.float64(1 / 3))
    assert same(sent(np.array([third])), np.array([1 / 3]))
    assert same(sent(np.clongdouble(1j)), np.complex128(1j))


def test_what_is_too_deep_is_not_sent():
    deep = []
    for _ in range(40):
        deep = [deep]
    cyclic = []
    cyclic.append(cyclic)
    for value in (deep, cyclic):
        with pytest.raises(TooLargeError, match="deep"):
            sent(value)


def test_lone_surrogates_are_taken_out():
    assert sent("a\ud800b") == "a?b"


def tensor_code(dtype="float32", shape=(2,), strides=None, note=None):
    note = note or [False, True, False, 0]
    return ["T", dtype, *note, list(shape), strides]


HOSTILE = {
    "unknown tag": (["z", 1], b""),
    "tag of no string": ([[1], 2], b""),
    "empty list": ([], b""),
    "an object of JSON": ({"a": 1}, b""),
    "a float of JSON": (1.5, b""),
    "float in another form": (["f", "1.5"], b""),
    "float of a number": (["f", 1], b""),
    "fraction of nothing": (["q", 1, 0], b""),
    "fraction that can be reduced": (["q", 2, 4], b""),
    "fraction of strings": (["q", "1", "2"], b""),
    "decimal that is none": (["D", "one"], b""),
    "decimal beyond measure": (["D", "1" * 1_000], b""),
    "float with more": (["f", (1.5).hex(), 1], b""),
    "dict without a value": (["d", "a"], b""),
    "dict with a key twice": (["d", "a", 1, "a", 2], b""),
    "dict with a list as key": (["d", ["l"], 1], b""),
    "bytes that are not there": (["b", 5], b"abc"),
    "bytes of negative length": (["b", -1], b""),
    "bytes of true length": (["b", True], b"a"),
    "more body than told": (["b", 1], b"ab"),
    "reference to nothing": (["=", 0], b""),
    "reference before the first": (["=", -1], b""),
    "unknown dtype": (tensor_code("object"), bytes(8)),
    "an attribute of torch as dtype": (tensor_code("load"), bytes(8)),
    "buffer too short": (tensor_code(), bytes(7)),
    "buffer too long": (tensor_code(), bytes(9)),
    "negative length": (tensor_code(shape=(-1,)), b""),
    "two negative lengths": (tensor_code(shape=(-1, -2)), bytes(8)),
    "length of True": (tensor_code(shape=(True,)), bytes(4)),
    "shape that overflows": (tensor_code(shape=(2**32, 2**32)), b""),
    "shape that overflows, times 0": (tensor_code(shape=(0, 2**62)), b""),
    "too many axes": (tensor_code(shape=(1,) * 65), bytes(4)),
    "strides out of the buffer": (tensor_code("int8", (2,), [5]), bytes(2)),
    "strides with gaps": (tensor_code("int8", (2,), [5]), bytes(6)),
    "negative strides": (tensor_code("int8", (2,), [-1]), bytes(2)),
    "strides for other axes": (tensor_code("int8", (2,), [1, 1]), bytes(2)),
    "huge by strides of 0": (
        tensor_code("int8", (2**20, 2**20), [0, 0]),
        bytes(1),
    ),
    "boolean of 2": (tensor_code("bool", (1,)), b"\2"),
    "array boolean of 2": (["A", "bool", "C", [1]], b"\2"),
    "scalar boolean of 2": (["N", "bool"], b"\2"),
    "gradient of whole numbers": (
        tensor_code("int64", (1,), None, [True, True, False, 0]),
        bytes(8),
    ),
    "leaf before the first": (
        tensor_code(note=[True, True, False, -1]),
        bytes(8),
    ),
    "note of numbers": (tensor_code(note=[1, 1, 0, 0]), bytes(8)),
    "array of objects": (["A", "object", "C", [1]], bytes(8)),
    "array in no order": (["A", "int8", "K", [1]], b"a"),
    "scalar of text": (["N", "str"], b"a"),
    "mark with unknown trait": (["o", True, 1, "x", "reduce"], b""),
    "mark with a trait twice": (["o", True, 1, "x", "call", "call"], b""),
    "mark before the first": (["o", True, -1, "x"], b""),
    "mark with a long name": (["o", True, 1, "x" * 100], b""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_sender_writes_is_refused(name):
    with pytest.raises(WireError):
        read(*HOSTILE[name])


def test_depth_and_items_are_bounded_when_read(monkeypatch):
    deep = 1
    for _ in range(40):
        deep = ["l", deep]
    with pytest.raises(WireError):
        read(deep)
    monkeypatch.setattr(bounds, "MOST_ITEMS", 50)
    with pytest.raises(WireError):
        read(["l", *range(60)])


def test_a_note_tells_of_the_graph():
    x = torch.ones(1, requires_grad=True)
    packer = Packer(marked, lambda tensor: TensorNote(True, False, True, 5))
    code = packer.pack(x)
    notes = []
    body = memoryview(b"".join(packer.buffers))

    def tensor(value, note):
        notes.append(note)
        return value

    Unpacker(body, marked, tensor).unpack(code)
    assert notes == [TensorNote(True, False, True, 5)]


def frame(header, body=b"", length=None, size=None):
    header = header if isinstance(header, bytes) else header.encode()
    length = len(header) if length is None else length
    size = len(body) if size is None else size
    return struct.pack(">QQ", length, size) + header + body


def test_messages_arrive_in_order(ends):
    one, other = map(Channel, ends)
    one.put("begin!", [], [])
    one.send("call", ["b", 2], [b"ab"])
    kind, code, body = other.receive(time.monotonic() + 5)
    assert (kind, code, bytes(body)) == ("begin!", [], b"")
    kind, code, body = other.receive(time.monotonic() + 5)
    assert (kind, code, bytes(body)) == ("call", ["b", 2], b"ab")


@pytest.mark.parametrize(
    "data",
    [
        frame('[0,"call",1]', length=2**40),
        frame('[0,"call",1]', size=2**40),
        frame('[0,"call",1]', length=2**64 - 1),
        frame('[1,"call",1]'),
        frame('[-1,"call",1]'),
        frame('["0","call",1]'),
        frame('[false,"call",1]'),
        frame('[0,"quit",1]'),
        frame('[0,"call"]'),
        frame('[0,"call",1,2]'),
        frame('{"0":"call"}'),
        frame('[0,"call",{"a":1}]'),
        frame('[0,"call",1.0]'),
        frame('[0,"call",-0]'),
        frame('[0,"call",NaN]'),
        frame('[0,"call",Infinity]'),
        frame('[0,"call",1e400]'),
        frame('[0,"call",' + "1" * 5000 + "]"),
        frame('[0,"call",' + "[" * 100_000),
        frame("[0,'call',1]"),
        frame(b"\xff\xfe"),
        frame(b'\x80\x04\x95."'),
        b"\xff" * 64,
    ],
    ids=lambda data: str(data[16:50]),
)
def test_hostile_bytes_are_refused(ends, data):
    ends[0].sendall(data)
    with pytest.raises(WireError):
        Channel(ends[1]).receive(time.monotonic() + 5)


def test_random_bytes_never_come_out_as_anything_else(ends):
    generator = np.random.default_rng(0)
    packer = Packer(marked)
    code = packer.pack((torch.ones(2, 2), {"a": [1.5, None]}, "text", len))
    header = json.dumps([0, "call", code]).encode()
    whole = frame(header, b"".join(packer.buffers))
    for _ in range(300):
        one, other = socket.socketpair()
        with one, other:
            data = bytearray(whole)
            for place in generator.integers(16, len(data), 3):
                data[place] = generator.integers(256)
            one.sendall(data)
            one.shutdown(socket.SHUT_WR)
            try:
                _, code, body = Channel(other).receive()
                Unpacker(body, marked).unpack(code)
            except (WireError, ClosedError):
                pass


def test_half_a_message_is_late_or_the_end(ends):
    channel = Channel(ends[1])
    whole = frame('[0,"call",1]')
    ends[0].sendall(whole[:20])
    with pytest.raises(LateError):
        channel.receive(time.monotonic() + 0.01)
    ends[0].sendall(whole[20:])
    assert channel.receive(time.monotonic() + 5)[1] == 1
    ends[0].sendall(whole[:20])
    ends[0].close()
    with pytest.raises(ClosedError):
        channel.receive(time.monotonic() + 5)


def test_who_always_sends_is_late_all_the_same(ends):
    channel = Channel(ends[1])
    ends[0].sendall(frame('[0,"call",1]'))
    with pytest.raises(LateError):
        channel.receive(time.monotonic() - 1)


def test_nobody_waits_for_ever_to_be_heard(ends):
    channel = Channel(ends[1])
    with pytest.raises(LateError):
        channel.send("call", ["b"], [bytes(2**22)], time.monotonic() + 0.05)
    ends[0].close()
    with pytest.raises(ClosedError):
        channel.send("call", 1, [])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("attend", "attend"),
        ("<lambda>", "<lambda>"),
        ("<script>", "_script_"),
        ("", "object"),
        ("1x", "object"),
        ("é" * 200, "_" * 80),
        ("a\n\x1b[31m", "a___31m"),
    ],
)
def test_names_become_harmless(name, expected):
    assert wire.identifier(name) == expected
