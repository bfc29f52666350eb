"""Wrong answers to the exercises of chapter 08 that are no known mistake."""

import math

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from unforeseen import assert_told_by_its_numbers
from verdicts import named, parts_of

from attnbook.checks.sharing_heads import EXERCISES
from attnbook.checks.sharing_heads.absorb import attend_by_heads
from attnbook.checks.sharing_heads.grouped_draft import turn
from attnbook.mechanisms.sharing_heads import (
    PUBLISHED,
    MultiHeadLatentAttention,
)


def right(grade_id):
    return EXERCISES[grade_id].reference


# -- what nobody foresaw -----------------------------------------------------


def with_louder_values(x, T, padding, model, H, G):
    louder = {**model, "value": 1.3 * model["value"]}
    return right("08-grouped")(x, T, padding, louder, H, G)


def with_a_tenth_more(config, lengths, budget):
    total, longest = right("08-plan-cache")(config, lengths, budget)
    return 1.1 * total, longest


def with_wider_steps(x, per):
    codes, scale, lowest, error = right("08-quantise")(x, per)
    return codes, 1.1 * scale, lowest, error


def with_a_smaller_key(query, up, bias, output, H, d_rotary):
    return right("08-absorb")(query, 0.9 * up, bias, output, H, d_rotary)


@pytest.mark.parametrize(
    ("grade_id", "answer"),
    [
        ("08-grouped", with_louder_values),
        ("08-plan-cache", with_a_tenth_more),
        ("08-quantise", with_wider_steps),
        ("08-absorb", with_a_smaller_key),
    ],
)
def test_what_nobody_foresaw_is_told_by_its_numbers(grade_id, answer):
    assert_told_by_its_numbers(EXERCISES[grade_id].diagnose(answer))


# -- groups ------------------------------------------------------------------


def attend(
    x,
    T,
    padding,
    model,
    H,
    G,
    head=lambda H, G: torch.arange(H) // (H // G),
    query_from=lambda S, T, b, padding: S - T,
    key_from=lambda padding: 0,
    scale=lambda d, D, H, G: d**-0.5,
):
    """Row by row, with PyTorch's own attention."""
    outputs, weights = [], []
    B, S, D = x.shape
    for b in range(B):
        empty = int(padding[b])
        q = (x[b, -T:] @ model["query"].T).unflatten(-1, (H, -1))
        k, v = (
            (x[b] @ model[name].T).unflatten(-1, (G, -1)).movedim(1, 0)
            for name in ("key", "value")
        )
        q = turn(q.movedim(1, 0), query_from(S, T, b, empty))
        k = turn(k, key_from(empty))
        k, v = k[head(H, G)], v[head(H, G)]
        mask = torch.ones(T, S).tril(S - T).bool()
        mask[:, :empty] = False
        for one, collected in ((v, outputs), (torch.eye(S).to(x), weights)):
            one = one.expand(H, S, -1)
            collected.append(
                scaled_dot_product_attention(
                    q, k, one, mask, scale=scale(q.shape[-1], D, H, G)
                )
            )
    merged = torch.stack(outputs).movedim(1, 2).flatten(2)
    return merged @ model["output"].T, torch.stack(weights)


