"""Wrong answers to the exercises of chapter 06 that are no known mistake."""

import heapq

import pytest
import torch
import torch.nn.functional as F
from unforeseen import assert_told_by_its_numbers

from attnbook.checks.transformer import EXERCISES


def added_twice(x, mask, layers, final, eps):
    twice = [{**layer, "narrow": 2 * layer["narrow"]} for layer in layers]
    right = EXERCISES["06-encode"].reference
    return right(x, mask, twice, final, eps)


def smoothed_by_half(logits, target, prior, smoothing, padding):
    right = EXERCISES["06-smoothed-loss"].reference
    return right(logits, target, prior, smoothing / 2, padding)


class ReadLouder(EXERCISES["06-cross-attention-cache"].reference):
    def read(self, memory, mask):
        super().read(2 * memory, mask)


def with_six_and_seven(step, beam, length, alpha, bos, eos):
    right = EXERCISES["06-normalised-beam-search"].reference
    answers, scores = right(step, beam, length, 0.0, bos, eos)
    pairs = zip(answers, scores, strict=True)
    scored = [(s / ((6 + len(t)) / 7) ** alpha, t) for t, s in pairs]
    scored.sort(reverse=True)
    return [t for _, t in scored], [s for s, _ in scored]


UNFORESEEN = {
    "06-encode": added_twice,
    "06-smoothed-loss": smoothed_by_half,
    "06-cross-attention-cache": ReadLouder,
    "06-normalised-beam-search": with_six_and_seven,
}


@pytest.mark.parametrize("grade_id", UNFORESEEN)
def test_what_nobody_foresaw_is_told_by_its_numbers(grade_id):
    diagnosis = EXERCISES[grade_id].diagnose(UNFORESEEN[grade_id])
    assert_told_by_its_numbers(diagnosis)


def test_the_gradient_of_an_input_deep_down_is_told_by_its_place():
    def without_one_gradient(x, mask, layers, final, eps):
        cut = [{**layer, "wide": layer["wide"].detach()} for layer in layers]
        return exercise.reference(x, mask, cut, final, eps)

    exercise = EXERCISES["06-encode"]
    diagnosis = exercise.diagnose(without_one_gradient)
    assert "with respect to `layers[0]['wide']` is not" in diagnosis.message


def test_a_beam_may_come_back_as_tensors():
    def in_tensors(*arguments):
        answers, scores = exercise.reference(*arguments)
        return [torch.tensor(tokens) for tokens in answers], torch.tensor(
            scores
        )

    exercise = EXERCISES["06-normalised-beam-search"]
    assert exercise.diagnose(in_tensors) is None


@pytest.mark.parametrize("wrong", [3, [1, 2], ([2, 1], -0.9)])
def test_a_beam_of_another_form_is_asked_for_two_lists(wrong):
    exercise = EXERCISES["06-normalised-beam-search"]
    diagnosis = exercise.diagnose(lambda *arguments: wrong)
    assert "a list of lists of token ids" in diagnosis.message


def test_a_uniform_prior_is_told_by_the_loss_whatever_the_floor():
    def by_torch(logits, target, prior, smoothing, padding):
        loss = F.cross_entropy(
            logits.mT, target, ignore_index=padding, label_smoothing=smoothing
        )
        return loss, torch.special.entr(prior).sum()

    diagnosis = EXERCISES["06-smoothed-loss"].diagnose(by_torch)
    assert diagnosis.mistake == "uniform in place of the prior"


def test_loss_and_floor_of_nothing_may_be_plain_zeros():
    def right(logits, target, prior, smoothing, padding):
        if not (target != padding).any():
            return 0, 0.0
        return exercise.reference(logits, target, prior, smoothing, padding)

    exercise = EXERCISES["06-smoothed-loss"]
    assert exercise.diagnose(right) is None


# -- what a mistake costs ----------------------------------------------------


def earned(grade_id, answer):
    """The names of the parts that an answer earns."""
    exercise = EXERCISES[grade_id]
    return [
        part.name
        for part in exercise.parts
        if exercise.diagnose(answer, part.name) is None
    ]


def encode_with_the_last_norm_in_the_loop(x, mask, layers, final, eps):
    right = EXERCISES["06-encode"].reference
    for layer in layers:
        x = right(x, mask, [layer], final, eps)
    return x


def loss_with_a_floor_by_hand(logits, target, prior, smoothing, padding):
    V = logits.shape[-1]
    q = (1 - smoothing) * F.one_hot(target, V) + smoothing * prior
    losses = -(q * logits.log_softmax(-1)).sum(-1)
    floors = -(q * q.log()).sum(-1)
    real = target != padding
    count = max(1, int(real.sum()))
    return losses[real].sum() / count, floors[real].sum() / count


