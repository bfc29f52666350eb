"""What a cache weighs and what latents cost: formulas against counts."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from attnbook.mechanisms.scaled_dot_product import (
    scaled_dot_product_attention,
)
from attnbook.mechanisms.sharing_heads import (
    FORMS,
    PUBLISHED,
    LatentShape,
    MultiHeadLatentAttention,
    cached_numbers,
    flops_per_number,
    grouped_attention,
    latent_cost,
    storage_bytes,
)

MODELS = {shape.model: shape for shape in PUBLISHED}
DEEPSEEK = LatentShape(heads=128, d_head=128, d_latent=512, d_rotary=64)
SMALL = LatentShape(heads=3, d_head=5, d_latent=7, d_rotary=4)


def counted(shape, T, S, form):
    """FLOPs of the matrix products, counted by PyTorch while they run.

    On the meta device: shapes without numbers.
    """
    H, d, c, r = shape
    with torch.device("meta"):
        module = MultiHeadLatentAttention(8, H, c, r, d_head=d)
        q, rotary = torch.empty(1, H, T, d), torch.empty(1, H, T, r)
        kept = torch.empty(1, 1, S, c + r)
        k, v = torch.empty(1, H, S, d + r), torch.empty(1, H, S, d)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        if form == "absorbed":
            module._absorbed(q, rotary, kept, None, False)
        elif form == "keys made anew":
            module._naive(q, rotary, kept, None, False)
        else:
            module.keys_and_values(kept[:, :, :T])
            whole = torch.cat([q, rotary], dim=-1)
            scaled_dot_product_attention(whole, k, v)
    return counter.get_total_flops()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [DEEPSEEK, SMALL], ids=["DeepSeek", "small"])
@pytest.mark.parametrize(("T", "S"), [(1, 9), (3, 9), (1, 4096), (700, 700)])
def test_the_flops_are_those_that_pytorch_counts(form, shape, T, S):
    assert latent_cost(shape, T, S, form).flops == counted(shape, T, S, form)


def test_of_deepseek_s_shapes_decoding_wants_one_form_and_reading_the_other():
    one = {form: latent_cost(DEEPSEEK, 1, 4096, form) for form in FORMS}
    assert one["keys made anew"].flops > 100 * one["absorbed"].flops
    assert 3.1 < one["absorbed"].flops / one["keys cached"].flops < 3.3
    assert one["keys cached"].cached / one["absorbed"].cached == 40960 / 576
    whole = {form: latent_cost(DEEPSEEK, 4096, 4096, form) for form in FORMS}
    assert 3 < whole["absorbed"].flops / whole["keys made anew"].flops < 3.3
    assert whole["keys made anew"].flops == whole["keys cached"].flops


def test_with_a_long_context_the_forms_break_even_at_171_new_tokens():
    """c·d / (c - d): the making of S keys against T wider products."""
    S = 10**9
    for T, wins in [(170, "absorbed"), (171, "keys made anew")]:
        flops = {
            form: latent_cost(DEEPSEEK, T, S, form).flops
            for form in ("absorbed", "keys made anew")
        }
        assert min(flops, key=flops.__getitem__) == wins


@pytest.mark.parametrize("G", [1, 2, 8])
def test_flops_for_each_number_read_are_those_that_are_counted(G):
    q, k = torch.zeros(1, 8, 1, 4), torch.zeros(1, G, 50, 4)
    with FlopCounterMode(display=False) as counter:
        grouped_attention(q, k, k)
    read = cached_numbers(G, 4) * 50
    assert counter.get_total_flops() / read == flops_per_number(8, G)


def test_a_latent_is_read_for_hundreds_of_flops():
    H, _, c, r = DEEPSEEK
    T, S = 1, 10**7
    flops = latent_cost(DEEPSEEK, T, S, "absorbed").flops
    assert flops / (S * (c + r)) == pytest.approx(
        flops_per_number(H, H, c, r), rel=1e-3
    )
    assert 483 < flops_per_number(H, H, c, r) < 484
    assert flops_per_number(32, 32) == 2 and flops_per_number(32, 8) == 8


def test_what_differs_cannot_be_asked_for():
    for T, S, form in [(1, 2, "fast"), (0, 2, FORMS[0]), (3, 2, FORMS[0])]:
        with pytest.raises(ValueError, match="form is"):
            latent_cost(SMALL, T, S, form)


def test_at_least_eight_published_models_each_with_its_source():
    assert len(MODELS) == len(PUBLISHED) >= 8
    for shape in PUBLISHED:
        assert shape.source
        assert shape.heads % shape.kv_heads == 0
        assert shape.local <= shape.own <= shape.layers
        assert (shape.local > 0) == (shape.window > 0)


@pytest.mark.parametrize(
    ("model", "bytes_per_token"),
    [
        ("GPT-3", 2 * 96 * 12288 * 2),
        ("Llama 2 7B", 512 * 1024),
        ("Llama 2 70B", 320 * 1024),
        ("Llama 3 8B", 128 * 1024),
        ("Gemma 2B", 18 * 1024),
        ("DeepSeek-V2", 60 * 576 * 2),
        ("DeepSeek-V3", 70_272),
    ],
)
def test_bytes_of_a_token_in_bfloat16(model, bytes_per_token):
    assert MODELS[model].bytes(1) == bytes_per_token


def test_of_a_latent_the_heads_do_not_matter():
    """4.5 heads' worth, or 2.25 groups: the paper's comparison."""
    assert cached_numbers(128, 128, 512, 64) == 4.5 * 128
    assert cached_numbers(1, 128) * 2.25 == cached_numbers(64, 128, 512, 64)


def test_a_window_stops_growing():
    mistral = MODELS["Mistral 7B"]
    assert mistral.bytes(8192) == mistral.bytes(4096)
    assert mistral.bytes(4096) == 2 * mistral.bytes(2048)
    gemma = MODELS["Gemma 3n E4B"]
    grown = gemma.bytes(10_001) - gemma.bytes(10_000)
    assert grown == 4 * 2 * 2 * 256 * 2
    assert gemma.bytes(1) == 20 * 2 * 2 * 256 * 2


def test_the_formula_is_what_a_cache_of_those_shapes_would_store():
    """Counted at full size, on the meta device, layer by layer."""
    tokens = 1000
    for shape in PUBLISHED:
        kept = []
        for layer in range(shape.own):
            n = min(tokens, shape.window) if layer < shape.local else tokens
            sizes = (
                [(1, n, shape.d_latent), (1, n, shape.d_rotary)]
                if shape.d_latent
                else [(shape.kv_heads, n, shape.d_head)] * 2
            )
            kept += [
                torch.empty(2, *size, dtype=torch.bfloat16, device="meta")
                for size in sizes
            ]
        assert sum(each.nbytes for each in kept) == shape.bytes(tokens, 2)


def test_query_heads_do_not_count():
    """A published mistake: the cache of groups counted with query heads."""
    llama = MODELS["Llama 3 8B"]
    assert llama.bytes(1) * llama.heads / llama.kv_heads == 4 * llama.bytes(1)
    assert llama.numbers == cached_numbers(llama.kv_heads, llama.d_head)
    assert llama.numbers != cached_numbers(llama.heads, llama.d_head)


def test_views_share_their_storage_and_copies_do_not():
    x = torch.zeros(2, 3, 5)
    views = [x, x.mT, x[:, 1:], x[:, :, None].expand(-1, -1, 4, -1)]
    assert storage_bytes(views) == x.nbytes == 120
    assert storage_bytes([x, x.repeat_interleave(4, 1)]) == 5 * 120
    assert storage_bytes([]) == 0