def with_expand_before_the_groups(*inputs):
    return attend(*inputs, head=lambda H, G: torch.arange(G).repeat(H // G))


def with_bounded_indices(*inputs):
    return attend(
        *inputs, head=lambda H, G: (torch.arange(H) // G).clamp(max=G - 1)
    )


def with_the_width_of_the_keys(*inputs):
    return attend(*inputs, scale=lambda d, D, H, G: (G * d) ** -0.5)


def with_d_model_over_heads(*inputs):
    return attend(*inputs, scale=lambda d, D, H, G: (D / H) ** -0.5)


def with_keys_from_the_first_token(*inputs):
    return attend(*inputs, key_from=lambda padding: -padding)


def with_queries_from_0(*inputs):
    return attend(*inputs, query_from=lambda S, T, b, padding: 0)


def test_rows_by_pytorch_are_right():
    assert EXERCISES["08-grouped"].diagnose(attend) is None


def test_only_distances_count():
    """Positions without the padding, in queries and keys, are as right."""

    def from_the_first_token(*inputs):
        return attend(
            *inputs,
            query_from=lambda S, T, b, padding: S - T - padding,
            key_from=lambda padding: -padding,
        )

    assert EXERCISES["08-grouped"].diagnose(from_the_first_token) is None


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (with_expand_before_the_groups, "keys and values tiled"),
        (with_bounded_indices, "as many copies as there are groups"),
        (with_the_width_of_the_keys, "scaled by the width of several heads"),
        (with_d_model_over_heads, "scaled by D // H"),
        (
            with_keys_from_the_first_token,
            "padding left out of some positions",
        ),
        (with_queries_from_0, "queries from position 0"),
    ],
)
def test_groups_are_told_by_what_they_do(answer, name):
    assert named(EXERCISES["08-grouped"], answer) == name
    assert parts_of(EXERCISES["08-grouped"], answer) == ["two", "four"]


# -- a configuration ---------------------------------------------------------


def test_published_models_weigh_what_the_package_says():
    types = ["sliding_attention", "full_attention"]
    for shape in PUBLISHED:
        if shape.d_latent:
            continue
        config = {
            "num_hidden_layers": shape.layers,
            "hidden_size": 1,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv_heads,
            "head_dim": shape.d_head,
            "layer_types": [
                types[layer >= shape.local] for layer in range(shape.layers)
            ],
            "sliding_window": shape.window,
            "num_kv_shared_layers": shape.layers - shape.own,
            "dtype": "bfloat16",
        }
        total, _ = right("08-plan-cache")(config, [9, 9], 0)
        assert total == shape.bytes(9, 2)
        total, _ = right("08-plan-cache")(config, [5000], 0)
        assert total == shape.bytes(5000)


def bytes_by(config, lengths, budget, heads, share=0):
    """Without a window that bounds `longest`, which is not told here."""
    made = {**config, "num_key_value_heads": heads(config)}
    made["num_kv_shared_layers"] = config.get("num_kv_shared_layers", share)
    return right("08-plan-cache")(made, lengths, budget)


def with_heads_of_queries(*inputs):
    return bytes_by(*inputs, heads=lambda it: it["num_attention_heads"])


def with_heads_of_a_group(config, lengths, budget):
    H = config["num_attention_heads"]
    G = config.get("num_key_value_heads", H)
    return bytes_by(config, lengths, budget, heads=lambda it: H // G)


def with_bytes_in_proportion(config, lengths, budget):
    total, _ = right("08-plan-cache")(config, lengths, budget)
    one, _ = right("08-plan-cache")(config, [1] * len(lengths), budget)
    return total, int(budget / one)


def with_a_window_for_all(config, lengths, budget):
    """A list that is missing is taken for one of windows."""
    made = dict(config)
    if "sliding_window" in made:
        windows = made["num_hidden_layers"] * ["sliding_attention"]
        made.setdefault("layer_types", windows)
    return right("08-plan-cache")(made, lengths, budget)


def with_the_texts_that_have_tokens(config, lengths, budget):
    return right("08-plan-cache")(config, [n for n in lengths if n], budget)


def with_wide_float8(config, lengths, budget):
    dtype = config["dtype"].replace("float8", "float32")
    return right("08-plan-cache")({**config, "dtype": dtype}, lengths, budget)


def with_an_early_end(config, lengths, budget):
    total, longest = right("08-plan-cache")(config, lengths, budget)
    return total, longest if longest < 5000 else math.inf


def with_a_bound_of_the_texts(config, lengths, budget):
    """Whatever fits at the longest of these lengths is unbounded."""
    total, longest = right("08-plan-cache")(config, lengths, budget)
    shared = config.get("num_kv_shared_layers", 0)
    kinds = config.get("layer_types", ["full_attention"])
    kinds = kinds[: len(kinds) - shared]
    if "full_attention" not in kinds and longest >= max(lengths):
        longest = math.inf
    return total, longest


@pytest.mark.parametrize(
    ("answer", "name", "parts"),
    [
        (
            with_a_window_for_all,
            "a window where no list names one",
            ["total", "longest"],
        ),
        (
            with_the_texts_that_have_tokens,
            "texts of no tokens left out",
            ["total", "longest"],
        ),
        (with_wide_float8, "float8 not read", ["bounds"]),
        (
            with_an_early_end,
            "a search that ends too early",
            ["total", "bounds"],
        ),
        (
            with_a_bound_of_the_texts,
            "without a bound, though no window is full",
            ["total", "longest"],
        ),
        (with_heads_of_queries, "counted with the heads of queries", []),
        (
            with_heads_of_a_group,
            "the size of a group taken for the number of groups",
            [],
        ),
        (with_bytes_in_proportion, "windows that never fill up", ["total"]),
    ],
)
def test_configurations_are_told_by_how_they_are_read(answer, name, parts):
    assert named(EXERCISES["08-plan-cache"], answer) == name
    assert parts_of(EXERCISES["08-plan-cache"], answer) == parts


# -- 8 bits ------------------------------------------------------------------


def test_no_error_is_above_half_a_step():
    for case in EXERCISES["08-quantise"].cases:
        _, scale, _, error = right("08-quantise")(*case.arguments)
        half = scale.amax((-2, -1)) / 2
        assert (error <= half * 1.001 + 1e-6).all()


def signed(x, per):
    """The usual 8 bits around 0, moved by 128."""
    axis = {"token": -1, "channel": -2}[per]
    scale = x.abs().amax(axis, keepdim=True) / 127
    scale = scale.masked_fill(scale == 0, 1.0)
    codes = ((x / scale).round() + 128).to(torch.uint8)
    lowest = -128 * scale
    error = (codes * scale + lowest - x).abs().amax((-2, -1))
    return codes, scale, lowest, error


@pytest.mark.parametrize("least", [1e-3, 1e-6, 0.02 / 255])
def test_any_small_scale_of_a_flat_row_is_named(least):
    def with_a_least_scale(x, per):
        codes, scale, lowest, error = right("08-quantise")(x, per)
        flat = x.amax(-1 if per == "token" else -2, keepdim=True) == lowest
        return codes, scale.masked_fill(flat, least), lowest, error

    name = "a scale of 0, or nearly 0"
    assert named(EXERCISES["08-quantise"], with_a_least_scale) == name
    assert parts_of(EXERCISES["08-quantise"], with_a_least_scale) == ["error"]


def quantised(
    x,
    per,
    steps=255,
    over=None,
    is_flat=lambda low, high, scale: scale == 0,
    codes_of=lambda x, low, scale: (x - low) / scale,
    error_of=lambda off: off.amax((-2, -1)),
):
    """Codes that are cut to 255, as many programs do."""
    dims = (over or {"token": (3,), "channel": (2,)})[per]
    low, high = (
        end(dims, keepdim=True).expand_as(
            x[..., :1] if per == "token" else x[..., :1, :]
        )
        for end in (x.amin, x.amax)
    )
    scale = (high - low) / steps
    scale = torch.where(is_flat(low, high, scale), 1.0, scale)
    codes = codes_of(x, low, scale).round().clamp(0, 255)
    error = error_of((codes * scale + low - x).abs())
    return codes.to(torch.uint8), scale, low, error


def test_codes_that_are_cut_to_255_are_right():
    assert EXERCISES["08-quantise"].diagnose(quantised) is None


@pytest.mark.parametrize(
    ("changed", "name", "parts"),
    [
        ({"steps": 256}, "256 steps", []),
        (
            {"over": {"token": (3,), "channel": (0, 2)}},
            "one scale for all texts",
            [],
        ),
        (
            {"error_of": lambda off: off.amax().expand(off.shape[:2])},
            "one error for everything",
            ["codes"],
        ),
        (
            {"is_flat": lambda low, high, scale: scale < 1e-6},
            "a scale of 1 for narrow rows",
            ["codes", "error"],
        ),
        (
            {"is_flat": lambda low, high, scale: low.isclose(high)},
            "a scale of 1 for narrow rows",
            ["codes", "error"],
        ),
        (
            {"codes_of": lambda x, low, scale: x / scale - low / scale},
            "divided before subtracted",
            ["codes", "error"],
        ),
    ],
)
def test_codes_are_told_by_what_makes_them(changed, name, parts):
    def answer(x, per):
        return quantised(x, per, **changed)

    assert named(EXERCISES["08-quantise"], answer) == name
    assert parts_of(EXERCISES["08-quantise"], answer) == parts


def test_8_bits_around_0_are_named():
    assert named(EXERCISES["08-quantise"], signed) == "a range around 0"


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.float32])
def test_codes_of_another_type_are_told(dtype):
    def typed(x, per):
        codes, *others = right("08-quantise")(x, per)
        return codes.to(dtype), *others

    message = EXERCISES["08-quantise"].diagnose(typed).message
    assert f"yours: {dtype}" in message