def loss_that_replaces_nan(logits, target, prior, smoothing, padding):
    V = logits.shape[-1]
    q = (1 - smoothing) * F.one_hot(target, V) + smoothing * prior
    losses = -(q * logits.log_softmax(-1)).sum(-1)
    real = target != padding
    loss, floor = (
        (x * real).sum() / real.sum()
        for x in (losses, torch.special.entr(q).sum(-1))
    )
    return torch.where(real.any(), loss, 0), torch.where(real.any(), floor, 0)


@pytest.mark.parametrize(
    ("grade_id", "answer", "parts"),
    [
        (
            "06-encode",
            encode_with_the_last_norm_in_the_loop,
            ["two", "four"],
        ),
        (
            "06-smoothed-loss",
            loss_with_a_floor_by_hand,
            ["values", "gradient"],
        ),
        ("06-smoothed-loss", loss_that_replaces_nan, ["values", "bounds"]),
    ],
)
def test_a_mistake_at_the_edge_costs_its_own_part(grade_id, answer, parts):
    assert earned(grade_id, answer) == parts


def test_another_token_than_padding_is_not_left_out_too():
    def without_0(logits, target, prior, smoothing, padding):
        target = torch.where(target == 0, padding, target)
        return exercise.reference(logits, target, prior, smoothing, padding)

    exercise = EXERCISES["06-smoothed-loss"]
    assert exercise.missed(without_0) == ["padding that is token 3"]


# -- a cache of cross-attention -----------------------------------------------


Cache = EXERCISES["06-cross-attention-cache"].reference


class Appends(Cache):
    """A second source of as many rows is read after the first."""

    def read(self, memory, mask):
        before = getattr(self, "key", None), getattr(self, "value", None)
        seen = getattr(self, "mask", None)
        super().read(memory, mask)
        if seen is not None and len(seen) == len(mask):
            self.key = torch.cat([before[0], self.key], 2)
            self.value = torch.cat([before[1], self.value], 2)
            self.mask = torch.cat([seen, mask], 1)


class Squeezes(Cache):
    """All axes of size 1 go, that of a batch of one too."""

    def step(self, x):
        query = self.split((x @ self.W_q.T)[:, None])
        scores = (query @ self.key.transpose(2, 3)).squeeze()
        scores = scores / self.key.shape[-1] ** 0.5
        weights = scores.masked_fill(~self.mask[:, None], -torch.inf)
        weights = weights.softmax(-1).nan_to_num()
        heads = (weights[:, :, None] @ self.value).squeeze()
        return heads.flatten(1) @ self.W_o.T, weights


class Defers(Cache):
    """`select` marks the rows, and the next step projects them again."""

    def read(self, memory, mask):
        self.memory, self.mask, self.stale = memory, mask, True

    def step(self, x):
        if self.stale:
            super().read(self.memory, self.mask)
            self.stale = False
        return super().step(x)

    def select(self, rows):
        self.read(self.memory[rows], self.mask[rows])


class ForgetsAtNoRead(Cache):
    """Projects when it first has to, whatever is read afterwards."""

    def read(self, memory, mask):
        self.memory, self.allowed = memory, mask

    def project(self):
        if not hasattr(self, "key"):
            super().read(self.memory, self.allowed)

    def step(self, x):
        self.project()
        return super().step(x)

    def select(self, rows):
        self.project()
        super().select(rows)


class PerRow(Cache):
    """A list of rows, each with the keys and values of its heads."""

    def read(self, memory, mask):
        self.rows = [
            (
                (source @ self.W_k.T).chunk(self.num_heads, 1),
                (source @ self.W_v.T).chunk(self.num_heads, 1),
                allowed,
            )
            for source, allowed in zip(memory, mask, strict=True)
        ]

    def select(self, rows):
        self.rows = [self.rows[row] for row in rows.tolist()]

    def step(self, x):
        outputs, maps = [], []
        for one, (keys, values, allowed) in zip(x, self.rows, strict=True):
            queries = (self.W_q @ one).chunk(self.num_heads)
            scores = torch.stack(
                [
                    key @ query / len(query) ** 0.5
                    for key, query in zip(keys, queries, strict=True)
                ]
            ).masked_fill(~allowed, -torch.inf)
            if allowed.any():
                weights = scores.softmax(-1)
            else:
                weights = torch.zeros_like(scores)
            heads = [
                row @ value for row, value in zip(weights, values, strict=True)
            ]
            outputs.append(self.W_o @ torch.cat(heads))
            maps.append(weights)
        return torch.stack(outputs), torch.stack(maps)


@pytest.mark.parametrize(
    ("cache", "case"),
    [
        (Appends, "a second source after some steps"),
        (ForgetsAtNoRead, "a second source after some steps"),
        (Squeezes, "fewer and more rows"),
    ],
)
def test_a_cache_that_fails_at_a_turn_fails_in_its_case(cache, case):
    assert case in EXERCISES["06-cross-attention-cache"].missed(cache)


def test_a_cache_that_projects_after_each_choice_has_kept_nothing():
    diagnosis = EXERCISES["06-cross-attention-cache"].diagnose(Defers)
    assert diagnosis.mistake == "the source projected anew"


