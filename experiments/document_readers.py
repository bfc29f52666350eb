"""Readers of documents: what they find, what they cite, and what says so.

    python -m attnbook.experiments.document_readers

trains small readers on documents about things that do not exist, each with a
seed of its own, and asks them about things whose names training never showed.
It writes five tables.

- `reader_rates.csv`: learning rates that were tried with the first seed, on
  names of training in documents that were not seen; they choose.
- `reader_answers.csv`: share of questions answered rightly with 0 to 16
  documents, in known and in new wordings; "not found" where there is no
  answer, and falsely.
- `reader_places.csv`: the same by the place of the right document.
- `reader_factors.csv`: two documents contradict each other, and one of them
  has a form that the other has not. How often that one is cited, in both
  orders, for readers that were trained without a rule, and for readers that
  were trained to prefer definitions.
- `reader_attributions.csv`: area under the curve of five attributions, against
  three truths: which document has the answer; which of two contradicting
  documents decides, found by changing its value; the same where the other one
  is three times as long.

The reader is the unit: 2,000 questions to one reader are one measurement.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from attnbook.data import documents as d
from attnbook.experiments.command import command
from attnbook.experiments.rates import widened
from attnbook.mechanisms.retrieval import (
    ATTRIBUTIONS,
    DocumentReader,
    area_under_curve,
    attributions,
    reading_loss,
)

TABLES = (
    "reader_rates",
    "reader_answers",
    "reader_places",
    "reader_factors",
    "reader_attributions",
)
SEEDS = (0, 1, 2, 3, 4)
PLANTED_SEEDS = (0, 1, 2)
RATES = (2e-3, 4e-3)
STEPS = 2000
BATCH, QUESTIONS, MOST = 16, 8, 5
COUNTS = (1, 2, 4, 8, 16)
PLACES = (2, 5, 10, 20)
TWINS = 0.3  # documents that contradict the one before, in training
RULE = 0.8


def trained(
    seed: int, rate: float, steps: int = STEPS, rule: float = 0.0
) -> DocumentReader:
    """A reader, trained on rows of 2 to 5 documents and 8 questions."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = DocumentReader(len(d.WORDS), places=20)
    optimiser = torch.optim.Adam(model.parameters(), rate)
    for step in range(steps):
        made = d.reading(
            BATCH,
            int(rng.integers(2, MOST + 1)),
            QUESTIONS,
            rng,
            twins=TWINS,
            rule=rule,
        )
        for group in optimiser.param_groups:
            up, down = (step + 1) / 50, (steps - step) / (0.3 * steps)
            group["lr"] = rate * min(1.0, up, down)
        owner = scattered(made.owner, rng)
        share = model(made.documents, made.questions, owner).log_share
        loss = reading_loss(share, made.answers)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return model.eval()


def scattered(owner: torch.Tensor, rng) -> torch.Tensor:
    """Places for documents, in order but with gaps, from 0 to 19.

    So all twenty places are trained, although rows have five documents.
    """
    B, count = len(owner), int(owner.max()) + 1
    chosen = np.sort(rng.random((B, 20)).argsort(1)[:, :count], 1)
    places = torch.from_numpy(chosen).gather(1, owner.clamp(min=0))
    return torch.where(owner < 0, -1, places)


@torch.no_grad()
def right(model: DocumentReader, made: d.Reading) -> torch.Tensor:
    """Whether each question was answered rightly: (B, Q)."""
    share = model(made.documents, made.questions, made.owner).log_share
    best = share.argmax(-1, keepdim=True)
    # The right word, wherever it stands, is a right answer.
    words = made.documents[:, None].expand(share.shape)
    given, wanted = words.gather(-1, best), words * made.answers
    return (given == wanted).any(-1)


def answers(model: DocumentReader, names: dict, count: int) -> list[dict]:
    """Rows of `reader_answers`."""
    rows = []
    for documents in COUNTS:
        for wording in ("known", "new"):
            made = d.reading(
                count,
                documents,
                4,
                np.random.default_rng(100),
                held=True,
                wordings=(4,) if wording == "new" else (0, 1, 2, 3),
            )
            hit = right(model, made)
            # Hide the document that has the answer, where one has it.
            without = hidden(model, made)
            rows.append(
                {
                    **names,
                    "documents": documents,
                    "wording": wording,
                    "found": share_of(hit[made.known]),
                    "not found": share_of(hit[~made.known]),
                    "answered without its document": share_of(
                        without[made.known]
                    ),
                    "questions": made.known.numel(),
                }
            )
    return rows


