"""Retrieval and citation: find documents, read them, say which one it was.

`ranking` searches by words and scores rankings; `retriever` searches by
vectors; `reader` points at the answer in what was found; `attribution` asks
which document an answer came from.
"""

from attnbook.mechanisms.retrieval.attribution import (
    ATTRIBUTIONS,
    ablation,
    area_under_curve,
    attention_mass,
    attributions,
    gradient_times_input,
    mass_per_token,
    mass_times_norm,
    per_document,
)
from attnbook.mechanisms.retrieval.ranking import (
    BM25,
    fused,
    ranks,
    recall_at,
)
from attnbook.mechanisms.retrieval.reader import (
    DocumentReader,
    Read,
    reading_loss,
)
from attnbook.mechanisms.retrieval.retriever import BiEncoder, retrieval_loss

__all__ = [
    "ATTRIBUTIONS",
    "BM25",
    "BiEncoder",
    "DocumentReader",
    "Read",
    "ablation",
    "area_under_curve",
    "attention_mass",
    "attributions",
    "fused",
    "gradient_times_input",
    "mass_per_token",
    "mass_times_norm",
    "per_document",
    "ranks",
    "reading_loss",
    "recall_at",
    "retrieval_loss",
]