class AddsInfinity(Cache):
    """Hidden places get -inf added, and the NaN of empty rows is replaced."""

    def step(self, x):
        hidden = torch.zeros(self.mask.shape).masked_fill(
            ~self.mask, -torch.inf
        )
        query = self.split((x @ self.W_q.T)[:, None])
        scores = (query @ self.key.transpose(2, 3)).squeeze(2)
        scores = scores / self.key.shape[-1] ** 0.5 + hidden[:, None]
        weights = torch.nan_to_num(scores.softmax(-1))
        heads = torch.einsum("bhs,bhsd->bhd", weights, self.value)
        return heads.flatten(1) @ self.W_o.T, weights


class FillsWithInfinity(Cache):
    """masked_fill stops the gradient of the empty rows."""

    def step(self, x):
        query = self.split((x @ self.W_q.T)[:, None])
        scores = (query @ self.key.transpose(2, 3)).squeeze(2)
        scores = scores / self.key.shape[-1] ** 0.5
        scores = scores.masked_fill(~self.mask[:, None], -torch.inf)
        weights = torch.nan_to_num(scores.softmax(-1))
        heads = torch.einsum("bhs,bhsd->bhd", weights, self.value)
        return heads.flatten(1) @ self.W_o.T, weights


def test_nan_in_the_gradient_of_an_empty_source_is_found():
    parts = ["steps", "select", "cost"]
    assert earned("06-cross-attention-cache", AddsInfinity) == parts


def test_a_replaced_nan_without_a_gradient_is_no_mistake():
    diagnosis = EXERCISES["06-cross-attention-cache"].diagnose(
        FillsWithInfinity
    )
    assert diagnosis is None


def test_wrong_rows_are_not_said_to_cost_too_much():
    class LeavesTheValues(Cache):
        def select(self, rows):
            self.key, self.mask = self.key[rows], self.mask[rows]

    exercise = EXERCISES["06-cross-attention-cache"]
    message = exercise.diagnose(LeavesTheValues, "cost").message
    assert "the outputs are not those of attention" in message
    assert "twice the products" not in message


def test_a_cache_may_be_a_list_of_rows():
    assert EXERCISES["06-cross-attention-cache"].diagnose(PerRow) is None


# -- a smoothed loss -----------------------------------------------------


def test_rows_are_counted_by_their_target_and_not_from_the_left():
    def from_the_left(logits, target, prior, smoothing, padding):
        lengths = (target != padding).sum(1)
        places = torch.arange(target.shape[1])
        spared = 1 if padding == 0 else 0
        counted = torch.where(
            places < lengths[:, None],
            torch.where(target == padding, spared, target),
            padding,
        )
        return exercise.reference(logits, counted, prior, smoothing, padding)

    exercise = EXERCISES["06-smoothed-loss"]
    assert exercise.missed(from_the_left) == ["padding that is token 3"]


def test_a_loss_may_be_in_double_precision():
    def in_double(logits, target, prior, smoothing, padding):
        return exercise.reference(
            logits.double(), target, prior.double(), smoothing, padding
        )

    exercise = EXERCISES["06-smoothed-loss"]
    assert exercise.diagnose(in_double) is None


# -- a beam -----------------------------------------------------


def by_heap(step, beam, length, alpha, bos, eos):
    """Answers in dictionaries, a call of `step` for each prefix."""
    living, ended = {(bos,): 0.0}, {}
    for _ in range(length):
        grown = {}
        for prefix, total in living.items():
            (row,) = torch.log(torch.softmax(step(torch.tensor([prefix])), 1))
            for token, gain in enumerate(row.tolist()):
                grown[(*prefix, token)] = total + gain
        best = heapq.nlargest(beam - len(ended), grown, key=grown.get)
        living = {p: grown[p] for p in best if p[-1] != eos}
        ended |= {p: grown[p] for p in best if p[-1] == eos}
    scores = {
        p[1:]: total * (6 / (4 + len(p))) ** alpha
        for p, total in (living | ended).items()
    }
    order = sorted(scores, key=scores.get)[::-1]
    return tuple(order), tuple(map(scores.get, order))


def test_a_beam_may_stand_in_dictionaries():
    assert EXERCISES["06-normalised-beam-search"].diagnose(by_heap) is None


@pytest.mark.parametrize(
    ("asked", "wrong", "name"),
    [
        ("a", 1684 - 4 * 12, "a: 48 too few"),
        ("a", 1684 - 2 * 12, "a: 24 too few"),
        ("a", 1680, None),
        ("e", 0.9 / 0.6, None),
        ("e", 0.4 / 0.6, "e: the first tokens alone"),
    ],
)
def test_a_wrong_number_is_told_by_what_gives_it(asked, wrong, name):
    def predict(question):
        return wrong if question == asked else exercise.reference(question)

    exercise = EXERCISES["06-predict"]
    assert exercise.diagnose(predict).mistake == name