def share_of(hits: torch.Tensor) -> float:
    return hits.double().mean().item()


@torch.no_grad()
def hidden(model: DocumentReader, made: d.Reading) -> torch.Tensor:
    """Whether the right word is given though its document is hidden."""
    found = []
    for q in range(made.questions.shape[1]):
        allowed = made.owner != made.asked[:, q, None]
        one = made.questions[:, q : q + 1]
        read = model(made.documents, one, made.owner, allowed=allowed)
        best = read.log_share[:, 0].argmax(-1, keepdim=True)
        given = made.documents.gather(-1, best)
        wanted = made.documents * made.answers[:, q]
        found.append(((given == wanted) & (given > d.HEAD)).any(-1))
    return torch.stack(found, 1)


def places(model: DocumentReader, names: dict, count: int) -> list[dict]:
    """Rows of `reader_places`: the right document first, middle, last."""
    rows = []
    for documents in PLACES:
        made = d.reading(
            count, documents, 8, np.random.default_rng(200), True, known=1.0
        )
        hit = right(model, made)
        at = {"first": 0, "middle": documents // 2, "last": documents - 1}
        if documents == 2:
            del at["middle"]
        for place, number in at.items():
            mine = (made.asked == number) & made.known
            rows.append(
                {
                    **names,
                    "documents": documents,
                    "place": place,
                    "found": share_of(hit[mine]),
                    "questions": int(mine.sum()),
                }
            )
    return rows


def duel(
    count: int, rng: np.random.Generator, forms: dict[str, np.ndarray]
) -> tuple[d.Reading, d.Content]:
    """Two documents that contradict each other, and a question.

    Args:
        count: B.
        rng: what chooses.
        forms: for a form of `FORMS`, boolean (B, 2).
    """
    what = d.content(count, 2, rng, held=True)
    what.said[..., 1] = False
    what = d.contradicted(what, np.ones((count, 2), bool), rng)
    return asked_of(what, rng, forms), what


def asked_of(
    what: d.Content, rng: np.random.Generator, forms: dict[str, np.ndarray]
) -> d.Reading:
    """Documents of that content, with a question about the first thing."""
    B = len(what.kind)
    tokens, owner, fact, _ = d.write(what, rng, forms, nicknames=0.0)
    texts = d.ask(what.relation[:, :1, 0], what.name[:, :1], rng)
    none = np.full((B, 1), d.NONE)
    tokens = np.concatenate([none, tokens], 1)
    owner = np.concatenate([none * 0 - 1, owner], 1)
    owner = np.where(tokens == d.PAD, -1, owner)
    fact = np.concatenate([none * 0 - 1, fact], 1)
    return d.Reading(
        *map(
            torch.from_numpy,
            (
                tokens,
                owner,
                texts,
                (fact >= 0)[:, None] & (fact % 2 == 0)[:, None],
                np.zeros((B, 1), int),
                np.ones((B, 1), bool),
            ),
        )
    )


@torch.no_grad()
def cited(model: DocumentReader, made: d.Reading) -> torch.Tensor:
    """The document that is pointed at, (B,); -1 for none."""
    share = model(made.documents, made.questions, made.owner).log_share
    best = share[:, 0].argmax(-1, keepdim=True)
    return made.owner.gather(-1, best)[:, 0]


def factors(model: DocumentReader, names: dict, count: int) -> list[dict]:
    """Rows of `reader_factors`: one form at a time, and all pairs of two."""
    rows = []
    pairs = [
        (one, other)
        for i, one in enumerate(d.FORMS)
        for other in d.FORMS[i + 1 :]
    ]
    for form in [(), *((f,) for f in d.FORMS), *pairs]:
        for first in (True, False):
            rng = np.random.default_rng(300)
            has = np.zeros((count, 2), bool)
            has[:, 0 if first else 1] = True
            made, _ = duel(count, rng, {f: has for f in form})
            by = cited(model, made)
            mine = 0 if first else 1
            rows.append(
                {
                    **names,
                    "form": " + ".join(form) or "none",
                    "stands": "first" if first else "second",
                    "cited": share_of(by[by >= 0] == mine),
                    "nothing found": share_of(by < 0),
                    "questions": count,
                }
            )
    return rows


def decided_by(
    model: DocumentReader, what: d.Content, forms: dict, seed: int
) -> torch.Tensor:
    """Which document decides, (B, 2): its value, changed, changes the answer.

    This truth does not delete anything, so it does not favour ablation.
    """

    def word(content: d.Content) -> torch.Tensor:
        made = asked_of(content, np.random.default_rng(seed), forms)
        with torch.no_grad():
            read = model(made.documents, made.questions, made.owner)
        best = read.log_share[:, 0].argmax(-1, keepdim=True)
        return made.documents.gather(-1, best)[:, 0]

    before, decides = word(what), []
    for n in (0, 1):
        value = what.value.copy()
        other = (value[:, 1 - n] - value[:, n]) % 10
        step = np.where(other == 1, 2, 1)  # never the other's value
        value[:, n] = (value[:, n] + step) % 10
        decides.append(word(what._replace(value=value)) != before)
    return torch.stack(decides, -1)


def judged(model: DocumentReader, names: dict, count: int) -> list[dict]:
    """Rows of `reader_attributions`."""
    rows = []

    def note(truth: str, found: dict, true: torch.Tensor, used: float):
        rows.extend(
            {
                **names,
                "truth": truth,
                "attribution": name,
                "area": area_under_curve(found[name], true),
                "highest": share_of(
                    true.gather(-1, found[name].argmax(-1, keepdim=True))
                ),
                "share": used,
            }
            for name in ATTRIBUTIONS
        )

    made = d.reading(count // 4, 4, 4, np.random.default_rng(400), True, 1.0)
    hit = right(model, made) & made.known
    inputs = (made.documents, made.owner, made.questions)
    found = attributions(model, *inputs, 4)
    true = torch.nn.functional.one_hot(made.asked, 4).bool()
    kept = {name: each[hit] for name, each in found.items()}
    note("has the answer", kept, true[hit], share_of(hit))
    for truth, form in (
        ("decides", {}),
        ("decides, the other is long", {"length": None, "definition": None}),
    ):
        rng = np.random.default_rng(500)
        has = np.zeros((count, 2), bool)
        has[np.arange(count), rng.integers(2, size=count)] = True
        forms = dict.fromkeys(form, has)
        what = d.content(count, 2, rng, held=True)
        what.said[..., 1] = False
        what = d.contradicted(what, np.ones((count, 2), bool), rng)
        decides = decided_by(model, what, forms, 501)
        one = decides.sum(-1) == 1
        if form:  # the document that decides is the short one
            short = ~torch.from_numpy(has)
            one &= (decides & short).any(-1)
        made = asked_of(what, np.random.default_rng(501), forms)
        inputs = (made.documents, made.owner, made.questions)
        found = attributions(model, *inputs, 2)
        kept = {name: each[one, 0] for name, each in found.items()}
        note(truth, kept, decides[one], share_of(one))
    return rows


def run(
    seeds: Sequence[int] = SEEDS, steps: int = STEPS, count: int = 400
) -> dict[str, list[dict]]:
    """Train all readers, and measure each: the rows of all tables."""
    tables: dict[str, list[dict]] = {name: [] for name in TABLES}
    first: dict[float, DocumentReader] = {}

    def loss(rate: float) -> float:
        first[rate] = trained(seeds[0], rate, steps)
        made = d.reading(200, 4, 4, np.random.default_rng(50))
        with torch.no_grad():
            read = first[rate](made.documents, made.questions, made.owner)
        return reading_loss(read.log_share, made.answers).item()

    rate, tried = widened(loss, RATES)
    tables["reader_rates"] = [
        {"rate": each, "loss": tried[each], "seed": seeds[0]}
        for each in sorted(tried)
    ]
    for rule in (0.0, RULE):
        for seed in seeds if not rule else seeds[: len(PLANTED_SEEDS)]:
            model = trained(seed, rate, steps, rule)
            names = {"rule": rule, "seed": seed}
            tables["reader_factors"] += factors(model, names, count)
            if not rule:
                tables["reader_answers"] += answers(model, names, count)
                tables["reader_places"] += places(model, names, count)
                tables["reader_attributions"] += judged(model, names, count)
            print(rule, seed, *tables["reader_answers"][-4:-2], flush=True)
    return tables


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS, steps=STEPS, count=400)
