"""Sentences of the exercises of chapter 00, and the case that fails."""

import numpy as np

from attnbook.checks import soft_lookup
from attnbook.mechanisms.soft_lookup import softmax

_RIGHT = {
    grade_id: exercise.reference
    for grade_id, exercise in soft_lookup.EXERCISES.items()
}


def _turned_round(grade_id):
    """The outputs in the other order."""

    def answer(*arguments, **keywords):
        output, weights = _RIGHT[grade_id](*arguments, **keywords)
        return weights, output

    return answer


def _in_a_list(grade_id):
    return lambda *arguments, **keywords: [
        _RIGHT[grade_id](*arguments, **keywords)
    ]


def _small_weights_for_the_rest(query, key, value, k, mask=None):
    """Next to 0, but not 0."""
    output, weights = _RIGHT["00-top-k-lookup"](query, key, value, k, mask)
    return output, np.maximum(weights, 1e-9)


def _mask_needed(query, key, value, k, mask):
    return _RIGHT["00-top-k-lookup"](query, key, value, k, mask)


def _matrices_alone(weights, upstream, temperature=1.0):
    T, _ = weights.shape
    right = _RIGHT["00-softmax-vjp"]
    rows = [right(weights[t], upstream[t], temperature) for t in range(T)]
    return np.stack(rows)


def _temperature_needed(weights, upstream, temperature):
    return _RIGHT["00-softmax-vjp"](weights, upstream, temperature)


def _in_a_hundred_steps_of_one_range(scores, target):
    """Right for scores that differ by about 1."""
    low, high = 1e-4, 1e4
    for _ in range(100):
        middle = np.sqrt(low * high)
        weights = softmax(scores, middle)
        found = -(weights * np.log(np.maximum(weights, 1e-300))).sum()
        low, high = (middle, high) if found < target else (low, middle)
    return middle


