"""A sentence encoder: whole sentences in, one unit vector each out.

The layers are those of the Transformer chapter, in post-norm with GELU, as in
BERT (Devlin et al. 2019). Around them stand a tokenizer that cuts words into
pieces, embeddings of pieces, positions and types, and a mean over the real
tokens (Reimers and Gurevych 2019). `load_published` puts published weights
in it.
"""

from attnbook.mechanisms.sentence_encoder.encoder import (
    SentenceEncoder,
    TokenEmbedding,
    mean_of_real,
)
from attnbook.mechanisms.sentence_encoder.published import (
    load_published,
    published_folder,
    verified,
)
from attnbook.mechanisms.sentence_encoder.word_pieces import WordPiece

__all__ = [
    "SentenceEncoder",
    "TokenEmbedding",
    "WordPiece",
    "load_published",
    "mean_of_real",
    "published_folder",
    "verified",
]
