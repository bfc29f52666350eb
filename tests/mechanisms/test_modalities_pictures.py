"""Patches, two encoders that meet, flow matching, and its judges."""

import math

import pytest
import torch
import torch.nn.functional as F

from attnbook.data.digit_images import WORDS, caption_ids
from attnbook.mechanisms.modalities import (
    DigitGenerator,
    DualEncoder,
    SmallConvolution,
    VisionTransformer,
    between,
    flow_loss,
    frechet_distance,
    generate,
    guided,
    ink_score,
    multi_positive_loss,
    nearest_distance,
    patches,
    retrieved,
    sigmoid_floor,
    sigmoid_loss,
    softmax_floor,
    softmax_loss,
    unpatched,
    variety,
)


def test_patches_are_cut_row_by_row_and_put_together_again():
    picture = torch.arange(16.0).view(1, 4, 4)
    expected = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    assert patches(picture, 2).tolist() == [expected]
    torch.manual_seed(0)
    images = torch.randn(3, 8, 8)
    for size in (1, 2, 4, 8):
        assert torch.equal(unpatched(patches(images, size), size), images)
    with pytest.raises(ValueError, match="multiples of 3"):
        patches(images, 3)
    with pytest.raises(ValueError, match="square number"):
        unpatched(torch.zeros(1, 3, 4), 2)


def test_embedding_patches_is_a_convolution_whose_stride_is_its_size():
    torch.manual_seed(0)
    images = torch.randn(2, 8, 8, dtype=torch.float64)
    linear = torch.nn.Linear(4, 5).double()
    kernel = linear.weight.view(5, 1, 2, 2)
    convolved = F.conv2d(images[:, None], kernel, linear.bias, stride=2)
    torch.testing.assert_close(
        linear(patches(images, 2)), convolved.flatten(2).transpose(1, 2)
    )


def test_a_vision_transformer_has_a_class_token_and_registers_first():
    for registers in (0, 3):
        model = VisionTransformer(registers=registers)
        logits, weights = model(torch.zeros(2, 8, 8))
        assert logits.shape == (2, 10)
        assert weights[0].shape == (2, 4, 17 + registers, 17 + registers)
    with pytest.raises(ValueError, match="patch is 3"):
        VisionTransformer(patch=3)


def test_both_networks_for_digits_have_as_many_parameters():
    one, other = (
        sum(p.numel() for p in model.parameters())
        for model in (VisionTransformer(), SmallConvolution())
    )
    assert abs(one / other - 1) < 0.01


def vectors(batch=6, size=8):
    torch.manual_seed(0)
    return torch.randn(2, batch, size, dtype=torch.float64)


def test_softmax_loss_is_that_of_a_loop():
    images, texts = vectors()
    scale = torch.tensor(1.5, dtype=torch.float64)
    unit, words = (x / x.norm(dim=1, keepdim=True) for x in (images, texts))
    logits = math.exp(1.5) * unit @ words.T
    rows = [-logits[b].log_softmax(0)[b] for b in range(6)]
    columns = [-logits[:, b].log_softmax(0)[b] for b in range(6)]
    expected = sum(rows + columns) / 12
    torch.testing.assert_close(softmax_loss(images, texts, scale), expected)


def test_sigmoid_loss_is_that_of_a_loop():
    images, texts = vectors()
    scale, bias = torch.tensor([1.5, -3.0], dtype=torch.float64)
    unit, words = (x / x.norm(dim=1, keepdim=True) for x in (images, texts))
    total = 0.0
    for i in range(6):
        for j in range(6):
            z = math.exp(1.5) * (unit[i] @ words[j]).item() - 3
            total += math.log1p(math.exp(-z if i == j else z))
    found = sigmoid_loss(images, texts, scale, bias).item()
    assert found == pytest.approx(total / 6)


def test_the_floor_is_an_expectation_and_not_its_bound():
    assert softmax_floor(64, 10) == pytest.approx(1.929, abs=5e-4)
    assert softmax_floor(64, 10) < math.log(1 + 63 / 10)
    rng = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (20_000, 64), generator=rng)
    n = (labels == labels[:, :1]).sum(1)
    assert n.float().log().mean().item() == pytest.approx(1.929, abs=0.01)
    assert softmax_floor(1, 10) == 0
    assert softmax_floor(64, 1) == pytest.approx(math.log(64))
    with pytest.raises(ValueError, match="at least 1"):
        softmax_floor(0, 10)


def test_perfect_vectors_reach_the_floor_and_no_less():
    """With one vector for each digit, only equal captions are confused."""
    rng = torch.Generator().manual_seed(0)
    losses, sigmoids = [], []
    odds = torch.tensor(1 / (63 / 10)).log()  # of a pair that is equal
    for _ in range(300):
        labels = torch.randint(0, 10, (64,), generator=rng)
        x = torch.eye(10)[labels]
        losses.append(softmax_loss(x, x, torch.tensor(4.0)).item())
        # cosine 1 has the logit `odds`, and cosine 0 is far below it
        scale, bias = torch.tensor(30.0).log(), odds - 30
        sigmoids.append(sigmoid_loss(x, x, scale, bias).item())
    mean = torch.tensor([losses, sigmoids]).mean(1)
    assert mean[0].item() == pytest.approx(softmax_floor(64, 10), abs=0.01)
    assert mean[1].item() == pytest.approx(sigmoid_floor(64, 10), abs=0.05)