SENTENCES = {
    "00-predict": [
        (
            "The temperature is $1/2$.",
            "a: the temperature changes nothing",
            "question a",
        ),
        (
            "All three scores rise by 3.",
            "b: the constant is added to the exponentials",
            "question b",
        ),
        (
            "The second book is masked.",
            "c: the masked key keeps its share",
            "question c",
        ),
        (
            "What is the weight of *one* of the two copies?",
            "d: both copies",
            "question d",
        ),
        (
            "What is the *first* book's weight?",
            "e: another book",
            "question e",
        ),
        (
            "What is the *output*?",
            "f: a weight, not the output",
            "question f",
        ),
        ("returns one number.", _in_a_list("00-predict"), "question a"),
    ],
    "00-epanechnikov-regression": [
        (
            "Let $u$ be the distance between query and key divided by the "
            "width",
            "the width is not used",
            "the worked example",
        ),
        (
            r"K(u) = \max(0,\; 1 - u^2)",
            "the kernel is a triangle",
            "the worked example",
        ),
        (r"K(u) = \max(0,\; 1 - u^2)", "negative weights", "plane"),
        (
            r"\frac{K(u_j)}{\sum_{j'} K(u_{j'})}",
            "weights that are not divided",
            "the worked example",
        ),
        (
            r"$\alpha_j$ is the weight of key $j$.",
            "normalised over the queries",
            "plane",
        ),
        (
            "The distance is the length of the straight line between query "
            "and key, for keys of any dimension.",
            "distance along the axes",
            "plane",
        ),
        (
            "If no key is nearer than the width, the query attends to "
            "nothing: its weights are 0, and so is its output.",
            "nothing in reach",
            "the worked example",
        ),
        (
            "If no key is nearer than the width, the query attends to "
            "nothing: its weights are 0, and so is its output.",
            "nothing in reach taken for everything",
            "one query in reach of nothing",
        ),
        (
            "Returns `(output, weights)`, of shapes $(T, d_v)$ and $(T, S)$.",
            _turned_round("00-epanechnikov-regression"),
            "plane",
        ),
    ],
    "00-top-k-lookup": [
        (
            "choose the $k$ keys with the highest scores",
            "the k worst",
            "no mask",
        ),
        (
            "The score is the plain dot product.",
            "a scale that nobody asked for",
            "no mask",
        ),
        (
            "Each query chooses for itself, among the keys that it may "
            "attend to.",
            "the first query chooses for all",
            "no mask",
        ),
        (
            "Each query chooses for itself, among the keys that it may "
            "attend to.",
            "masked keys take a place",
            "masked keys score best",
        ),
        (
            "Where scores tie, the key that stands earlier in the list is "
            "chosen.",
            "a tie goes to the later key",
            "keys that tie",
        ),
        (
            "Where scores tie, the key that stands earlier in the list is "
            "chosen.",
            "ties let in more than k",
            "40 keys, of which many tie",
        ),
        (
            "The chosen keys share the weight by softmax, also if the scores "
            "are very large. All other keys get a weight of exactly 0.",
            "the chosen share alike",
            "the worked example",
        ),
        (
            "The chosen keys share the weight by softmax, also if the scores "
            "are very large. All other keys get a weight of exactly 0.",
            "a softmax over all, shared anew",
            "a masked key scores 900",
        ),
        (
            "share the weight by softmax, also if the scores are very large.",
            "exponentials that overflow",
            "keys that tie at scores of 900",
        ),
        (
            "choose the $k$ keys with the highest scores",
            "scores that are moved to settle ties",
            "scores a millionth apart",
        ),
        (
            "All other keys get a weight of exactly 0.",
            _small_weights_for_the_rest,
            "With 23 keys and k = 5, five keys get weight, and it sums to 1.",
        ),
        (
            "If fewer than $k$ keys are allowed, all of these are chosen.",
            "masked keys fill up the k",
            "masked keys score best",
        ),
        (
            "If none is allowed, weights and output are 0.",
            "nothing allowed taken for everything",
            "one query may attend to nothing",
        ),
        ("`mask` $(T, S)$ or None.", _mask_needed, "the worked example"),
        (
            "Returns `(output, weights)`, of shapes $(T, d_v)$ and $(T, S)$.",
            "weights of the chosen alone",
            "no mask",
        ),
    ],
    "00-temperature-for-entropy": [
        (
            "the temperature at which `softmax(scores, temperature)` has the "
            "entropy `target`, in nats.",
            "one over the temperature",
            "five keys",
        ),
        (
            "has the entropy `target`, in nats.",
            "bits for nats",
            "the worked example",
        ),
        (
            "`target` always lies strictly between the lowest entropy "
            r"possible and $\ln S$.",
            "a range that does not reach the answer",
            "scores up to 1,000, weights nearly alike",
        ),
        (
            "Six digits have to be right for scores in any unit",
            "the search stops too early",
            "two keys tie",
        ),
        (
            "Six digits have to be right for scores in any unit",
            "the search stops too early",
            "Six digits are right even at temperatures far below the spread, "
            "where the best two scores nearly tie.",
        ),
        (
            "for scores in any unit: their spread (the largest minus the "
            "smallest) may be 0.001 or 1,000.",
            "a range of the largest score",
            "the largest score is 0",
        ),
        (
            "Six digits have to be right for scores in any unit",
            "right to some places, not digits",
            "The softmax at your temperature has the target entropy, even if "
            "scores differ by a thousandth.",
        ),
        (
            "(the largest minus the smallest) may be 0.001 or 1,000.",
            _in_a_hundred_steps_of_one_range,
            "Six digits are right even at temperatures far below the spread, "
            "where the best two scores nearly tie.",
        ),
        (
            "(the largest minus the smallest) may be 0.001 or 1,000.",
            _in_a_hundred_steps_of_one_range,
            "scores up to 1,000, weights nearly alike",
        ),
        (
            "Returns one number above 0.",
            _in_a_list("00-temperature-for-entropy"),
            "five keys",
        ),
    ],
    "00-conclude": [
        (
            "which share of the keys is the effective number, $e^{H} / S$?",
            "share: a number of keys",
            "question 'share'",
        ),
        (
            "by how many nats does the entropy rise when $S$ doubles?",
            "double: bits for nats",
            "question 'double'",
        ),
        (
            "which temperature leaves an effective number of $64 = \\sqrt S$ "
            "keys?",
            "sqrt: the end of a range",
            "question 'sqrt'",
        ),
        (
            "which temperature leaves an effective number of $64 = \\sqrt S$ "
            "keys?",
            "sqrt: half of the entropy",
            "question 'sqrt'",
        ),
        (
            r"proportional to $(\ln(S - 1))^p$. What is $p$?",
            "power: fitted to ln S",
            "question 'power'",
        ),
        (
            "at which temperature does the match get weight $1/2$?",
            "half: no other keys",
            "question 'half'",
        ),
        (
            r"proportional to $(\ln(S - 1))^p$. What is $p$?",
            "power: a factor for a power",
            "question 'power'",
        ),
    ],
    "00-softmax-vjp": [
        (
            "needs the gradient with respect to the *scores*",
            "the temperature is forgotten",
            "one row, temperature 2",
        ),
        (
            "Write `softmax_vjp(weights, upstream, temperature=1.0)`",
            _temperature_needed,
            "the worked example",
        ),
        (
            "where `weights = softmax(scores, temperature)`.",
            "weights taken for scores",
            "the worked example",
        ),
        (
            "Memory has to stay proportional to the size of `weights`",
            "the matrix is built",
            "Memory stays a small multiple of the weights.",
        ),
        (
            "A key of weight 0, such as a masked one, gets gradient 0",
            "the weights in front are missing",
            "a batch with masked keys",
        ),
        (
            "gets gradient 0, also if all keys of its row are masked.",
            "a mean that divides by the weights",
            "a row with every key masked",
        ),
        (
            "one row, or any batch of rows, with the keys on the last axis.",
            "a sum over the wrong axis",
            "three rows",
        ),
        (
            "one row, or any batch of rows, with the keys on the last axis.",
            _matrices_alone,
            "a batch with masked keys",
        ),
        (
            "one row, or any batch of rows, with the keys on the last axis.",
            _matrices_alone,
            "the worked example",
        ),
        (
            "Returns the gradient with respect to the scores, of the same "
            "shape.",
            _in_a_list("00-softmax-vjp"),
            "three rows",
        ),
    ],
}
