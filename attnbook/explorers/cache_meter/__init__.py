"""A meter for the cache of published models, and of their variants."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Protocol

import traitlets

from attnbook.explorers.kit.explorer import Explorer

NUMBERS = {"float32": 4, "bfloat16": 2, "int8": 1}
TOKENS, BATCH = (128, 2**20), (1, 1024)
MOST_CARD = 1024  # GiB

SIZES = (
    *("layers", "heads", "kv_heads", "d_head", "own"),
    *("d_latent", "d_rotary", "local", "window"),
)


class Shape(Protocol):
    """What the meter reads of a `mechanisms.sharing_heads.CacheShape`."""

    model: str
    source: str
    layers: int
    heads: int
    kv_heads: int
    d_head: int
    own: int
    d_latent: int
    d_rotary: int
    local: int
    window: int


class CacheMeter(Explorer):
    """Read off what the cache of a model weighs.

    The reader chooses a model, the tokens of a sequence, the number of
    sequences and the type of the numbers. The meter shows the bytes of a
    token, of a sequence and of all, next to the same model with multi-head,
    grouped-query, multi-query and multi-head latent attention, and how many
    sequences fit on a card. 1 GiB is 2**30 bytes.

    Parameters
    ----------
    shapes : the models, such as `mechanisms.sharing_heads.PUBLISHED`
    model : the name of one of them; by default the first
    tokens : of a sequence, from 128 to 2**20
    batch : sequences, from 1 to 1,024
    number : "float32", "bfloat16" or "int8"; as large as the last two are
        float16 and float8
    card : GiB of memory, from 1 to 1,024
    weights : GiB of it that the cache cannot have, from 0 to 1,024

    ``model``, ``tokens``, ``batch``, ``number``, ``card`` and ``weights``
    follow what the reader does, and so does ``groups``, G of the variant
    with grouped-query attention.

    Raises
    ------
    ValueError
        If there is no shape, a name comes twice, the sizes of a shape
        contradict each other, or an argument is out of range.
    """

    _esm = Path(__file__).with_name("built.mjs")

    shapes = traitlets.List().tag(sync=True)
    model = traitlets.Unicode().tag(sync=True)
    groups = traitlets.Int().tag(sync=True)
    tokens = traitlets.Int().tag(sync=True)
    batch = traitlets.Int().tag(sync=True)
    number = traitlets.Unicode().tag(sync=True)
    card = traitlets.Int().tag(sync=True)
    weights = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        shapes: Sequence[Shape],
        model: str | None = None,
        tokens: int = 8192,
        batch: int = 16,
        number: str = "bfloat16",
        card: int = 80,
        weights: int = 0,
    ) -> None:
        _check_shapes(shapes)
        names = [shape.model for shape in shapes]
        model = names[0] if model is None else model
        if model not in names:
            raise ValueError(
                f"model must be one of {', '.join(names)}, got {model!r}. "
                "Add its shape to shapes."
            )
        if number not in NUMBERS:
            raise ValueError(
                f"number must be one of {', '.join(NUMBERS)}, got "
                f"{number!r}. Choose the one with as many bytes."
            )
        super().__init__(
            shapes=[
                {
                    "model": str(shape.model),
                    "source": str(shape.source),
                    **{size: int(getattr(shape, size)) for size in SIZES},
                }
                for shape in shapes
            ],
            model=model,
            groups=_groups(shapes[names.index(model)]),
            tokens=_whole("tokens", tokens, *TOKENS),
            batch=_whole("batch", batch, *BATCH),
            number=number,
            card=_whole("card", card, 1, MOST_CARD),
            weights=_whole("weights", weights, 0, MOST_CARD),
        )

    def __repr__(self) -> str:
        return (
            f"CacheMeter: bytes of the cache of {len(self.shapes)} models, "
            f"first {self.model} with {self.batch} × {self.tokens:,} tokens "
            f"in {self.number}"
        )


def _groups(shape: Shape) -> int:
    """G of the variant: that of the model, or else 8 or what is nearest."""
    H, G = shape.heads, shape.kv_heads
    if 1 < G < H and not shape.d_latent:
        return int(G)
    return max(g for g in range(1, min(H, 8) + 1) if H % g == 0)


def _check_shapes(shapes: Sequence[Shape]) -> None:
    names = [shape.model for shape in shapes]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"shapes must have at least one model and no name twice, got "
            f"{', '.join(names) or 'none'}. Pass PUBLISHED, or a part of it."
        )
    for shape in shapes:
        for size in SIZES:
            least = 1 if size in SIZES[:5] else 0
            _whole(f"{size} of {shape.model}", getattr(shape, size), least)
        if shape.heads % shape.kv_heads:
            raise ValueError(
                f"kv_heads of {shape.model} must divide its {shape.heads} "
                f"heads, got {shape.kv_heads}. Every group has as many heads."
            )
        if not shape.local <= shape.own <= shape.layers:
            raise ValueError(
                f"own of {shape.model} must lie between its {shape.local} "
                f"local and its {shape.layers} layers, got {shape.own}. It "
                "counts the layers that have keys of their own."
            )
        if (shape.local > 0) != (shape.window > 0):
            raise ValueError(
                f"window of {shape.model} must be above 0 where layers are "
                f"local, and only there, got {shape.window} and "
                f"{shape.local} local layers. Set both or none."
            )


def _whole(name: str, value: int, low: int, high: int | None = None) -> int:
    most = value if high is None else high
    if not isinstance(value, Integral) or not low <= value <= most:
        upward = (
            f"of at least {low}"
            if high is None
            else (f"from {low} to {high:,}")
        )
        raise ValueError(
            f"{name} must be a whole number {upward}, got {value!r}. "
            "Choose one within this range."
        )
    return int(value)
