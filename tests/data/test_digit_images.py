"""The pictures of digits are divided once, and their captions name them."""

import pytest
import torch

from attnbook.data.digit_images import (
    PARTS,
    WORDINGS,
    caption,
    caption_ids,
    digit_images,
    shifted,
)


def test_parts_share_no_place_and_are_the_whole():
    parts = [digit_images(part) for part in PARTS]
    assert [len(part.labels) for part in parts] == [1197, 200, 400]
    together = torch.cat([part.images for part in parts]).flatten(1)
    assert together.min() == 0 and together.max() == 1
    # No picture of another part is equal to a held-out one.
    apart = torch.cdist(parts[2].images.flatten(1), together[:1397])
    assert apart.min() > 0
    with pytest.raises(ValueError, match="part is 'test'"):
        digit_images("test")


def test_a_part_is_a_copy():
    digit_images("train").images.zero_()
    assert digit_images("train").images.sum() > 0


def test_every_caption_has_three_words_and_names_its_digit():
    assert caption(3) == ["the", "digit", "three"]
    found = {tuple(caption(d, w)) for d in range(10) for w in range(5)}
    assert len(found) == 50 and {len(words) for words in found} == {3}
    ids = caption_ids(torch.arange(10), torch.full((10,), 1))
    assert ids.shape == (10, 3) and ids[:, 2].tolist() == list(range(10))
    with pytest.raises(ValueError, match="digit is 10"):
        caption(10)
    with pytest.raises(ValueError, match="wording 5"):
        caption(1, len(WORDINGS))


def test_shifted_pictures_move_by_at_most_one_pixel():
    images = torch.zeros(200, 8, 8)
    images[:, 3, 4] = 1
    moved = shifted(images, torch.Generator().manual_seed(0))
    places = {tuple(place[1:]) for place in moved.nonzero().tolist()}
    assert places == {(y, x) for y in (2, 3, 4) for x in (3, 4, 5)}
