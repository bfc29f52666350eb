"""The decoder-only model with fewer keys and values: by heads, by layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from attnbook.mechanisms.decoder_only.blocks import (
    BLOCK_2018,
    Design,
    Remember,
)
from attnbook.mechanisms.decoder_only.model import DecoderOnly
from attnbook.mechanisms.sharing_heads.grouped import GroupedSelfAttention
from attnbook.mechanisms.sharing_heads.latent import LatentSelfAttention


class SharingDecoder(DecoderOnly):
    """A decoder-only model in which heads, and layers, share their keys.

    Ainslie et al. (2023), section 2.2, for the heads; Brandon et al. (2024),
    for the layers. With the defaults it is a `DecoderOnly`.

    Args:
        vocabulary: V.
        d_model: D.
        num_heads: H, heads of queries; divides D.
        num_layers: L.
        longest: tokens, at most, that it can read.
        num_kv_heads: G, heads of keys and values; divides H. H if left out.
        owners: for each layer the layer whose keys and values it reads:
            itself or one before it. (0, 0, 2, 2) shares by pairs. If left
            out, each layer has its own.
        d_ff: as in `DecoderOnly`.
        design: which block.

    Raises:
        ValueError: as `DecoderOnly`; if G does not divide H, or a layer is
            to read one that has no keys of its own.
    """

    def __init__(
        self,
        vocabulary: int,
        d_model: int,
        num_heads: int,
        num_layers: int,
        longest: int,
        num_kv_heads: int | None = None,
        owners: Sequence[int] | None = None,
        d_ff: int | None = None,
        design: Design = BLOCK_2018,
    ):
        super().__init__(
            vocabulary, d_model, num_heads, num_layers, longest, d_ff, design
        )
        owners = range(num_layers) if owners is None else owners
        self.owners = tuple(owners)
        _check_owners(self.owners, num_layers)
        self.num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        for layer, block in enumerate(self.blocks):
            block.attention = GroupedSelfAttention(
                d_model,
                num_heads,
                self.num_kv_heads,
                design.bias,
                design.qk_norm,
                owns_keys=self.owners[layer] == layer,
            )
        self._start()

    @property
    def cache_sizes(self) -> tuple[int, int, int, int]:
        """What a cache keeps: layers, heads, numbers of a key, of a value."""
        size = self.d_model // self.num_heads
        return len(set(self.owners)), self.num_kv_heads, size, size

    def _run(self, ids, positions, mask, remember):
        return super()._run(ids, positions, mask, self._shared(remember))

    def _shared(self, remember: list[Remember | None]) -> list[Remember]:
        """For each layer: store its keys and values, or find its owner's.

        The n-th layer that has keys of its own is the n-th of the cache.
        """
        found: dict[int, tuple[Tensor, Tensor]] = {}
        stores = dict(zip(sorted(set(self.owners)), remember, strict=False))

        def of_layer(layer: int) -> Remember:
            owner = self.owners[layer]
            if owner != layer:
                return lambda *_: found[owner]
            store = stores[layer]

            def keep(k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
                found[layer] = (k, v) if store is None else store(k, v)
                return found[layer]

            return keep

        return [of_layer(layer) for layer in range(len(self.blocks))]


class LatentDecoder(DecoderOnly):
    """A decoder-only model with multi-head latent attention.

    Args:
        vocabulary: V.
        d_model: D.
        num_heads: H; divides D.
        num_layers: L.
        longest: tokens, at most, that it can read.
        d_latent: d_c, numbers in a latent.
        d_rotary: features of the rotary key; even, and 0 where positions
            are learned.
        d_ff: as in `DecoderOnly`.
        design: which block; without normalised queries and keys.

    Raises:
        ValueError: as `DecoderOnly`; if a size is out of range or does not
            fit to the design.
    """

    def __init__(
        self,
        vocabulary: int,
        d_model: int,
        num_heads: int,
        num_layers: int,
        longest: int,
        d_latent: int,
        d_rotary: int = 0,
        d_ff: int | None = None,
        design: Design = BLOCK_2018,
    ):
        super().__init__(
            vocabulary, d_model, num_heads, num_layers, longest, d_ff, design
        )
        if design.qk_norm or (design.positions == "rotary") != (d_rotary > 0):
            raise ValueError(
                f"d_rotary is {d_rotary} and the design is {design}; expected "
                "a rotary key where positions are rotary and only there, and "
                "no qk_norm"
            )
        self.d_latent, self.d_rotary = d_latent, d_rotary
        for block in self.blocks:
            block.attention = LatentSelfAttention(
                d_model, num_heads, d_latent, d_rotary
            )
        self._start()

    @property
    def rotary_size(self) -> int:
        """Features of a query that are turned."""
        return self.d_rotary

    @property
    def cache_sizes(self) -> tuple[int, int, int, int]:
        """One head, whose key is all there is: latent and rotary key."""
        return len(self.blocks), 1, self.d_latent + self.d_rotary, 0


def _check_owners(owners: tuple[int, ...], layers: int) -> None:
    """Raise a ValueError unless each layer reads what there is by then."""
    fitting = len(owners) == layers and all(
        0 <= owner <= layer and owners[owner] == owner
        for layer, owner in enumerate(owners)
    )
    if not fitting:
        raise ValueError(
            f"owners is {owners}; expected for each of the {layers} layers "
            "the layer whose keys it reads: itself, or one before it that "
            "reads its own"
        )
