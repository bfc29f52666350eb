"""One token's way through a block: its numbers and shapes, stage by stage."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import traitlets

from attnbook.explorers.kit.explorer import (
    Explorer,
    as_array,
    as_labels,
    rounded,
)

KEYS = ("name", "shape", "formula", "text", "values")
SHAPE = re.compile(r"\(\s*\w[\w·/ ]*(,\s*\w[\w·/ ]*)*,?\s*\)")


class BlockWalk(Explorer):
    """Follow a token through the stages of a block, with live shapes.

    Parameters
    ----------
    tokens : the T tokens to choose from
    stages : a list of dictionaries, one a stage, with
        ``name``; ``shape``, such as "(B, T, 4·D)", of letters that
        ``sizes`` holds, numbers, "·" and "/"; ``formula`` and ``text``,
        what the stage computes, in symbols and in words;
        ``values``, (T, n), the numbers of every token after this stage.
    sizes : the letters of the shapes with their sizes, such as
        ``{"B": 1, "T": 6, "D": 64, "H": 4}``; their sliders start there

    ``token``, ``stage`` (from 0) and ``sizes`` follow what the reader does.

    Raises
    ------
    ValueError
        If there is no stage, a key is missing, a letter of a shape has no
        size, or the values do not fit the tokens.
    """

    _esm = Path(__file__).with_name("built.mjs")

    tokens = traitlets.List().tag(sync=True)
    stages = traitlets.List().tag(sync=True)
    sizes = traitlets.Dict().tag(sync=True)
    token = traitlets.Int(0).tag(sync=True)
    stage = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        tokens: Sequence[str],
        stages: Sequence[Mapping],
        sizes: Mapping[str, int],
    ) -> None:
        tokens = list(tokens)
        stages = list(stages)
        if not tokens or not stages:
            raise ValueError(
                "tokens and stages must each hold at least one, got "
                f"{len(tokens)} tokens and {len(stages)} stages."
            )
        for letter, size in sizes.items():
            if int(size) != size or size < 1:
                raise ValueError(
                    f"sizes[{letter!r}] must be a whole number from 1, got "
                    f"{size}. It is the size of an axis."
                )
        super().__init__(
            tokens=as_labels("tokens", tokens, len(tokens), "tokens"),
            stages=[
                _checked(f"stages[{i}]", stage, len(tokens), sizes)
                for i, stage in enumerate(stages)
            ],
            sizes={str(name): int(size) for name, size in sizes.items()},
        )

    def __repr__(self) -> str:
        names = ", ".join(stage["name"] for stage in self.stages)
        return f"BlockWalk: {len(self.tokens)} tokens through {names}"


def _checked(name: str, stage: Mapping, count: int, sizes: Mapping) -> dict:
    if set(stage) != set(KEYS):
        raise ValueError(
            f"{name} must have the keys {', '.join(KEYS)}, got "
            f"{', '.join(map(str, stage)) or 'none'}. Add or rename them."
        )
    shape = str(stage["shape"])
    if not SHAPE.fullmatch(shape):
        raise ValueError(
            f"{name}['shape'] must look like '(B, T, 4·D)', got {shape!r}. "
            "Write letters and numbers, joined by · or /."
        )
    unknown = set(re.findall(r"[A-Za-z]\w*", shape)) - set(sizes)
    if unknown:
        raise ValueError(
            f"{name}['shape'] has letters without a size: "
            f"{', '.join(sorted(unknown))}. Add them to sizes, which has "
            f"{', '.join(sizes) or 'none'}."
        )
    values = as_array(f"{name}['values']", stage["values"], (count, "n"))
    return {
        **{key: str(stage[key]) for key in KEYS[:-1]},
        "values": rounded(values, 3),  # (T, n)
    }
