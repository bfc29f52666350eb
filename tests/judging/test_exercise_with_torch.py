"""Tensors and gradients in the checks."""

import pytest
import torch

from attnbook.judging.exercise import Case, Exercise, Mistake
from attnbook.judging.soundness import assert_sound

QUERY = torch.linspace(-1, 1, 6).reshape(2, 3)
KEY = torch.linspace(0, 2, 12).reshape(4, 3)


def scores(query, key):
    return query @ key.T  # (T, S)


def detached(query, key):
    return query @ key.detach().T


def exercise(**more):
    return Exercise(
        "01-scores",
        "Scores",
        4,
        scores,
        [Case("two queries", (QUERY,), {"key": KEY})],
        [
            Mistake("detached keys", "You detach.", detached, "gradients."),
            Mistake("cosine", "You divide.", cosine, "the formula."),
        ],
        [lambda query, key: torch.einsum("td,sd->ts", query, key)],
        gradients=True,
        **more,
    )


def cosine(query, key):
    return torch.cosine_similarity(query[:, None], key[None], dim=-1)


def test_right_answers_pass_and_mistakes_are_named():
    assert_sound(exercise())


def test_a_missing_gradient_is_told_from_a_wrong_value():
    diagnosis = exercise().diagnose(detached)
    assert diagnosis.kind == "gradient"
    assert "`key`" in diagnosis.message
    assert diagnosis.mistake == "detached keys"


def test_a_trip_through_numpy_loses_every_gradient():
    def through_numpy(query, key):
        return torch.tensor(query.detach().numpy() @ key.detach().numpy().T)

    diagnosis = exercise().diagnose(through_numpy)
    assert diagnosis.kind == "gradient"
    assert "no gradient flows back to `query`" in diagnosis.message


def test_an_answer_that_cannot_take_gradients_says_when_it_failed():
    def through_numpy(query, key):
        return torch.tensor(query.numpy() @ key.numpy().T)

    diagnosis = exercise().diagnose(through_numpy)
    assert diagnosis.kind == "exception"
    assert "on inputs that require gradients" in diagnosis.message


def test_an_error_in_the_gradients_is_not_taken_for_one_in_the_call():
    def refuses(query, key):
        raise RuntimeError

    def through_numpy(query, key):
        return torch.tensor(query.numpy() @ key.numpy().T)

    made = Exercise(
        "01-stage",
        "Stage",
        1,
        scores,
        [Case("two queries", (QUERY, KEY))],
        [Mistake("refuses", "It raises.", refuses, "the formula.")],
        gradients=True,
    )
    assert_sound(made)
    assert made.diagnose(through_numpy).mistake is None


def test_a_tensor_is_told_from_an_array():
    diagnosis = exercise().diagnose(lambda q, key: scores(q, key).numpy())
    assert diagnosis.kind == "type"
    assert "a tensor of shape (2, 4)" in diagnosis.message


def test_half_precision_is_compared():
    made = Exercise(
        "01-half",
        "Half",
        1,
        lambda x: x * 2,
        [Case("half", (torch.ones(2, dtype=torch.bfloat16),))],
    )
    assert made.diagnose(lambda x: x + x) is None
    assert made.diagnose(lambda x: x + 2).kind == "value"


def test_an_in_place_operation_is_named():
    def greedy(query, key):
        query *= 2
        return scores(query, key) / 2

    diagnosis = exercise().diagnose(greedy)
    assert diagnosis.kind == "input changed"
    assert "`query`" in diagnosis.message


@pytest.mark.parametrize("name", ["torch.einsum", "torch.Tensor.matmul"])
def test_torch_functions_and_methods_can_be_taken_away(name):
    made = Exercise(
        "01-away",
        "Away",
        1,
        scores,
        [Case("two queries", (QUERY, KEY))],
        forbidden=[name],
    )
    attempts = {
        "torch.einsum": lambda q, k: torch.einsum("td,sd->ts", q, k),
        "torch.Tensor.matmul": lambda q, k: q.matmul(k.T),
    }
    assert made.diagnose(attempts[name]).kind == "forbidden"
    assert torch.equal(QUERY.matmul(KEY.T), scores(QUERY, KEY))


def test_a_module_is_built_with_the_same_random_weights():
    class Linear(torch.nn.Module):
        def __init__(self, width):
            super().__init__()
            self.project = torch.nn.Linear(3, width)

        def forward(self, x):
            return torch.tanh(self.project(x))

    class Flat(Linear):
        def forward(self, x):
            return self.project(x)

    made = Exercise(
        "01-module",
        "Module",
        1,
        Linear,
        [Case("width 5", (5, QUERY))],
        [Mistake("flat", "You leave tanh out.", Flat, "the formula.")],
        run=lambda answer, width, x: answer(width)(x),
        gradients=True,
    )
    assert_sound(made)


def test_a_gradient_of_nan_is_called_so():
    def swept(query, key):
        """Right forwards; 0/0 on the way back, where a query is 0."""
        return scores(query, key) + (query - query).sqrt().sum()

    diagnosis = exercise().diagnose(swept)
    assert diagnosis.kind == "gradient"
    assert "query holds NaN" in diagnosis.message
    assert "Its entry NaN" not in diagnosis.message


def test_gradients_that_a_notebook_turned_off_are_on_for_a_check():
    torch.set_grad_enabled(False)
    try:
        assert exercise().diagnose(scores) is None
        assert exercise().diagnose(detached).kind == "gradient"
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)
