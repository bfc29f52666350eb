"""The published weights in this book's encoder: the same model as PyTorch's.

Where the weights are not installed, the tests that need them are skipped,
loudly; what the committed tables say is tested everywhere.
"""

import importlib.util
import json
import random
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import torch

from attnbook.experiments import real_encoder, table
from attnbook.experiments.real_encoder import ODD, PAIRS, SENTENCES
from attnbook.mechanisms.sentence_encoder import (
    load_published,
    published_folder,
)

ROOT = Path(__file__).resolve().parents[2]
LOUD = "THE REAL ENCODER IS NOT INSTALLED AND WAS NOT TESTED: make encoder"
HARMLESS = ("ε = 1e-5", "GELU by tanh")
NEEDED = ("ReLU for GELU", "no positions", "attention sees padding")


@pytest.fixture(scope="module")
def real():
    """The encoder and its tokenizer, where they are installed."""
    torch.set_num_threads(1)
    try:
        return load_published()
    except (FileNotFoundError, ModuleNotFoundError) as missing:
        pytest.skip(f"{LOUD} ({missing})")


@pytest.fixture(scope="module")
def other_tokenizer(real):
    """The ids of a text from an independent implementation."""
    if importlib.util.find_spec("tokenizers") is None:
        pytest.skip(f"{LOUD} (tokenizers is missing)")
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(published_folder() / "tokenizer.json"))
    made.no_padding()
    made.no_truncation()
    return lambda text: made.encode(text).ids


def lines_of_the_book():
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            yield from "".join(cell["source"]).split("\n")


def random_texts(number=600):
    """Texts of characters that Unicode has had since 2002."""
    known, draw = unicodedata.ucd_3_2_0, random.Random(5)
    ranges = ((32, 127), (160, 0x600), (0x900, 0xE00), (0x1E00, 0x3100))
    ranges += ((0x4E00, 0x9FA0), (0xAC00, 0xD7A0), (0xF900, 0x10000))
    while number:
        signs = [chr(draw.randrange(*draw.choice(ranges))) for _ in range(30)]
        yield "".join(s for s in signs if known.category(s) != "Cn")
        number -= 1


def test_the_tokenizer_agrees_with_another_one(real, other_tokenizer):
    odd = (
        *("", " ", "don't!", "a" * 100, "a" * 101, "x\u200by\x00z\ufffd"),
        *("İstanbul ß ﬁ", "日本語テキスト 한국어", "हिन्दी १२३", "😀 🏳️‍🌈 ~`^$"),
        "tab\tnew\nline\r\u2028\u00a0end",
    )
    book = [text for text in lines_of_the_book() if "[" not in text]
    texts = [*SENTENCES, *ODD, *odd, *random_texts(), *book]
    assert len(texts) > 3000
    wrong = [t for t in texts if real[1].ids(t) != other_tokenizer(t)]
    assert not wrong, wrong[:3]


def test_ours_is_pytorchs_encoder_with_the_same_weights(real):
    rows = real_encoder.equality(*real)
    assert len(rows) == len(SENTENCES) + len(ODD) >= 20
    for row in rows:
        for column, apart in row.items():
            if column not in ("text", "tokens"):
                assert apart < 1e-5, (row["text"], column)
        assert row["tokens in float64"] < 1e-12, row["text"]


def test_the_tables_are_repeated(real):
    made = real_encoder.variants(real[1])
    for again, committed in zip(
        real_encoder.controls(made),
        table("real_encoder_controls"),
        strict=True,
    ):
        assert again == pytest.approx(committed, abs=1e-4)
    for again, committed in zip(
        real_encoder.neighbours(made["nothing"]),
        table("real_encoder_neighbours"),
        strict=True,
    ):
        assert again == pytest.approx(committed, abs=1e-4)


def test_the_book_needs_neither_the_weights_nor_their_reader():
    needed = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "safetensors" not in needed
    assert "minilm" not in needed
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import attnbook.mechanisms.sentence_encoder, sys; "
            "print({'safetensors', 'tokenizers'} & {*sys.modules})",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"


def test_the_table_says_that_both_are_equal():
    rows = table("real_encoder_equality")
    assert len(rows) == len(SENTENCES) + len(ODD)
    for row in rows:
        assert row["text"]
        assert max(row[name] for name in list(row)[2:]) < 1e-5
        assert row["tokens in float64"] < 1e-12


def control(name):
    (row,) = (
        r for r in table("real_encoder_controls") if r["changed"] == name
    )
    return row


@pytest.mark.parametrize("name", NEEDED)
def test_a_wrong_part_turns_the_vectors(name):
    assert control(name)["mean cosine"] < 0.9


@pytest.mark.parametrize("name", HARMLESS)
def test_epsilon_and_the_form_of_gelu_hardly_show(name):
    assert control(name)["lowest cosine"] > 0.99999
    assert control(name)["largest difference"] > 1e-5


def test_sensible_neighbours_do_not_show_the_wrong_part():
    assert control("nothing")["pairs found"] == 23
    for name in NEEDED:
        assert control(name)["pairs found"] >= 20
    assert control("[CLS] for the mean")["pairs found"] == 24
    assert control("mean of piece embeddings")["pairs found"] == 17


def test_random_weights_find_few_pairs():
    for seed in real_encoder.SEEDS:
        row = control(f"random weights, seed {seed}")
        assert row["pairs found"] <= len(PAIRS) / 2


def test_sizes_and_constants_are_those_of_the_published_configuration(real):
    encoder, _ = real
    folder = published_folder()
    said = json.loads((folder / "config.json").read_text("utf-8"))
    pooled = json.loads((folder / "1_Pooling/config.json").read_text("utf-8"))
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    assert said["layer_norm_eps"] == encoder.embedding.norm.eps == 1e-12
    assert said["hidden_act"] == "gelu"  # the exact one, by transformers
    assert said["position_embedding_type"] == "absolute"
    assert said["num_hidden_layers"] == len(encoder.layers)
    heads = {layer.attention.num_heads for layer in encoder.layers}
    assert heads == {said["num_attention_heads"]}
    assert pooled["pooling_mode_mean_tokens"]
    assert modules[-1]["type"].endswith("Normalize")
