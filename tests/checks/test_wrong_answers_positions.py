"""Wrong answers to the exercises of chapter 05, as learners write them."""

import math

import pytest
import torch
from answers_positions import RIGHT, distances, stretched, table_of
from unforeseen import assert_told_by_its_numbers

from attnbook.checks.positions import EXERCISES
from attnbook.judging.exercise import Exercise

# -- 05.2 --------------------------------------------------------------------


def table_cut(rows):
    def answer(embedded, offset=0, base=10_000.0):
        T, D = embedded.shape[1:]
        return embedded + table_of(rows, D, base)[offset : offset + T]

    return answer


def looked_up(embedded, offset=0, base=10_000.0):
    T, D = embedded.shape[1:]
    table = torch.nn.Embedding.from_pretrained(table_of(5000, D, base))
    return embedded + table(torch.arange(offset, offset + T))


def offset_modulo_1000(embedded, offset=0, base=10_000.0):
    T, D = embedded.shape[1:]
    return embedded + table_of(T, D, base, offset % 1000)


def offset_up_to_100_000(embedded, offset=0, base=10_000.0):
    T, D = embedded.shape[1:]
    place = (torch.arange(T) + offset).clamp(max=99_999)
    return embedded + torch.cat([table_of(1, D, base, p) for p in place])


def as_many_as_features(embedded, offset=0, base=10_000.0):
    D = embedded.shape[-1]
    return embedded + table_of(D, D, base, offset)


def a_new_axis_in_the_middle(embedded, offset=0, base=10_000.0):
    T, D = embedded.shape[1:]
    return embedded + table_of(T, D, base, offset)[:, None]


def twice_the_sine(embedded, offset=0, base=10_000.0):
    T, D = embedded.shape[1:]
    table = table_of(T, D, base, offset)
    return embedded + table[:, 0::2].repeat_interleave(2, -1)


def only_halves_left(embedded, offset=0, base=10_000.0):
    T, D = embedded.shape[1:]
    table = table_of(T, D, base, offset)
    return embedded + torch.cat((table[:, 0::2], table[:, 1::2]), -1)


def offset_as_factor(embedded, offset=0, base=10_000.0):
    T, D = embedded.shape[1:]
    place = torch.arange(T) * (offset + 1)
    angle = place[:, None] * base ** (-torch.arange(0, D, 2) / D)
    waves = torch.stack((angle.sin(), angle.cos()), -1)
    return embedded + waves.flatten(-2)


def stacked_in_front(embedded, offset=0, base=10_000.0):
    T, D = embedded.shape[1:]
    table = table_of(T, D, base, offset)
    waves = torch.stack((table[:, 0::2], table[:, 1::2]))
    return embedded + waves.reshape(T, D)


# -- 05.3 --------------------------------------------------------------------


def rows_of(weights, query_mask, far):
    return (weights * far).sum(-1).transpose(1, 2)[query_mask]


def as_a_list(weights, query_mask):
    far = distances(*weights.shape[-2:])
    return rows_of(weights, query_mask, far).mean(0).tolist()


def as_an_array(weights, query_mask):
    far = distances(*weights.shape[-2:])
    return rows_of(weights, query_mask, far).mean(0).numpy()


def how_far_from_the_end(weights, query_mask):
    S = weights.shape[-1]
    far = S - 1 - torch.arange(S)
    return rows_of(weights, query_mask, far).mean(0)


def times_the_mask(weights, query_mask):
    found = (weights * distances(*weights.shape[-2:])).sum(-1)
    return (found * query_mask[:, None]).sum((0, 2)) / query_mask.sum()


def the_median(weights, query_mask):
    far = distances(*weights.shape[-2:])
    return rows_of(weights, query_mask, far).median(0).values


def of_the_real_alone(weights, query_mask):
    T, S = weights.shape[-2:]
    place = query_mask.cumsum(-1) - 1 + S - T
    far = (place[:, None, :, None] - torch.arange(S)).abs()
    return rows_of(weights, query_mask, far).mean(0)


