"""Byte pairs: every text comes back, and merges happen in their order."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.data.english_text import english
from attnbook.mechanisms.byte_pairs import BytePairs, merge, pieces

SOME = english("validation")[:20_000]
LEARNT = BytePairs.learn(SOME, 400)
unicode = st.text(st.characters(exclude_categories=["Cs"]))
near = st.text(st.sampled_from(list(" \n\tthein_.,'0é漢🙂")), max_size=60)


@settings(max_examples=200, deadline=None)
@given(text=unicode | near)
def test_every_unicode_text_comes_back(text):
    ids = LEARNT.encode(text)
    assert LEARNT.decode(ids) == text
    assert all(0 <= id < LEARNT.size for id in ids)


@settings(max_examples=200, deadline=None)
@given(text=unicode | near)
def test_the_pieces_of_a_text_are_the_text(text):
    assert "".join(pieces(text)) == text


def test_a_piece_is_a_word_with_its_space_or_signs_or_white_space():
    assert pieces("If  x_1 >= 2:\n\n    the end.") == [
        *("If", " ", " x_1", " >=", " 2", ":", "\n\n   ", " the", " end", "."),
    ]


def naive(text, merges):
    """Apply every merge to every piece, in the order of learning."""
    ids = []
    for piece in pieces(text):
        word = list(piece.encode())
        for at, pair in enumerate(merges):
            word = merge(word, pair, 256 + at)
        ids += word
    return ids


@settings(max_examples=60, deadline=None)
@given(text=near)
def test_merges_are_applied_in_the_order_in_which_they_were_learnt(text):
    assert LEARNT.encode(text) == naive(text, LEARNT.merges)


def counted_afresh(text, size):
    """Learn by counting every pair of the whole text before each merge."""
    words = [list(piece.encode()) for piece in pieces(text)]
    merges = []
    while len(merges) < size - 256:
        count = Counter(pair for word in words for pair in pairwise(word))
        if not count or max(count.values()) < 2:
            break
        most = max(count.values())
        best = min(pair for pair in count if count[pair] == most)
        words = [merge(word, best, 256 + len(merges)) for word in words]
        merges.append(best)
    return merges


@settings(max_examples=60, deadline=None)
@given(text=near | st.text("ab ", max_size=60))
def test_learning_takes_the_most_frequent_pair_of_what_is_left(text):
    assert BytePairs.learn(text, 280).merges == counted_afresh(text, 280)


def test_so_it_does_on_english():
    assert BytePairs.learn(SOME, 300).merges == counted_afresh(SOME, 300)


def test_of_equally_frequent_pairs_the_smaller_is_merged():
    learnt = BytePairs.learn("xy xy ab ab", 257)
    assert learnt.token(256) == b" a"  # before " x", "ab" and "xy"


def test_learning_ends_where_no_pair_occurs_twice():
    assert BytePairs.learn("abcd", 300).size == 256
    assert BytePairs.learn("", 300).size == 256


def test_a_run_is_merged_from_the_left():
    assert merge([1, 1, 1], (1, 1), 9) == [9, 1]
    assert merge([1, 1, 1, 1], (1, 1), 9) == [9, 9]


def test_more_merges_write_a_text_it_has_not_seen_with_fewer_tokens():
    text = english("held-out")
    sizes = (256, 320, 400)
    counts = [len(BytePairs.learn(SOME, n).encode(text)) for n in sizes]
    assert counts[0] == len(text.encode()) > counts[1] > counts[2]


def test_no_token_reaches_across_two_words():
    for id in range(256, LEARNT.size):
        text = LEARNT.token(id).decode(errors="replace")
        assert len(pieces(text)) == 1


def test_a_part_of_a_character_is_decoded_as_one_that_says_so():
    first, *_ = LEARNT.encode("漢")
    assert LEARNT.decode([first]) == "\ufffd"
    assert LEARNT.decode([]) == ""


@pytest.mark.parametrize("id", [-1, LEARNT.size])
def test_a_number_that_is_no_id_is_refused(id):
    with pytest.raises(ValueError, match=f"unknown id {id}: expected 0 to"):
        LEARNT.decode([id])


def test_half_of_a_surrogate_pair_is_refused():
    for call in (LEARNT.encode, lambda text: BytePairs.learn(text, 300)):
        with pytest.raises(ValueError, match="surrogate"):
            call("a\ud800")


def test_a_size_below_the_bytes_is_refused():
    with pytest.raises(ValueError, match="size is 255; expected at least 256"):
        BytePairs.learn("abc", 255)


@pytest.mark.parametrize(
    "merges, message",
    [
        ([(97, 256)], "merge 0 is .97, 256.; expected two ids from 0 to 255"),
        ([(97, 98), (-1, 0)], "merge 1 is"),
        ([(97, 98, 99)], "merge 0 is"),
        ([(97, 98), (97, 98)], "occurs twice"),
    ],
)
def test_merges_that_cannot_be_are_refused(merges, message):
    with pytest.raises(ValueError, match=message):
        BytePairs(merges)