def test_several_right_answers_have_no_floor():
    labels = torch.tensor([0, 1, 0, 2, 2, 2])
    x = torch.eye(3)[labels]
    same = labels[:, None] == labels
    loss = multi_positive_loss(x, x, torch.tensor(5.0), same)
    assert loss.item() == pytest.approx(0, abs=1e-5)
    images, texts = vectors()
    scale = torch.tensor(1.0, dtype=torch.float64)
    alone = torch.eye(6, dtype=torch.bool)
    torch.testing.assert_close(
        multi_positive_loss(images, texts, scale, alone),
        softmax_loss(images, texts, scale),
    )


def test_losses_refuse_other_shapes():
    with pytest.raises(ValueError, match="texts has shape"):
        softmax_loss(torch.zeros(3, 4), torch.zeros(2, 4), torch.zeros(()))


def test_retrieval_is_over_distinct_captions_by_cosine():
    captions = torch.tensor([[10.0, 0.0], [1.0, 1.0]])
    images = torch.tensor([[2.0, 0.1], [0.1, 0.1]])
    assert retrieved(images, captions).tolist() == [0, 1]


def test_scale_and_bias_have_a_rate_of_their_own():
    model = DualEncoder(len(WORDS))
    groups = model.groups(1e-3)
    assert [g["lr"] for g in groups] == [1e-3, 0.02]
    count = sum(len(g["params"]) for g in groups)
    assert count == len(list(model.parameters()))


def test_a_path_is_straight_from_noise_to_data():
    torch.manual_seed(0)
    noise, data = torch.randn(2, 3, 4, 4)
    ends, velocity = between(noise, data, torch.tensor([0.0, 1.0, 0.25]))
    torch.testing.assert_close(ends[0], noise[0])
    torch.testing.assert_close(ends[1], data[1])
    torch.testing.assert_close(ends[2] + 0.75 * velocity[2], data[2])


def test_guidance_goes_through_both_predictions():
    conditional, unconditional = torch.tensor([3.0]), torch.tensor([1.0])
    found = [guided(conditional, unconditional, w).item() for w in (0, 1, 2)]
    assert found == [1.0, 3.0, 5.0]
    with pytest.raises(ValueError, match="unconditional has shape"):
        guided(torch.zeros(2), torch.zeros(3), 1.0)


@pytest.mark.parametrize("joint", [False, True])
def test_a_generator_says_where_it_looks(joint):
    torch.manual_seed(0)
    model = DigitGenerator(len(WORDS), joint, d_model=16, num_heads=2, depth=2)
    ids = caption_ids(torch.arange(4), torch.zeros(4, dtype=torch.long))
    made = generate(model, ids, 2.0, torch.Generator().manual_seed(0), 5)
    images, states, weights = made
    assert images.shape == (4, 8, 8)
    assert torch.equal(states[:, -1], images) and states.shape[1] == 5
    assert weights.shape == (4, 5, 16, 3)
    assert (weights.sum(-1) < 1 + 1e-5).all()
    if not joint:
        torch.testing.assert_close(weights.sum(-1), torch.ones(4, 5, 16))
    loss = flow_loss(model, images, ids, torch.Generator().manual_seed(0))
    loss.backward()
    assert model.words.weight.grad.abs().sum() > 0


def test_without_a_caption_no_word_counts():
    torch.manual_seed(0)
    model = DigitGenerator(len(WORDS), d_model=16, num_heads=2, depth=1)
    ids = caption_ids(torch.tensor([1, 8]), torch.zeros(2, dtype=torch.long))
    draw = [
        generate(model, words, 0.0, torch.Generator().manual_seed(0), 3)[0]
        for words in (ids, ids.flip(0))
    ]
    torch.testing.assert_close(*draw)


class Straight(DigitGenerator):
    """Knows the way to one picture from everywhere."""

    def forward(self, x, t, ids):
        velocity = (1 - x) / (1 - t)[:, None, None]
        return velocity, [torch.zeros(len(x), 1, 16, 3)]


def test_eulers_method_arrives():
    made, _, _ = generate(
        Straight(3), torch.zeros(2, 3, dtype=torch.long), 1.0,
        torch.Generator().manual_seed(0), 7,
    )  # fmt: skip
    torch.testing.assert_close(made, torch.ones(2, 8, 8))


def test_the_frechet_distance_of_gaussians():
    torch.manual_seed(0)
    x = torch.randn(500, 3, dtype=torch.float64)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + 2) == pytest.approx(12)
    # A factor of 3: the trace of C (3 - 1)².
    wider = frechet_distance(x - x.mean(0), 3 * (x - x.mean(0)))
    assert wider == pytest.approx(4 * torch.cov(x.T).trace().item())
    y = torch.randn(400, 3, dtype=torch.float64)
    y = y @ torch.randn(3, 3, dtype=torch.float64)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x))


def test_variety_is_within_labels_and_nearest_is_to_known():
    images = torch.tensor([[0.0], [4.0], [100.0], [102.0]])
    labels = torch.tensor([0, 0, 1, 1])
    assert variety(images, labels) == pytest.approx(3)
    known = torch.tensor([[1.0], [99.0]])
    assert nearest_distance(images, known).tolist() == [1, 3, 1, 3]
    with pytest.raises(ValueError, match="two of one label"):
        variety(images, torch.arange(4))


def test_a_uniform_word_scores_a_half_and_ink_alone_scores_one():
    ink = torch.tensor([[True, True, False, False]])
    even = torch.full((1, 4), 0.25)
    assert ink_score(even, ink).item() == 0.5
    assert ink_score(ink.float(), ink).item() == 1
    assert ink_score((~ink).float(), ink).item() == 0
    assert ink_score(torch.tensor([[3.0, 1, 2, 0]]), ink).item() == 0.75
    assert ink_score(even, ink | True).isnan().all()