# -- absorbed ----------------------------------------------------------------


def test_the_attention_to_be_absorbed_is_that_of_the_package():
    torch.manual_seed(0)
    H, d_k, d_c, d_r = 3, 4, 5, 2
    module = MultiHeadLatentAttention(12, H, d_c, d_r, norm=False)
    x = torch.randn(1, 6, 12)
    expected, _ = module(x, x)
    by_head = (
        projection.weight.unflatten(0, (H, -1))
        for projection in (
            module.query_projection,
            module.query_rotary,
            module.key_projection,
            module.value_projection,
        )
    )
    own, turned, key, value = by_head
    found = attend_by_heads(
        x[0],
        module.to_keep(x)[0, 0],
        torch.cat([own, turned], 1).flatten(0, 1),
        torch.cat([key, value], 1).flatten(0, 1),
        torch.zeros(2 * H * d_k),
        module.output_projection.weight,
        H,
        d_r,
    )
    shift = module.output_projection.bias
    found = found if shift is None else found + shift
    assert torch.allclose(found, expected[0], atol=1e-5)


def absorbed(query, up, bias, output, H, d_r, change):
    """The right answer, of matrices that somebody reads otherwise."""
    return right("08-absorb")(*change(query, up, bias, output, H, d_r), H, d_r)