def means_of_sentences_by_rows(weights, query_mask):
    found = (weights * distances(*weights.shape[-2:])).sum(-1)
    means = [
        found[b][:, real].mean(-1) * real.sum()
        for b, real in enumerate(query_mask)
    ]
    return sum(means) / query_mask.sum()


def up_to_the_length(weights, query_mask):
    found = (weights * distances(*weights.shape[-2:])).sum(-1)
    lengths = query_mask.sum(-1).tolist()
    rows = [found[b, :, :n] for b, n in enumerate(lengths)]
    return torch.cat(rows, -1).mean(-1)


def squeezed(weights, query_mask):
    far = distances(*weights.shape[-2:])
    found = (weights * far).sum(-1).masked_fill(~query_mask[:, None], 0)
    return found.sum((0, 2), keepdim=True).squeeze() / query_mask.sum()


def keys_masked(weights, query_mask):
    far = distances(*weights.shape[-2:])
    kept = weights.masked_fill(~query_mask[:, None, None], 0)
    return (kept * far).sum((0, 2, 3)) / query_mask.sum()


# -- 05.4 --------------------------------------------------------------------


def turned(half, place, base, width=None, from_i=0):
    d = half.shape[-1]
    exponent = torch.arange(0, d, 2) + 2 * from_i
    angle = place[:, None] * base ** (-exponent / (width or d))
    cos, sin = angle.cos(), angle.sin()
    x, y = half[..., 0::2], half[..., 1::2]
    pairs = torch.stack((x * cos - y * sin, x * sin + y * cos), -1)
    return pairs.flatten(-2)


def by_both_in_turn(x, row, column, base=100.0):
    return turned(turned(x, row, base), column, base)


def rows_even_columns_odd(x, row, column, base=100.0):
    out = torch.empty_like(x)
    out[..., 0::2] = turned(x[..., 0::2], row, base)
    out[..., 1::2] = turned(x[..., 1::2], column, base)
    return out


def width_of_pairs(x, row, column, base=100.0):
    halves = zip(x.chunk(2, -1), (row, column), strict=True)
    quarter = x.shape[-1] // 4
    return torch.cat([turned(h, p, base, quarter) for h, p in halves], -1)


def pairs_from_1(x, row, column, base=100.0):
    halves = zip(x.chunk(2, -1), (row, column), strict=True)
    return torch.cat([turned(h, p, base, None, 1) for h, p in halves], -1)


def one_sign_wrong(x, row, column, base=100.0):
    turned_right = EXERCISES["05-rotate-2d"].reference(x, row, column, base)
    plain = EXERCISES["05-rotate-2d"].reference(x, -row, -column, base)
    return torch.stack(
        (turned_right[..., 0::2], -plain[..., 1::2]), -1
    ).flatten(-2)


def sorted_patches(x, row, column, base=100.0):
    order = (row * 100 + column).argsort()
    right = EXERCISES["05-rotate-2d"].reference
    return right(x[:, :, order], row[order], column[order], base)


