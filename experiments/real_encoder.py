"""MiniLM's published weights in this book's own encoder: is it the same model?

    make encoder
    python -m attnbook.experiments.real_encoder

needs the weights, which `make encoder` installs and verifies. It writes three
tables. `real_encoder_equality.csv` has a row per text: its number of tokens,
and the largest difference between this book's encoder and PyTorch's own
layers with the same weights, over the tokens and over the sentence vectors,
with the text alone and in one padded batch of all, and once in float64.
`real_encoder_neighbours.csv` has the nearest sentence of each.
`real_encoder_controls.csv` changes one part at a time, and says by how much
the vectors turn and how many neighbours stay. Pairs of
sentences are known: two say the same in other words.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook.experiments.command import command
from attnbook.mechanisms.sentence_encoder import (
    SentenceEncoder,
    WordPiece,
    load_published,
    mean_of_real,
    published_folder,
    verified,
)
from attnbook.mechanisms.sentence_encoder.published import DIGESTS, WEIGHTS
from attnbook.mechanisms.transformer import FeedForward

TABLES = (
    "real_encoder_equality",
    "real_encoder_neighbours",
    "real_encoder_controls",
)
SEEDS = (0, 1, 2)  # of the random encoders

# Written for this study. Two and two say the same in other words.
PAIRS = (
    ("The train to Oslo leaves at nine.", "We depart for Oslo by rail at 9."),
    ("My bicycle has a flat tyre.", "There is no air left in my bike wheel."),
    ("She plays the violin every evening.", "Each night she practises music."),
    ("The recipe needs three eggs.", "You need eggs for this cake."),
    ("It rained all week.", "The weather was wet for seven days."),
    ("The museum is closed on Mondays.", "You cannot visit it on Monday."),
    ("He forgot the password of his computer.", "He cannot log in any more."),
    ("The cat sleeps on the sofa.", "A kitten is napping on the couch."),
    ("Bread is baked here before dawn.", "The bakery starts work at night."),
    (
        "The bridge was built in 1932.",
        "Workers finished the crossing then.",
    ),
    (
        "The doctor told me to rest for a week, to drink a lot of water, and "
        "to come back if the fever did not go down.",
        "A physician advised me to stay in bed because of my temperature.",
    ),
    (
        "A vector is a list of numbers.",
        "In mathematics, several values in a row form an array.",
    ),
)
SENTENCES = tuple(sentence for pair in PAIRS for sentence in pair)

# Texts at which a tokenizer or a mask may fail.
ODD = (
    "",
    "!",
    "Ångström, naïve café, ΣΟΦΟΣ",
    "你好世界",
    "🙂 unaffable antidisestablishmentarianism",
    "word " * 150,
)


def torch_encoder(
    weights: dict[str, Tensor], ids: Tensor, real: Tensor
) -> Tensor:
    """The tokens (B, S, D), computed by PyTorch's own layers.

    It shares no code with this book's encoder, and reads the published names.

    Args:
        weights: the published tensors, by their published names.
        ids: (B, S).
        real: (B, S), boolean.
    """
    D = weights["embeddings.LayerNorm.weight"].numel()
    layer = nn.TransformerEncoderLayer(
        D, 12, 4 * D, 0.0, "gelu", layer_norm_eps=1e-12, batch_first=True
    )
    stack = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False).eval()
    stack.to(weights["embeddings.LayerNorm.weight"])
    for number, made in enumerate(stack.layers):
        made.load_state_dict(_for_torch(weights, f"encoder.layer.{number}."))
    table = [
        weights[f"embeddings.{name}_embeddings.weight"]
        for name in ("word", "position", "token_type")
    ]
    x = table[0][ids] + table[1][: ids.shape[1]] + table[2][0]
    norm = "embeddings.LayerNorm"
    x = F.layer_norm(
        x, (D,), weights[f"{norm}.weight"], weights[f"{norm}.bias"], 1e-12
    )
    return stack(x, src_key_padding_mask=~real)


def _for_torch(weights: dict[str, Tensor], start: str) -> dict[str, Tensor]:
    """The weights of one layer under the names of PyTorch's."""
    places = {
        "self_attn.out_proj": "attention.output.dense",
        "linear1": "intermediate.dense",
        "linear2": "output.dense",
        "norm1": "attention.output.LayerNorm",
        "norm2": "output.LayerNorm",
    }
    made = {}
    for kind in ("weight", "bias"):
        made[f"self_attn.in_proj_{kind}"] = torch.cat(
            [
                weights[f"{start}attention.self.{name}.{kind}"]
                for name in ("query", "key", "value")
            ]
        )
        for ours, theirs in places.items():
            made[f"{ours}.{kind}"] = weights[f"{start}{theirs}.{kind}"]
    return made


def published_weights() -> dict[str, Tensor]:
    """The published tensors by their published names, verified."""
    from safetensors.torch import load

    return load(verified(published_folder() / WEIGHTS, DIGESTS[WEIGHTS]))


