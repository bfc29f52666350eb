"""A property that says: no table of all pairs."""

import pytest
import torch

from attnbook.judging.parts import Case
from attnbook.judging.tables_of_pairs import HALF_A_TABLE, no_table
from attnbook.judging.watching import numbers_held


def a_square(seed, n, tile):
    generator = torch.Generator().manual_seed(seed)
    query, key = torch.randn(2, n, 1, generator=generator)
    return Case("", (query, key, tile))


def whole(query, key, tile):
    return (query @ key.T).sum()


def in_tiles(query, key, tile):
    return sum((query @ k.T).sum() for k in key.split(tile))


def as_kept(query, key, tile):
    tiles = [query @ k.T for k in key.split(tile)]
    return sum(one.sum() for one in tiles)


PROPERTIES = {
    "largest": no_table(
        a_square, "look", seed=1, n=(128, 120, 130), tile=(8, 8, 8)
    ),
    "held": no_table(
        a_square,
        "look",
        HALF_A_TABLE,
        numbers_held,
        seed=1,
        n=(512, 500, 520),
        tile=(16, 15, 17),
    ),
}


@pytest.mark.parametrize(
    ("kind", "answer", "holds"),
    [
        ("largest", whole, False),
        ("largest", in_tiles, True),
        ("largest", as_kept, True),
        ("held", whole, False),
        ("held", in_tiles, True),
        ("held", as_kept, False),
    ],
)
def test_a_table_is_seen_in_the_notebook_and_where_it_is_drawn(
    kind, answer, holds
):
    property_ = PROPERTIES[kind]
    assert property_.holds(answer) is holds
    assert property_.anew(7)(answer) is holds


def test_sizes_are_drawn_within_their_bounds_and_from_the_seed():
    sizes = []

    def case(seed, n, tile):
        sizes.append((seed, n, tile))
        return a_square(seed, n, tile)

    property_ = no_table(case, "look", seed=3, n=(9, 10, 20), tile=(2, 3, 4))
    property_.holds(whole)
    for seed in (0, 0, 1):
        property_.anew(seed)(whole)
    assert sizes[0] == (3, 9, 2)
    assert sizes[1] == sizes[2] != sizes[3]
    assert all(10 <= n <= 20 and 3 <= tile <= 4 for _, n, tile in sizes[1:])


def test_what_another_thread_takes_is_not_held_against_an_answer():
    sizes, noise = [], [10**6, 10**6, 0]

    class Seen:
        def __enter__(self):
            self.amount = noise.pop(0)
            return self

        def __exit__(self, *trouble):
            pass

    def answer(query, key, tile):
        sizes.append(len(query))

    wanted = {"n": (9, 10, 20), "tile": (2, 3, 4), "tries": 3}
    property_ = no_table(a_square, "look", watch=lambda _: Seen(), **wanted)
    assert property_.holds(answer)
    assert sizes == [9, 10, 11]  # so that nothing kept from before will do