def places_of_a_grid(x, row, column, base=100.0):
    place = torch.arange(len(row))
    width = int(column.max()) + 1
    right = EXERCISES["05-rotate-2d"].reference
    return right(x, place // width, place % width, base)


def a_table_of_16_places(x, row, column, base=100.0):
    right = EXERCISES["05-rotate-2d"].reference
    return right(x, row.clamp(max=15), column.clamp(max=15), base)


def exponents_from_0_to_1(x, row, column, base=100.0):
    rate = base ** -torch.linspace(0, 1, x.shape[-1] // 4)
    angle = torch.cat((row[:, None] * rate, column[:, None] * rate), -1)
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    turned = pairs * torch.polar(torch.ones_like(angle), angle)
    return torch.view_as_real(turned).flatten(-2)


def always_base_100(x, row, column, base=100.0):
    return EXERCISES["05-rotate-2d"].reference(x, row, column)


def angles_of_64_places(x, row, column, base=100.0):
    half = x.shape[-1] // 2
    rate = base ** (-torch.arange(0, half, 2) / half)
    angles = torch.arange(64)[:, None] * rate
    angle = torch.cat((angles[row], angles[column]), -1)
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    turned = pairs * torch.polar(torch.ones_like(angle), angle)
    return torch.view_as_real(turned).flatten(-2)


def from_the_smallest(x, row, column, base=100.0):
    places = row - min(row), column - min(column)
    halves = zip(x.chunk(2, -1), places, strict=True)
    return torch.cat([turned(h, p, base) for h, p in halves], -1)


def from_the_first_patch(x, row, column, base=100.0):
    places = row - row[:1], column - column[:1]
    halves = zip(x.chunk(2, -1), places, strict=True)
    return torch.cat([turned(h, p, base) for h, p in halves], -1)


def base_for_rows_alone(x, row, column, base=100.0):
    first, second = x.chunk(2, -1)
    return torch.cat(
        (turned(first, row, base), turned(second, column, 100.0)), -1
    )


def angles_repeated(x, row, column, base=100.0):
    halves = []
    for half, place in zip(x.chunk(2, -1), (row, column), strict=True):
        d = half.shape[-1]
        rate = base ** (-torch.arange(0, d, 2) / d)
        angle = (place[:, None] * rate).repeat(1, 2)
        partner = torch.empty_like(half)
        partner[..., 0::2] = -half[..., 1::2]
        partner[..., 1::2] = half[..., 0::2]
        halves.append(half * angle.cos() + partner * angle.sin())
    return torch.cat(halves, -1)


def half_a_place_on(x, row, column, base=100.0):
    halves = zip(x.chunk(2, -1), (row, column), strict=True)
    return torch.cat([turned(h, p + 0.5, base) for h, p in halves], -1)


# -- 05.5 --------------------------------------------------------------------


def rounded_to_a_millionth(*arguments, **keywords):
    return stretched(*arguments, **keywords).mul(1e6).round().div(1e6)


def parts_fall_through_to_base(d, trained, wanted, kind, *rest, **keywords):
    kind = "interpolate" if kind == "interpolate" else "base"
    return stretched(d, trained, wanted, kind, *rest, **keywords)


def from_twice_the_length_on(d, trained, wanted, *rest, **keywords):
    s = wanted / trained if wanted >= 2 * trained else 1
    return stretched(d, trained, wanted, *rest, **keywords, s=s)


def in_steps_from_0_to_1(
    d, trained, wanted, kind, base=10_000.0, low=1.0, high=32.0
):
    s = max(1, wanted / trained)
    exponent = torch.linspace(0, 1, d // 2)
    if kind == "base":
        return (base * s ** (d / (d - 2))) ** -exponent
    rate = base**-exponent
    if kind == "interpolate":
        return rate / s
    keep = (trained * rate / (2 * math.pi) - low) / (high - low)
    keep = keep.clamp(0, 1)
    return keep * rate + (1 - keep) * rate / s


def at_most_1(d, trained, wanted, *rest, **keywords):
    s = min(1, wanted / trained)
    return stretched(d, trained, wanted, *rest, **keywords, s=s)


def rounded_to_five_digits(*arguments, **keywords):
    rates = stretched(*arguments, **keywords)
    return torch.tensor([float(f"{rate:.5f}") for rate in rates])


def low_forgotten(*arguments, low=1.0, **keywords):
    return stretched(*arguments, **keywords)


def high_forgotten(*arguments, high=32.0, **keywords):
    return stretched(*arguments, **keywords)


def by_another_base(larger, kinds=("base",)):
    """The rates that a formula for the larger base gives."""

    def answer(d, trained, wanted, kind, base=10_000.0, **keywords):
        s = max(1, wanted / trained)
        if kind in kinds:
            base = larger(base, s, d)
        if kind == "base":
            return base ** -(torch.arange(0, d, 2).double() / d)
        return stretched(d, trained, wanted, kind, base, **keywords)

    return answer


def base_forgotten_for_shorter(d, trained, wanted, *rest, **keywords):
    if wanted <= trained:
        return 10_000 ** -(torch.arange(0, d, 2).double() / d)
    return stretched(d, trained, wanted, *rest, **keywords)


def by_the_logarithm(d, trained, wanted, *rest, **keywords):
    s = 1 + max(0, math.log2(wanted / trained))
    return stretched(d, trained, wanted, *rest, **keywords, s=s)


NAMED = {
    "05-add-positions": {
        **dict.fromkeys(
            map(table_cut, (16, 64, 128, 512, 5000, 100_000)),
            "a table that ends",
        ),
        looked_up: "a table without that row",
        offset_modulo_1000: "a table that ends",
        offset_up_to_100_000: "a table that ends",
        as_many_as_features: "as many positions as features",
        a_new_axis_in_the_middle: "the table laid along the batch",
        twice_the_sine: "a sine twice",
        only_halves_left: "sines first, then cosines",
        stacked_in_front: "rows cut across the tokens",
    },
    "05-attention-distance": {
        as_a_list: "a list or an array",
        as_an_array: "a list or an array",
        how_far_from_the_end: "all queries in the last place",
        times_the_mask: "0 times NaN",
        of_the_real_alone: "positions without the padding",
        means_of_sentences_by_rows: "a sentence without a real row",
        up_to_the_length: "the mask taken for a length",
        squeezed: "axes squeezed away",
        keys_masked: "the mask meets the keys",
    },
    "05-rotate-2d": {
        by_both_in_turn: "row plus column",
        rows_even_columns_odd: "row and column in alternation",
        width_of_pairs: "the factor 2 taken twice",
        pairs_from_1: "pairs counted from 1",
        one_sign_wrong: "one wrong sign",
        exponents_from_0_to_1: "rates that reach 1/base",
        sorted_patches: "patches put in order",
        places_of_a_grid: "rows and columns made up",
        angles_of_64_places: "a table that ends",
        from_the_smallest: "rows and columns counted anew",
        from_the_first_patch: "rows and columns counted anew",
        base_for_rows_alone: "the base is not used",
        angles_repeated: "angles in another order than pairs",
    },
    "05-stretched-rates": {
        rounded_to_a_millionth: "rounded",
        parts_fall_through_to_base: "by base what should be by parts",
        from_twice_the_length_on: "stretched from twice the length on",
        at_most_1: "at most 1 in place of at least 1",
        in_steps_from_0_to_1: "rates that reach 1/base",
        rounded_to_five_digits: "rounded",
        low_forgotten: "the ends of the ramp are not used",
        high_forgotten: "the ends of the ramp are not used",
        base_forgotten_for_shorter: "the base is not used",
        by_another_base(lambda b, s, d: b * s**d / (d - 2)): (
            "brackets left out in the exponent"
        ),
        by_another_base(lambda b, s, d: b * s**d / d - 2): (
            "brackets left out in the exponent"
        ),
        by_another_base(lambda b, s, d: b * s * d / (d - 2)): (
            "a factor in place of a power"
        ),
        by_another_base(
            lambda b, s, d: b * s ** (d / (d - 2)), ("base", "parts")
        ): "a larger base outside its kind",
    },
}


@pytest.mark.parametrize(
    ("grade_id", "answer", "name"),
    [
        pytest.param(grade_id, answer, name, id=f"{grade_id}: {name}")
        for grade_id, answers in NAMED.items()
        for answer, name in answers.items()
    ],
)
def test_a_wrong_answer_is_rejected_and_named(grade_id, answer, name):
    exercise = EXERCISES[grade_id]
    diagnosis = exercise.diagnose(answer)
    assert diagnosis.mistake == name, diagnosis.message
    assert "looks like a known mistake" in diagnosis.message


UNFORESEEN = {
    "05-add-positions": offset_as_factor,
    "05-attention-distance": the_median,
    "05-rotate-2d": half_a_place_on,
    "05-stretched-rates": by_the_logarithm,
}


@pytest.mark.parametrize("grade_id", UNFORESEEN)
def test_what_nobody_foresaw_is_told_by_its_numbers(grade_id):
    diagnosis = EXERCISES[grade_id].diagnose(UNFORESEEN[grade_id])
    assert_told_by_its_numbers(diagnosis)


def test_a_table_of_places_is_told_by_its_numbers():
    exercise = EXERCISES["05-rotate-2d"]
    diagnosis = exercise.diagnose(a_table_of_16_places, "places")
    assert diagnosis.mistake is None, diagnosis.message
    assert_told_by_its_numbers(diagnosis)


@pytest.mark.parametrize(
    ("left", "earned"),
    [
        (only_halves_left, 3),
        (table_cut(5000), 3),
        (offset_up_to_100_000, 3),
        (offset_as_factor, 0),
    ],
)
def test_a_repair_pays_for_each_bug_that_is_mended(left, earned):
    exercise = EXERCISES["05-add-positions"]
    parts = [
        part.points
        for part in exercise.parts
        if exercise.diagnose(left, part.name) is None
    ]
    assert sum(parts) == earned


@pytest.mark.parametrize("seed", [None, 5, 2**100])
@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (sorted_patches, "patches put in order"),
        (always_base_100, "the base is not used"),
    ],
)
def test_who_turns_a_grid_in_order_loses_the_part_of_places_alone(
    answer, name, seed, monkeypatch
):
    exercise = EXERCISES["05-rotate-2d"]
    assert exercise.diagnose(answer, "places").mistake == name
    monkeypatch.setattr(Exercise, "secret_seed", seed)
    for part in ("grid", "gradients"):
        diagnosis = exercise.diagnose(answer, part)
        assert diagnosis is None, diagnosis.message


@pytest.mark.parametrize(
    ("grade_id", "answer", "lost"),
    [
        ("05-attention-distance", squeezed, "continuation"),
        ("05-rotate-2d", angles_of_64_places, "places"),
        ("05-rotate-2d", base_for_rows_alone, "places"),
        ("05-stretched-rates", low_forgotten, "parts"),
        ("05-stretched-rates", base_forgotten_for_shorter, "shorter"),
        ("05-add-positions", stacked_in_front, "all"),
    ],
)
def test_a_slip_in_one_part_keeps_the_points_of_the_others(
    grade_id, answer, lost
):
    exercise = EXERCISES[grade_id]
    parts = [
        part.name
        for part in exercise.parts
        if exercise.diagnose(answer, part.name) is not None
    ]
    assert parts == [lost]


# -- right answers in unusual words ------------------------------------------


@pytest.mark.parametrize("seed", [None, 5, 2**100])
@pytest.mark.parametrize("grade_id", RIGHT)
def test_right_answers_in_unusual_words_earn_every_part(
    grade_id, seed, monkeypatch
):
    monkeypatch.setattr(Exercise, "secret_seed", seed)
    exercise = EXERCISES[grade_id]
    for answer in RIGHT[grade_id]:
        for part in exercise.parts:
            diagnosis = exercise.diagnose(answer, part.name)
            assert diagnosis is None, diagnosis.message


@pytest.mark.parametrize("number", [628.31, 628.32, 628.3, 2 * math.pi * 100])
def test_a_prediction_may_be_cut_off(number):
    exercise = EXERCISES["05-predict"]

    def predict(question):
        return number if question == "a" else exercise.reference(question)

    assert exercise.diagnose(predict) is None
