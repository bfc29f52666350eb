"""The sentence encoder, and what it takes to trust a file of weights."""

import hashlib
import pickle

import pytest
import torch
from torch import nn

from attnbook.mechanisms.sentence_encoder import (
    SentenceEncoder,
    WordPiece,
    load_published,
    mean_of_real,
    verified,
)
from attnbook.mechanisms.sentence_encoder.published import renamed
from attnbook.mechanisms.transformer import EncoderLayer, FeedForward

PIECES = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##able", "##aff", "cafe"),
    *(",", "!", "你", "σοσ", "[", "]", "sep", "a", "##a"),
)


@pytest.fixture
def tokenizer():
    return WordPiece(PIECES)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return SentenceEncoder(len(PIECES), 8, 2, 16, 2, longest=12).double()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Unaffable!", ["un", "##aff", "##able", "!"]),
        ("Café, CAFE\u0301", ["cafe", ",", "cafe"]),
        ("你你", ["你", "你"]),
        ("ΣΟΣ", ["σοσ"]),  # no final sigma
        ("unable unknown", ["un", "##able", "[UNK]"]),  # as a whole
        ("a" * 100, ["a"] + ["##a"] * 99),
        ("a" * 101, ["[UNK]"]),
        ("ca\u200bf\x00é\ufffd\tun", ["cafe", "un"]),
        ("[SEP]", ["[", "sep", "]"]),  # text, not a special token
        (" \n ", []),
    ],
)
def test_a_word_is_cut_into_the_longest_pieces(tokenizer, text, expected):
    assert tokenizer.pieces(text) == expected


def test_a_text_that_is_too_long_keeps_both_special_tokens(tokenizer):
    ids = tokenizer.ids("a a a a a", longest=4)
    assert [PIECES[i] for i in ids] == ["[CLS]", "a", "a", "[SEP]"]
    with pytest.raises(ValueError, match="longest is 1; expected 2"):
        tokenizer.ids("a", longest=1)


def test_padding_stands_behind_and_is_not_real(tokenizer):
    ids, real = tokenizer.batch(["a", "a a a"])
    assert ids.shape == real.shape == (2, 5)
    assert real.sum(1).tolist() == [3, 5]
    assert (ids[~real] == 0).all()


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ((*PIECES, "a"), "a piece twice"),
        (PIECES[1:], r"no \[PAD\]"),
    ],
)
def test_a_broken_vocabulary_is_refused(pieces, message):
    with pytest.raises(ValueError, match=message):
        WordPiece(pieces)


def test_other_sentences_of_the_batch_change_nothing(encoder, tokenizer):
    texts = ["a", "un un a, a!", "", "你"]
    together = encoder.encode(*tokenizer.batch(texts))
    for text, vector in zip(texts, together, strict=True):
        alone = encoder.encode(*tokenizer.batch([text]))
        torch.testing.assert_close(alone[0], vector)
    ones = torch.ones(len(texts)).double()
    torch.testing.assert_close(together.norm(dim=-1), ones)


def test_no_token_attends_to_padding(encoder, tokenizer):
    ids, real = tokenizer.batch(["a", "a a a"])
    _, weights = encoder(ids, real)
    assert len(weights) == 2
    for layer in weights:
        assert layer.shape == (2, 2, 5, 5)
        assert layer[0, :, :, 3:].abs().max() == 0
        torch.testing.assert_close(layer.sum(-1), torch.ones(2, 2, 5).double())


def test_positions_make_order_count(encoder, tokenizer):
    one, other = encoder.encode(*tokenizer.batch(["a un", "un a"]))
    assert (one - other).abs().max() > 1e-3
    with torch.no_grad():
        encoder.embedding.position.weight.zero_()
    one, other = encoder.encode(*tokenizer.batch(["a un", "un a"]))
    torch.testing.assert_close(one, other)


def test_the_mean_is_over_real_tokens():
    tokens = torch.tensor([[[1.0], [3.0], [torch.nan]], [[5.0]] * 3])
    real = torch.tensor([[True, True, False], [False] * 3])
    assert mean_of_real(tokens, real).tolist() == [[2.0], [0.0]]
    with pytest.raises(TypeError, match=r"expected torch\.bool"):
        mean_of_real(tokens, real.long())
    with pytest.raises(ValueError, match="real"):
        mean_of_real(tokens, real[:, :2])


def test_more_tokens_than_positions_are_refused(encoder):
    ids = torch.zeros(1, 13, dtype=torch.long)
    with pytest.raises(ValueError, match="13 tokens in a row; there are 12"):
        encoder(ids, torch.ones(1, 13, dtype=torch.bool))


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_the_layer_is_pytorchs_with_the_same_activation(activation):
    torch.manual_seed(1)
    theirs = nn.TransformerEncoderLayer(
        8, 2, 16, 0.0, activation, 1e-3, batch_first=True
    )
    relu = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)
    relu.load_state_dict(theirs.state_dict())
    ours = EncoderLayer(
        8, 2, 16, norm_first=False, activation=activation, eps=1e-3
    )
    ours.load_state_dict(EncoderLayer.from_torch(relu).state_dict())
    x = torch.randn(2, 5, 8) / 10
    torch.testing.assert_close(ours(x)[0], theirs(x))


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="'swish'; expected one of 'relu'"):
        FeedForward(4, 8, activation="swish")


def test_only_a_file_with_the_digest_is_returned(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert verified(path, digest) == b"weights"
    path.write_bytes(b"weighty")
    with pytest.raises(ValueError, match=r"7 bytes; expected .* not read"):
        verified(path, digest)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="make encoder"):
        verified(path, digest)


class Planted:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return self.path.touch, ()


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("write", ["pickle", "torch"])
def test_a_pickle_is_refused_and_does_not_run(tmp_path, name, write):
    trace, path = tmp_path / "trace", tmp_path / name
    if write == "pickle":
        path.write_bytes(pickle.dumps(Planted(trace)))
    else:
        torch.save(Planted(trace), path)
    with pytest.raises(ValueError, match="is a pickle, which may run any"):
        verified(path, "0" * 64)
    assert not trace.exists()


def test_the_vocabulary_is_verified_too(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES))
    with pytest.raises(ValueError, match=r"vocab\.txt has the SHA-256"):
        load_published(tmp_path)


def test_a_weight_that_has_no_place_is_refused():
    with pytest.raises(ValueError, match=r"decoder\.bias is no weight"):
        renamed({"decoder.bias": torch.zeros(1)})
    assert renamed({"pooler.dense.weight": torch.zeros(1)}) == {}
