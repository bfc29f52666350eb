"""What a cache weighs, and what both forms of latent attention compute.

All counts are per layer and sequence, unless they say otherwise. A FLOP is a
multiplication or an addition, so a product of (m, k) and (k, n) has 2·m·k·n.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor


def cached_numbers(
    num_kv_heads: int, d_head: int, d_latent: int = 0, d_rotary: int = 0
) -> int:
    """Numbers that a layer caches for a token.

    Keys and values, 2·G·d; with a latent d_c + d_rotary, whatever the heads
    (DeepSeek-AI 2024, table 1).
    """
    if d_latent:
        return d_latent + d_rotary
    return 2 * num_kv_heads * d_head


def flops_per_number(
    num_heads: int, num_kv_heads: int, d_latent: int = 0, d_rotary: int = 0
) -> float:
    """FLOPs of scores and sums for each number that is read from the cache.

    For one new token. With keys of their own a number is read for one
    multiplication and one addition, 2 FLOPs, so that decoding waits for
    memory; with shared heads for 2·H/G. With a latent that is absorbed it
    is 2·H for the rotary key and 4·H for the latent, which is key and value.

    Args:
        num_heads: H.
        num_kv_heads: G; without meaning where there is a latent.
        d_latent: d_c, 0 without one.
        d_rotary: features of the rotary key.
    """
    if d_latent:
        of_token = 2 * num_heads * (2 * d_latent + d_rotary)
        return of_token / (d_latent + d_rotary)
    return 2 * num_heads / num_kv_heads


def storage_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of memory behind tensors; shared memory counts once.

    A view (`expand`, a slice, a transposition) shares the memory of what it
    was made from, a copy (`repeat_interleave`) does not.
    """
    storages = {
        storage.data_ptr(): storage.nbytes()
        for storage in (tensor.untyped_storage() for tensor in tensors)
    }
    return sum(storages.values())


class LatentShape(NamedTuple):
    """Sizes of a layer with multi-head latent attention."""

    heads: int
    d_head: int
    d_latent: int
    d_rotary: int


class Cost(NamedTuple):
    """FLOPs, and numbers cached for each token."""

    flops: int
    cached: int


FORMS = ("keys cached", "keys made anew", "absorbed")


def latent_cost(shape: LatentShape, T: int, S: int, form: str) -> Cost:
    """What T new queries cost that attend to S cached tokens.

    Counted is what differs between the forms, so not the projections of the
    input and of the output, which all have. The causal mask saves nothing
    here. "keys cached" is the naive form with keys and values of all heads
    in the cache: those of the T new tokens are made. "keys made anew" is the
    naive form with latents in the cache: keys and values of all S tokens are
    made in each pass. "absorbed" has latents in the cache and makes none.

    Args:
        shape: sizes.
        T: queries, the newest tokens.
        S: tokens in the cache, the T new ones included.
        form: one of `FORMS`.

    Raises:
        ValueError: for another form, or if T is not from 1 to S.
    """
    if form not in FORMS or not 1 <= T <= S:
        raise ValueError(
            f"form is {form!r}, T {T} and S {S}; expected one of "
            f"{', '.join(FORMS)}, and 1 ≤ T ≤ S"
        )
    H, d, c, r = shape
    if form == "absorbed":
        into_and_out = 2 * T * H * c * 2 * d
        scores_and_sums = 2 * T * S * H * (2 * c + r)
        return Cost(into_and_out + scores_and_sums, c + r)
    made = T if form == "keys cached" else S
    flops = 2 * made * c * H * 2 * d + 2 * T * S * H * (2 * d + r)
    return Cost(flops, H * (2 * d + r) if form == "keys cached" else c + r)


class CacheShape(NamedTuple):
    """What of a published model decides the size of its cache.

    `own` counts the layers that have keys and values of their own, `local`
    those among them that keep no more than the newest `window` tokens.
    `source` says where the sizes stand.
    """

    model: str
    source: str
    layers: int
    heads: int
    kv_heads: int
    d_head: int
    own: int
    d_latent: int = 0
    d_rotary: int = 0
    local: int = 0
    window: int = 0

    @property
    def numbers(self) -> int:
        """Numbers that a layer caches for a token."""
        return cached_numbers(
            self.kv_heads, self.d_head, self.d_latent, self.d_rotary
        )

    def bytes(self, tokens: int, batch: int = 1, each: float = 2) -> float:
        """Bytes of the cache, all layers together.

        Args:
            tokens: in a sequence.
            batch: sequences.
            each: bytes of a number; 2 for bfloat16.
        """
        newest = min(tokens, self.window)
        kept = (self.own - self.local) * tokens + self.local * newest
        return self.numbers * kept * batch * each


def _shape(model, source, layers, heads, kv_heads, d_head, **more):
    own = more.pop("own", layers)
    return CacheShape(
        model, source, layers, heads, kv_heads, d_head, own, **more
    )


def _latent(model, source, layers, heads):
    """With the sizes of DeepSeek-V2, which others took over."""
    return CacheShape(
        model, source, layers, heads, heads, 128, layers, 512, 64
    )


GPT_2 = "Radford et al. (2019), and its configuration"
PALM = "Chowdhery et al. (2022), table 1"
LLAMA_2 = "Touvron et al. (2023), and its configuration"
LLAMA_3 = "Grattafiori et al. (2024), table 3"
MISTRAL = "Jiang et al. (2023), table 1"
GEMMA = "Mesnard et al. (2024), table 1"
GEMMA_3N = "Google (2025), its configuration"
# The last 15 layers have no keys of their own; of the others every fifth
# keeps all tokens.
GEMMA_3N_SHARES = {"own": 20, "local": 16, "window": 512}

PUBLISHED = (
    _shape("GPT-2 XL", GPT_2, 48, 25, 25, 64),
    _shape("GPT-3", "Brown et al. (2020), table 2.1", 96, 96, 96, 128),
    _shape("PaLM 540B", PALM, 118, 48, 1, 256),
    _shape("Llama 2 7B", LLAMA_2, 32, 32, 32, 128),
    _shape("Llama 2 70B", LLAMA_2, 80, 64, 8, 128),
    _shape("Llama 3 8B", LLAMA_3, 32, 32, 8, 128),
    _shape("Llama 3 405B", LLAMA_3, 126, 128, 8, 128),
    _shape("Mistral 7B", MISTRAL, 32, 32, 8, 128, local=32, window=4096),
    _shape("Gemma 2B", GEMMA, 18, 8, 1, 256),
    _shape("Gemma 7B", GEMMA, 28, 16, 16, 256),
    _shape("Gemma 3n E4B", GEMMA_3N, 35, 8, 2, 256, **GEMMA_3N_SHARES),
    _shape("Qwen3-235B", "Yang et al. (2025), table 2", 94, 64, 4, 128),
    _latent("DeepSeek-V2", "DeepSeek-AI (2024), section 3.1.2", 60, 128),
    _latent("DeepSeek-V3", "DeepSeek-AI (2024b), section 4.2", 61, 128),
    _latent("Kimi K2", "Kimi Team (2025), section 2.3", 61, 64),
)
