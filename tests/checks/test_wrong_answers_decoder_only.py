"""Wrong answers to the exercises of chapter 07 that are no known mistake."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from unforeseen import assert_told_by_its_numbers
from verdicts import named, parts_of

from attnbook.checks.decoder_only import EXERCISES

# -- what nobody foresaw -----------------------------------------------------


def with_louder_values(batches, model, temperature, p):
    louder = {**model, "value": 1.3 * model["value"]}
    return EXERCISES["07-write"].reference(batches, louder, temperature, p)


def with_every_loss_a_tenth_larger(model, ids, widths, window, stride):
    right = EXERCISES["07-window-bits"].reference
    losses, bits = right(model, ids, widths, window, stride)
    return 1.1 * losses, 1.1 * bits


def with_grandparents_alone(parents, counts, lengths, S):
    positions, mask = EXERCISES["07-guess-tree"].reference(
        parents, counts, lengths, S
    )
    for b, row in enumerate(parents.tolist()):
        for t, parent in enumerate(row[: counts[b]]):
            if parent >= 0:
                mask[b, t, S + parent] = False
    return positions, mask


def with_half_the_ratio(target, draft, drafted, counts, numbers, temperature):
    right = EXERCISES["07-accept-drafts"].reference
    return right(target, draft, drafted, counts, 1.4 * numbers, temperature)


@pytest.mark.parametrize(
    ("grade_id", "answer"),
    [
        ("07-write", with_louder_values),
        ("07-window-bits", with_every_loss_a_tenth_larger),
        ("07-guess-tree", with_grandparents_alone),
        ("07-accept-drafts", with_half_the_ratio),
    ],
)
def test_what_nobody_foresaw_is_told_by_its_numbers(grade_id, answer):
    assert_told_by_its_numbers(EXERCISES[grade_id].diagnose(answer))


# -- a text in windows -------------------------------------------------------


def scored(model, ids, widths, begins, keep):
    """Windows from `begins`; `keep` merges the losses of a token."""
    kept = {}
    for begin, end in begins:
        rows = F.cross_entropy(
            model(ids[begin:end]), ids[begin + 1 : end + 1], reduction="none"
        )
        for place, loss in enumerate(rows, start=begin + 1):
            kept[place] = keep(kept.get(place, loss), loss)
    losses = torch.stack([kept[place] for place in sorted(kept)])
    return losses, losses.sum() / math.log(2) / widths[1:].sum()


def with_the_last_window_that_knows(model, ids, widths, window, stride):
    N = len(ids)
    count = 1 + max(0, math.ceil((N - 1 - window) / stride))
    begins = [
        (k * stride, min(k * stride + window, N - 1)) for k in range(count)
    ]
    return scored(model, ids, widths, begins, lambda before, loss: loss)


def as_a_well_known_page_has_it(model, ids, widths, window, stride):
    """The last logits of each window are thrown away."""
    losses, done, N = [], 0, len(ids)
    for begin in range(0, N, stride):
        end = min(begin + window, N)
        log_p = model(ids[begin:end])[:-1].log_softmax(-1)
        target = ids[begin + 1 : end]
        rows = -log_p.gather(1, target[:, None])[:, 0]
        losses.append(rows[-(end - done) :])
        done = end
        if end == N:
            break
    losses = torch.cat(losses)
    return losses, losses.sum() / math.log(2) / widths[1:].sum()


def with_loops_to_the_end(model, ids, widths, window, stride):
    N = len(ids)
    begins = [(b, min(b + window, N - 1)) for b in range(0, N - 1, stride)]
    return scored(model, ids, widths, begins, lambda before, loss: before)


@pytest.mark.parametrize(
    ("answer", "name", "parts"),
    [
        (with_the_last_window_that_knows, "the shortest context", []),
        (
            as_a_well_known_page_has_it,
            "the last prediction of each window thrown away",
            [],
        ),
        (
            with_loops_to_the_end,
            "windows that predict nothing new",
            ["losses", "bits"],
        ),
    ],
)
def test_windows_are_told_by_what_they_do(answer, name, parts):
    assert named(EXERCISES["07-window-bits"], answer) == name
    assert parts_of(EXERCISES["07-window-bits"], answer) == parts


def test_the_last_token_may_be_read_if_nothing_is_made_of_it():
    def reads_all(model, ids, widths, window, stride):
        def cut(tokens):
            # One token more than the reference gives, where there is one.
            start = reads_all.begin
            reads_all.begin += stride
            whole = ids[start : start + window]
            return model(whole)[: len(tokens)]

        reads_all.begin = 0
        return exercise.reference(cut, ids, widths, window, stride)

    exercise = EXERCISES["07-window-bits"]
    assert exercise.diagnose(reads_all) is None


@pytest.mark.parametrize("number", [float, np.float64, Fraction])
def test_bits_are_a_number_of_any_type(number):
    def answer(*inputs):
        losses, bits = EXERCISES["07-window-bits"].reference(*inputs)
        return losses, number(bits.item())

    assert EXERCISES["07-window-bits"].diagnose(answer) is None


def test_the_last_places_cut_to_length_are_named():
    def answer(model, ids, widths, window, stride):
        losses, begin, end = [], 0, 0
        while end < len(ids) - 1:
            end = min(begin + window, len(ids) - 1)
            target = ids[begin + 1 : end + 1]
            logits = model(ids[begin:end])
            found = F.cross_entropy(logits, target, reduction="none")
            losses.append(found[-stride:] if begin else found)
            begin += stride
        losses = torch.cat(losses)[: len(ids) - 1]
        return losses, losses.sum() / math.log(2) / widths[1:].sum()

    name = "the last `stride` losses of a short window"
    assert named(EXERCISES["07-window-bits"], answer) == name


# -- a tree of guesses -------------------------------------------------------


def climbing(parents, counts, lengths, S, root=lambda at: at >= 0):
    """From each guess to its parent, as long as `root` says so."""
    B, T = parents.shape
    positions, seen = torch.zeros(B, T).long(), torch.zeros(B, T, T).bool()
    for b in range(B):
        for t in range(int(counts[b])):
            at, depth = t, 0
            while root(at):
                seen[b, t, at] = True
                at, depth = int(parents[b, at]), depth + 1
            positions[b, t] = lengths[b] + depth - 1
    text = (torch.arange(S) < lengths[:, None])[:, None].repeat(1, T, 1)
    text &= (torch.arange(T) < counts[:, None])[..., None]
    return positions, torch.cat([text, seen], -1)


def without_guess_0(parents, counts, lengths, S):
    return climbing(parents, counts, lengths, S, lambda at: at > 0)


def all_places_filled(parents, counts, lengths, S):
    full = torch.full_like(counts, parents.shape[1])
    return climbing(parents, full, lengths, S)


def naive_indices(parents, counts, lengths, S):
    """-1 counts from the end, and nothing is asked of it."""
    B, T = parents.shape
    rows, depth = torch.arange(B), torch.zeros(B, T).long()
    seen = torch.eye(T).bool().repeat(B, 1, 1)
    for t in range(T):
        seen[:, t] |= seen[rows, parents[:, t]]
        depth[:, t] = depth[rows, parents[:, t]] + 1
    text = (torch.arange(S) < lengths[:, None])[:, None].expand(B, T, S)
    return lengths[:, None] + depth, torch.cat([text, seen], -1)


def test_climbing_is_right():
    assert EXERCISES["07-guess-tree"].diagnose(climbing) is None


def by_index_after_the_first(parents, counts, lengths, S):
    _, mask = climbing(parents, counts, lengths, S)
    T = parents.shape[1]
    placed = lengths[:, None] + torch.arange(T) * (parents >= 0)
    return placed * (torch.arange(T) < counts[:, None]), mask


def counted_with_the_last_guess(parents, counts, lengths, S):
    """-1 counts from the end; the position is how many guesses are seen."""
    B, T = parents.shape
    seen = torch.eye(T).bool().repeat(B, 1, 1)
    for t in range(T):
        seen[:, t] |= seen[torch.arange(B), parents[:, t]]
    real = torch.arange(T) < counts[:, None]
    seen &= real[..., None]
    text = (torch.arange(S) < lengths[:, None])[:, None] & real[..., None]
    positions = (lengths[:, None] + seen.sum(-1) - 1) * real
    return positions, torch.cat([text, seen], -1)


def without_later_first_guesses(parents, counts, lengths, S):
    positions, mask = climbing(parents, counts, lengths, S)
    real = (parents >= 0) | (torch.arange(parents.shape[1]) == 0)
    return positions * real, mask & real[..., None]


@pytest.mark.parametrize(
    ("answer", "name", "parts"),
    [
        (
            by_index_after_the_first,
            "positions by the order in the list",
            ["mask"],
        ),
        (counted_with_the_last_guess, "-1 taken as an index", []),
        (
            without_later_first_guesses,
            "later guesses after the text taken for none",
            [],
        ),
        (without_guess_0, "guess 0 taken for none", []),
        (naive_indices, "-1 taken as an index", []),
        (
            all_places_filled,
            "places without a guess taken for first guesses",
            ["positions", "mask"],
        ),
    ],
)
def test_trees_are_told_by_what_they_do(answer, name, parts):
    assert named(EXERCISES["07-guess-tree"], answer) == name
    assert parts_of(EXERCISES["07-guess-tree"], answer) == parts


# -- drafts ------------------------------------------------------------------


def row_by_row(
    target,
    draft,
    drafted,
    counts,
    numbers,
    temperature,
    passes=lambda number, p, q, x: number < p[x] / q[x],
    rest=lambda p, q, x: (p - q).clamp(min=0),
):
    """A loop over the drafts of each row."""
    accepted, rests = [], []
    for b, count in enumerate(counts.tolist()):
        p, q = ((x[b] / temperature).softmax(-1) for x in (target, draft))
        after = p[count]
        for g in range(count):
            x = int(drafted[b, g])
            if not passes(numbers[b, g], p[g], q[g], x):
                after, count = rest(p[g], q[g], x), g
                break
        accepted.append(count)
        rests.append(after / after.sum())
    return torch.tensor(accepted), torch.stack(rests)


def most_probable(*inputs):
    return row_by_row(*inputs, passes=lambda n, p, q, x: x == p.argmax())


def up_to_the_ratio(*inputs):
    return row_by_row(*inputs, passes=lambda n, p, q, x: n <= p[x] / q[x])


def with_something_added(*inputs):
    return row_by_row(
        *inputs, passes=lambda n, p, q, x: n < p[x] / (q[x] + 1e-12)
    )


def with_q_kept_from_0(*inputs):
    return row_by_row(
        *inputs, passes=lambda n, p, q, x: n < p[x] / q[x].clamp(min=1e-8)
    )


def from_the_target(*inputs):
    return row_by_row(*inputs, rest=lambda p, q, x: p)


def without_the_rejected(*inputs):
    return row_by_row(
        *inputs,
        rest=lambda p, q, x: p * (torch.arange(len(p)) != x),
    )


def draft_at_1(target, draft, drafted, counts, numbers, temperature):
    return row_by_row(
        target, draft * temperature, drafted, counts, numbers, temperature
    )


def test_a_loop_over_rows_is_right():
    assert EXERCISES["07-accept-drafts"].diagnose(row_by_row) is None


@pytest.mark.parametrize(
    ("answer", "name", "parts"),
    [
        (
            most_probable,
            "accepted if it is the most probable token",
            [],
        ),
        (
            up_to_the_ratio,
            "a number equal to the ratio passes",
            ["accepted", "rest"],
        ),
        (
            with_something_added,
            "a small number added to q",
            ["accepted", "rest"],
        ),
        (
            with_q_kept_from_0,
            "a small number added to q",
            ["accepted", "rest"],
        ),
        (from_the_target, "redrawn from p", ["accepted"]),
        (without_the_rejected, "p without the rejected token", ["accepted"]),
        (draft_at_1, "a draft at another temperature", []),
    ],
)
def test_the_well_known_bugs_of_speculation_are_named(answer, name, parts):
    assert named(EXERCISES["07-accept-drafts"], answer) == name
    assert parts_of(EXERCISES["07-accept-drafts"], answer) == parts


@pytest.mark.parametrize(
    "answer", [most_probable, from_the_target, draft_at_1]
)
def test_the_well_known_bugs_move_the_distribution(answer):
    kept = "Over all drafts and numbers, the next token has the distribution"
    missed = EXERCISES["07-accept-drafts"].missed(answer)
    assert any(name.startswith(kept) for name in missed)


# -- a writer ----------------------------------------------------------------


def test_what_is_written_may_come_as_tensors_of_all_batches():
    def stacked(*inputs):
        return tuple(map(torch.stack, right(*inputs)))

    right = EXERCISES["07-write"].reference
    assert EXERCISES["07-write"].diagnose(stacked) is None


@pytest.mark.parametrize("wrong", [3, [1], (1, 2, 3)])
def test_a_writer_of_another_form_is_asked_for_two_lists(wrong):
    diagnosis = EXERCISES["07-write"].diagnose(lambda *inputs: wrong)
    assert "two lists with a tensor for each batch" in diagnosis.message


def write_with(
    batches,
    model,
    temperature,
    p,
    mask=lambda places, L, T: torch.arange(L) <= places[..., None],
    kept=lambda best, p: best.cumsum(-1) - best < p,
    number=lambda numbers, step: numbers[:, step],
    reset=True,
):
    """Right, with a new buffer for each batch."""
    B, (L, D) = len(batches[0][0]), model["places"].shape
    rows, start = torch.arange(B)[:, None], torch.zeros(B).long()
    written, chances = [], []
    for prompts, lengths, numbers in batches:
        key, value = torch.zeros(2, B, L, D)
        if reset:
            start = torch.zeros(B).long()
        read, counts, tokens, seen = prompts, lengths, [], []
        for step in range(numbers.shape[1]):
            T = read.shape[1]
            places = start[:, None] + torch.arange(T)
            x = model["tokens"][read] + model["places"][places]
            key[rows, places] = x @ model["key"].T
            value[rows, places] = x @ model["value"].T
            x = x + F.scaled_dot_product_attention(
                x @ model["query"].T, key, value, mask(places, L, T)
            )
            start = start + counts
            logits = x[rows[:, 0], counts - 1] @ model["logits"].T
            best, order = (
                (logits / temperature).softmax(-1).sort(descending=True)
            )
            stays = kept(best, p)
            stays[:, 0] = True
            best = best * stays / (best * stays).sum(-1, keepdim=True)
            seen.append(torch.zeros_like(best).scatter(-1, order, best))
            sums = seen[-1].cumsum(-1)
            drawn = sums > number(numbers, step)[..., None]
            tokens.append(drawn.int().argmax(-1))
            read, counts = tokens[-1][:, None], torch.ones(B).long()
        written.append(torch.stack(tokens, 1))
        chances.append(torch.stack(seen, 1))
    return written, chances


def test_a_new_buffer_for_each_batch_is_right():
    assert EXERCISES["07-write"].diagnose(write_with) is None


def causal_at_first(places, L, T):
    return torch.ones(T, L).tril().bool() | (T == 1)


def of_the_longest_row(places, L, T):
    return torch.ones(T, L).tril(int(places[:, 0].max())).bool()


def below_p(best, p):
    return best.cumsum(-1) < p


def up_to_p(best, p):
    return best.cumsum(-1) - best <= p


def of_row_0(numbers, step):
    return numbers[0, step]


@pytest.mark.parametrize(
    ("slips", "name", "parts"),
    [
        (
            {"mask": causal_at_first},
            "a triangle for a full buffer",
            ["two", "four"],
        ),
        (
            {"mask": of_the_longest_row},
            "the mask of the longest row",
            ["two", "four"],
        ),
        (
            {"kept": below_p},
            "top-p drops the token that crosses",
            ["two", "four"],
        ),
        (
            {"kept": up_to_p},
            "one token too many where the sum is p",
            ["two", "four"],
        ),
        (
            {"kept": up_to_p, "number": of_row_0},
            "one random number for all rows",
            ["two", "four"],
        ),
        (
            {"kept": below_p, "number": of_row_0},
            "at least bugs 4 and 5 of 5",
            ["two"],
        ),
        (
            {"reset": False, "number": of_row_0},
            "at least bugs 1 and 5 of 5",
            ["two"],
        ),
    ],
)
def test_a_new_buffer_for_each_batch_hides_no_other_bug(slips, name, parts):
    def answer(*inputs):
        return write_with(*inputs, **slips)

    assert named(EXERCISES["07-write"], answer) == name
    assert parts_of(EXERCISES["07-write"], answer) == parts


# -- predictions -------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "wrong", "name"),
    [
        ("a", 8, "a: the leading terms alone"),
        ("b", 1800, "b: kilobytes of 1,024 bytes"),
        ("c", 0.83, "c: nats per byte"),
        ("d", 4, "d: the longest token first"),
        ("e", 1.44, "e: accepted drafts alone"),
        ("f", 0.4, "f: min-p before the temperature"),
        ("f", 0.35, "f: the token at the bound dropped"),
        ("f", 0.53, "f: a bound on the probability itself"),
        ("f", 0.46, "f: no temperature"),
    ],
)
def test_a_wrong_number_is_told_by_what_gives_it(asked, wrong, name):
    def predict(question):
        return wrong if question == asked else exercise.reference(question)

    exercise = EXERCISES["07-predict"]
    assert exercise.diagnose(predict).mistake == name