@torch.no_grad()
def equality(encoder: SentenceEncoder, tokenizer: WordPiece) -> list[dict]:
    """One row per text: how far the two implementations are apart."""
    weights = published_weights()
    texts = SENTENCES + ODD
    batch = tokenizer.batch(texts)
    together = _apart(encoder, weights, *batch)
    # Of twice as many bits: what is left of the differences is rounding.
    exact = _apart(
        copy.deepcopy(encoder).double(),
        {
            name: weight.double() if weight.is_floating_point() else weight
            for name, weight in weights.items()
        },
        *batch,
    )
    rows = []
    for number, text in enumerate(texts):
        ids, real = tokenizer.batch([text])
        alone = _apart(encoder, weights, ids, real)
        rows.append(
            {
                "text": text[:48] or "(no text)",
                "tokens": ids.shape[1],
                "tokens alone": alone[0][0],
                "tokens in a batch": together[0][number],
                "vector alone": alone[1][0],
                "vector in a batch": together[1][number],
                "tokens in float64": exact[0][number],
            }
        )
    return rows


def _apart(
    encoder: SentenceEncoder,
    weights: dict[str, Tensor],
    ids: Tensor,
    real: Tensor,
) -> tuple[list[float], list[float]]:
    """Per text, the largest difference of real tokens and of the vector."""
    ours, theirs = encoder(ids, real)[0], torch_encoder(weights, ids, real)
    tokens = (ours - theirs).abs().masked_fill(~real[..., None], 0)
    # Their mean is taken by other means than ours.
    vectors = torch.stack(
        [
            row[kept].mean(0) / row[kept].mean(0).norm()
            for row, kept in zip(theirs, real, strict=True)
        ]
    )
    apart = (encoder.encode(ids, real) - vectors).abs()
    return tokens.amax((1, 2)).tolist(), apart.amax(1).tolist()


def nearest(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The cosine of each sentence's nearest, and its number: (B,) each."""
    cosines = vectors @ vectors.T  # (B, B)
    cosines.fill_diagonal_(-1)
    return cosines.max(1)


class TanhForward(FeedForward):
    """The feed-forward network with the approximation of GELU by tanh."""

    def forward(self, x: Tensor) -> Tensor:
        return self.narrow(F.gelu(self.widen(x), approximate="tanh"))


@torch.no_grad()
def variants(tokenizer: WordPiece) -> dict[str, Tensor]:
    """The vectors (B, D) of the sentences, by what was changed."""
    ids, real = tokenizer.batch(SENTENCES)
    encoder, _ = load_published()
    made = {"nothing": encoder.encode(ids, real)}
    made["ReLU for GELU"] = load_published(activation="relu")[0].encode(
        ids, real
    )
    made["ε = 1e-5"] = load_published(eps=1e-5)[0].encode(ids, real)
    tokens, _ = encoder(ids, real)
    everything = torch.ones_like(real)
    unmasked, _ = encoder(ids, everything)
    pieces = encoder.embedding.piece(ids)
    made |= {
        "attention sees padding": mean_of_real(unmasked, real),
        "mean over padding too": mean_of_real(tokens, everything),
        "[CLS] for the mean": tokens[:, 0],
        "mean of piece embeddings": mean_of_real(pieces, real),
    }
    for layer in encoder.layers:
        layer.feed_forward.__class__ = TanhForward
    made["GELU by tanh"] = encoder.encode(ids, real)
    for layer in encoder.layers:
        layer.feed_forward.__class__ = FeedForward
    encoder.embedding.position.weight.zero_()
    made["no positions"] = encoder.encode(ids, real)
    for seed in SEEDS:
        torch.manual_seed(seed)
        random = SentenceEncoder(len(tokenizer.vocabulary)).eval()
        made[f"random weights, seed {seed}"] = random.encode(ids, real)
    return {name: F.normalize(vector, dim=-1) for name, vector in made.items()}


def controls(vectors: dict[str, Tensor]) -> list[dict]:
    """One row per change: how far the vectors turn, which neighbours stay."""
    right = vectors["nothing"]
    partner = torch.arange(len(right)) ^ 1  # sentence 0 and 1 are a pair
    _, usual = nearest(right)
    rows = []
    for name, changed in vectors.items():
        cosines = (right * changed).sum(1)
        _, found = nearest(changed)
        rows.append(
            {
                "changed": name,
                "mean cosine": cosines.mean().item(),
                "lowest cosine": cosines.min().item(),
                "largest difference": (right - changed).abs().max().item(),
                "neighbours kept": int((found == usual).sum()),
                "pairs found": int((found == partner).sum()),
                "sentences": len(right),
            }
        )
    return rows


def neighbours(vectors: Tensor) -> list[dict]:
    """One row per sentence: its nearest, and whether that is its partner."""
    return [
        {
            "sentence": SENTENCES[number],
            "nearest": SENTENCES[found],
            "cosine": cosine,
            "partner": int(found == number ^ 1),
        }
        for number, (cosine, found) in enumerate(
            zip(*map(Tensor.tolist, nearest(vectors)), strict=True)
        )
    ]


def run() -> dict[str, list[dict]]:
    """Compare, look for neighbours, and change one part at a time."""
    torch.set_num_threads(1)
    encoder, tokenizer = load_published()
    vectors = variants(tokenizer)
    rows = (
        equality(encoder, tokenizer),
        neighbours(vectors["nothing"]),
        controls(vectors),
    )
    return dict(zip(TABLES, rows, strict=True))


if __name__ == "__main__":
    command(__doc__, TABLES, run)