def with_rotary_parts_first(*inputs):
    def change(query, up, bias, output, H, d_r):
        moved = query.unflatten(0, (H, -1)).roll(-d_r, 1)
        return moved.flatten(0, 1), up, bias, output

    return absorbed(*inputs, change)


def without_a_graph(*inputs):
    with torch.no_grad():
        return right("08-absorb")(*inputs)


def with_the_plain_scale(query, up, bias, output, H, d_r):
    old = len(query) // H
    factor = math.sqrt((up.shape[1] + d_r) / old)
    made, *others = right("08-absorb")(query, up, bias, output, H, d_r)
    return made / factor, *others


def with_a_slice_from_the_end(query, up, bias, output, H, d_r):
    d_c, heads = up.shape[1], query.unflatten(0, (H, -1))
    d_k = heads.shape[1] - d_r
    key = up.unflatten(0, (H, -1))[:, :d_k]
    rows = torch.cat([key.mT @ heads[:, :d_k], heads[:, -d_r:]], 1)
    _, *others = right("08-absorb")(query, up, bias, output, H, d_r)
    factor = math.sqrt((d_c + d_r) / (d_k + d_r))
    return factor * rows.flatten(0, 1), *others


def with_the_last_biases(query, up, bias, output, H, d_r):
    made = right("08-absorb")(query, up, bias, output, H, d_r)
    return *made[:2], output @ bias[-output.shape[1] :]


@pytest.mark.parametrize(
    ("answer", "name", "parts"),
    [
        (
            with_a_slice_from_the_end,
            "a slice that begins or ends at -0",
            ["query", "output"],
        ),
        (
            with_the_last_biases,
            "the first or the last entries of the bias",
            ["query"],
        ),
        (
            with_rotary_parts_first,
            "the two parts of a query exchanged",
            ["output"],
        ),
        (without_a_graph, "gradients cut off", ["query", "output"]),
        (with_the_plain_scale, "no scale", ["output"]),
    ],
)
def test_what_is_absorbed_is_told_by_its_matrices(answer, name, parts):
    assert named(EXERCISES["08-absorb"], answer) == name
    assert parts_of(EXERCISES["08-absorb"], answer) == parts


# -- predictions -------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "wrong", "name"),
    [
        ("a", 6.5, "a: keys without values, or the latent twice"),
        ("a", 3, "a: the rotary key left out"),
        ("b", 3, "b: heads dealt out in turn"),
        ("b", 2, "b: the number of groups taken for their size"),
        ("c", 0.25, "c: everything divided"),
        ("c", 0.49, "c: scores and sums divided too"),
        (
            "c",
            0.719,
            "c: scores saved and projections not, or three projections",
        ),
        ("c", 0.77, None),
        ("d", 12, "d: FLOPs a number"),
        ("e", 0.38, "e: the share that is saved"),
        ("f", 42.7, "f: keys made, values not"),
        ("f", 85, "f: rounded down"),
        ("f", 86, "f: rounded up"),
    ],
)
def test_a_wrong_number_is_told_by_what_gives_it(asked, wrong, name):
    def predict(question):
        return wrong if question == asked else exercise.reference(question)

    exercise = EXERCISES["08-predict"]
    assert exercise.diagnose(predict).mistake == name
