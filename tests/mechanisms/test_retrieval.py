"""Retrieval: against closed forms, other implementations and properties."""

import math

import numpy as np
import pytest
import torch

from attnbook.data import documents as d
from attnbook.mechanisms import retrieval as r

torch.manual_seed(0)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return r.DocumentReader(len(d.WORDS), d_model=32).eval()


@pytest.fixture(scope="module")
def made():
    return d.reading(3, 4, 5, np.random.default_rng(0))


def test_bm25_is_the_formula_by_hand():
    texts = [
        ["the", "red", "fox"],
        ["the", "blue", "sea", "and", "the", "sky"],
    ]
    search = r.BM25(texts)
    scores = search.scores(["the", "red"])
    idf = math.log(1 + (2 - 2 + 0.5) / (2 + 0.5))
    rare = math.log(1 + (2 - 1 + 0.5) / (1 + 0.5))

    def share(tf, length):
        return tf * 2.5 / (tf + 1.5 * (0.25 + 0.75 * length / 4.5))

    assert scores[0].item() == pytest.approx(
        idf * share(1, 3) + rare * share(1, 3)
    )
    assert scores[1].item() == pytest.approx(idf * share(2, 6))
    with pytest.raises(ValueError, match="documents is empty"):
        r.BM25([])


def test_ranks_share_ties():
    scores = torch.tensor([[3.0, 1.0, 2.0], [1.0, 1.0, 1.0]])
    right = torch.tensor([[False, False, True], [True, False, False]])
    assert r.ranks(scores, right).tolist() == [2.0, 2.0]
    assert r.recall_at(r.ranks(scores, right), 1) == 0.0
    assert r.recall_at(r.ranks(scores, right), 2) == 1.0
    with pytest.raises(ValueError, match="a row without True"):
        r.ranks(scores, right & False)


def test_fusion_prefers_what_both_rank_high():
    one, two = torch.tensor([[3.0, 2, 1]]), torch.tensor([[1.0, 2, 3]])
    both = r.fused(one, two)[0]
    assert both[0] == both[2]
    assert both[1].item() == pytest.approx(2 / 62)
    assert r.fused(one)[0].argsort(descending=True).tolist() == [0, 1, 2]


def test_a_question_does_not_see_another(model, made):
    whole = model(made.documents, made.questions).log_share
    for q in range(5):
        alone = model(made.documents, made.questions[:, q : q + 1]).log_share
        torch.testing.assert_close(alone[:, 0], whole[:, q])


def test_padding_changes_nothing(model, made):
    longer = torch.nn.functional.pad(made.documents, (0, 7))
    whole = model(made.documents, made.questions).log_share
    padded = model(longer, made.questions).log_share
    T = made.documents.shape[1]
    torch.testing.assert_close(padded[..., :T], whole)
    assert (padded[..., T:] == -torch.inf).all()


def test_shares_and_weights_sum_to_one(model, made):
    read = model(made.documents, made.questions)
    one = torch.ones(3, 5)
    torch.testing.assert_close(read.log_share.exp().sum(-1), one)
    for weights in read.weights:
        torch.testing.assert_close(
            weights.sum(-1), torch.ones(weights.shape[:-1])
        )


def test_a_hidden_token_is_as_one_that_is_not_there(model):
    made = d.reading(1, 3, 2, np.random.default_rng(1))
    cut = made.owner[0] != 2
    hidden = model(made.documents, made.questions, allowed=cut[None])
    # The convolution still sees across the border, so only a far token is
    # the same: hide the last document and compare the shares of the first.
    gone = model(made.documents[:, cut], made.questions)
    near = (made.owner[0] == 2).nonzero()[0, 0] - 5
    a = hidden.log_share[0, :, :near]
    b = gone.log_share[0, :, :near]
    assert hidden.log_share[0, :, ~cut].isinf().all()
    assert torch.isfinite(a).all() and torch.isfinite(b).all()


def test_the_loss_is_that_of_all_right_places():
    log_share = torch.randn(2, 3, 7).log_softmax(-1)
    answers = torch.zeros(2, 3, 7, dtype=torch.bool)
    answers[..., 2] = answers[..., 5] = True
    found = r.reading_loss(log_share, answers)
    shares = log_share.exp()
    wanted = -(shares[..., 2] + shares[..., 5]).log().mean()
    torch.testing.assert_close(found, wanted)
    with pytest.raises(ValueError, match="no right token"):
        r.reading_loss(log_share, answers & False)


def test_amounts_are_added_up_by_their_document(made):
    amounts = torch.rand(3, 5, made.owner.shape[1])
    found = r.per_document(amounts, made.owner, 4)
    for n in range(4):
        mine = (made.owner == n)[:, None]
        torch.testing.assert_close(found[..., n], (amounts * mine).sum(-1))


def test_mass_and_length_fit_together(model, made):
    read = model(made.documents, made.questions)
    mass = r.attention_mass(read, made.owner, 4)
    each = r.mass_per_token(read, made.owner, 4)
    lengths = torch.stack([(made.owner == n).sum(-1) for n in range(4)], -1)
    torch.testing.assert_close(each * lengths[:, None], mass)
    assert (mass.sum(-1) < 1).all()


def test_the_gradient_is_that_of_a_small_step(made):
    torch.manual_seed(0)
    model = r.DocumentReader(len(d.WORDS), d_model=32).double()
    question = made.questions[:1, :1]
    documents = made.documents[:1]
    with torch.no_grad():
        embedded = model.embed(documents)
    direction = torch.randn_like(embedded)

    def best(step):
        x = embedded + step * direction
        share = model(documents, question, embedded=x).log_share
        return share[0, 0].amax()

    x = embedded.clone().requires_grad_()
    share = model(documents, question, embedded=x).log_share[0, 0].amax()
    (gradient,) = torch.autograd.grad(share, x)
    numeric = (best(1e-5) - best(-1e-5)) / 2e-5
    torch.testing.assert_close(
        (gradient * direction).sum(), numeric, atol=1e-6, rtol=1e-5
    )


def test_taking_away_what_is_not_read_loses_nothing(model, made):
    model = r.DocumentReader(len(d.WORDS), d_model=32)
    found = r.attributions(
        model, made.documents, made.owner, made.questions, 4
    )
    assert tuple(found) == r.ATTRIBUTIONS
    assert all(f.shape == (3, 5, 4) for f in found.values())
    # A fifth document that does not exist cannot matter.
    extra = r.ablation(model, made.documents, made.owner, made.questions, 5)
    assert extra[..., 4].abs().max() < 1e-5


def test_area_under_the_curve_counts_pairs():
    scores = torch.tensor([[3.0, 1.0, 2.0], [1.0, 1.0, 5.0]])
    true = torch.tensor([[True, False, False], [True, False, False]])
    assert r.area_under_curve(scores, true) == (1 + 1 + 0.5 + 0) / 4


def test_the_retrievers_vectors_ignore_padding():
    torch.manual_seed(0)
    encoder = r.BiEncoder(50)
    tokens = torch.randint(1, 50, (4, 6))
    padded = torch.nn.functional.pad(tokens, (0, 3))
    torch.testing.assert_close(encoder(tokens), encoder(padded))
    length = encoder(tokens).norm(dim=-1)
    torch.testing.assert_close(length, torch.ones(4))
    with pytest.raises(ValueError, match="a token in each text"):
        encoder(torch.zeros(1, 3, dtype=torch.long))
