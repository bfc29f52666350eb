"""What a chapter writes out is what the package holds in finished form."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from compared_experts_and_states import EXPERTS_AND_STATE_SPACES
from compared_modalities import ENCODERS_AND_MODALITIES
from listing import CHAPTERS, every_chapter, spelt

from attnbook.mechanisms import luong, soft_lookup
from book.chapters import listed

MODULES = {
    f"chapters/{chapter.name}.ipynb": [
        import_module(name) for name in chapter.mechanisms
    ]
    for chapter in listed()
}


def definitions(notebook) -> SimpleNamespace:
    """The imports, functions and classes of a notebook, run alone."""
    kept = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        source = re.sub(r"(?m)^(\s*)[%!].*", r"\1pass", cell.source)
        kept += [
            node
            for node in ast.parse(source).body
            if isinstance(
                node,
                ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef,
            )
        ]
    names: dict = {"__name__": "chapter"}
    tree = ast.Module(body=kept, type_ignores=[])
    exec(compile(tree, "chapter", "exec"), names)
    return SimpleNamespace(**names)


def public_definitions(module) -> set[str]:
    return {
        name
        for name, thing in vars(module).items()
        if getattr(thing, "__module__", None) == module.__name__
        and not name.startswith("_")
    }


def shared_names(name: str, chapter: SimpleNamespace) -> set[str]:
    """What both define; an import of the package's own is no definition."""
    return {
        shared
        for module in MODULES[name]
        for shared in public_definitions(module)
        if getattr(vars(chapter).get(shared), "__module__", None) == "chapter"
    }


@pytest.fixture(scope="module")
def chapters(read):
    return {name: definitions(read(name)) for name in CHAPTERS}


NUMPY = {
    "softmax": lambda it, rng: it(rng.normal(size=(3, 5)), 0.7),
    "masked_softmax": lambda it, rng: it(
        rng.normal(size=(3, 5)),
        np.array([[1, 0, 1, 1, 0], [0] * 5, [1] * 5], dtype=bool),
        2.0,
    ),
    "softmax_jacobian": lambda it, rng: it(rng.dirichlet(np.ones(4), 3)),
    "entropy": lambda it, rng: it(
        np.vstack([rng.dirichlet(np.ones(4), 3), [1, 0, 0, 0]])
    ),
    "dot_score": lambda it, rng: it(
        rng.normal(size=(2, 4)), rng.normal(size=(5, 4))
    ),
    "gaussian_score": lambda it, rng: it(
        rng.normal(size=(2, 4)), rng.normal(size=(5, 4)), 0.6
    ),
    "soft_lookup": lambda it, rng: it(
        rng.normal(size=(2, 4)),
        rng.normal(size=(5, 4)),
        rng.normal(size=(5, 3)),
        temperature=0.5,
        mask=np.array([[1, 1, 0, 0, 1], [0, 1, 1, 1, 0]], dtype=bool),
    ),
    "kernel_regression": lambda it, rng: it(
        rng.normal(size=(2, 1)),
        rng.normal(size=(5, 1)),
        rng.normal(size=5),
        0.4,
    ),
}

SOURCE = torch.tensor([[3, 4, 5, 6], [7, 3, 0, 0]])
MASK = SOURCE != 0
TARGET = torch.tensor([[1, 3, 4], [1, 5, 6]])


def seeded(kind, *sizes):
    torch.manual_seed(0)
    return kind(*sizes)


def attend(kind):
    module = seeded(kind, 3, 4, 5)
    query, key = torch.randn(2, 6, 3), torch.randn(2, 4, 4)
    output, weights = module(query, key, torch.randn(2, 4, 7), MASK)
    output.sum().backward()
    gradients = [each.grad for each in module.parameters()]
    return [output, weights, *gradients]


def translate(kind):
    model = seeded(kind, 8, 7, 6)
    logits, weights = model(SOURCE, MASK, TARGET)
    tokens, _ = model.generate(SOURCE, MASK, 4)
    return [logits, weights, tokens]


ADDITIVE = {
    "masked_softmax": lambda it: [
        it(torch.linspace(-1, 2, 8).reshape(2, 4), MASK),
        it(torch.ones(2, 4), MASK & False),
        it(torch.linspace(-1, 2, 8).reshape(2, 4)),
    ],
    "AdditiveAttention": attend,
    "Encoder": lambda kind: list(seeded(kind, 8, 6)(SOURCE, MASK))[:3],
    "FixedVectorTranslator": translate,
    "AdditiveTranslator": translate,
}


def scored(kind):
    sizes = {"DotScore": (), "LocationScore": (4, 6), "ConcatScore": (4, 4, 3)}
    module = seeded(kind, *sizes.get(kind.__name__, (4, 4)))
    query, key = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    query.requires_grad_()
    scores = module(query, key)
    scores.square().sum().backward()
    projected = module(query, key, module.project(key))
    gradients = [each.grad for each in module.parameters()]
    return [scores, projected, query.grad, *gradients]


def centred(kind):
    module = seeded(kind, 4)
    return [module(torch.randn(2, 3, 4), torch.tensor([5, 3]))]


LUONG = {
    "DotScore": scored,
    "GeneralScore": scored,
    "ConcatScore": scored,
    "LocationScore": scored,
    "monotonic_window": lambda it: [
        it(3, 5, 1),
        it(4, 2, 1.5, 2),
        it(4, 7, 1, 1, slope=1.3),
    ],
    "PredictedCentre": centred,
    "gaussian_window": lambda it: list(
        it(torch.tensor([[0.0, 2.3], [4.0, -1.0]]), 5, 2)
    ),
    "LuongTranslator": translate,
}


def scaled(function):
    torch.manual_seed(0)
    query, key, value = (
        torch.randn(2, 3, length, width, requires_grad=True)
        for length, width in ((5, 4), (6, 4), (6, 7))
    )
    mask = torch.rand(2, 1, 5, 6) < 0.5
    results = [
        *function(query, key, value),
        *function(query, key, value, mask),
    ]
    sum(result.square().sum() for result in results).backward()
    return [*results, query.grad, key.grad, value.grad]


SCALED = {
    "scaled_dot_product_attention": scaled,
    "causal_mask": lambda it: [it(4), it(3, 5), it(5, 3)],
}


def bias_of_distances(kind):
    module = seeded(kind, 3, 4)
    module.table.data = torch.randn(3, 9)
    return [module(5, 7), module(7, 5), module(12, 12)]


def turned(rotate):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 6, requires_grad=True)
    angles = torch.randn(5, 3)
    results = [rotate(x, angles), rotate(x, angles, interleaved=False)]
    sum(result[..., 1].sum() for result in results).backward()
    return [*results, x.grad]


POSITIONS = {
    "sinusoidal": lambda it: [it(7, 6), it(3, 2, 50.0)],
    "LearnedPositions": lambda kind: [seeded(kind, 9, 4)(6)],
    "RelativeBias": bias_of_distances,
    "alibi_slopes": lambda it: [it(heads) for heads in (1, 3, 4, 8, 12)],
    "alibi_bias": lambda it: [it(3, 5, 7), it(4, 7, 5)],
    "rope_angles": lambda it: [
        it(torch.arange(5), 6),
        it(torch.tensor([[0.5, 9], [70, 3]]), 4, 50.0),
    ],
    "rotate": turned,
    "halves_order": lambda it: [it(2), it(10)],
}


def with_heads(kind):
    module = seeded(kind, 6, 3)
    query, key = torch.randn(2, 4, 6), torch.randn(2, 5, 6)
    by_head = torch.rand(2, 3, 4, 5) < 0.6
    results = [
        *module(query, key, key),
        *module(query, key, key, by_head[:, 0, 0], gate=torch.rand(3)),
        *module(query, key, key, by_head[:, 1], causal=True),
        *module(query, key, key, by_head),
    ]
    sum(result.square().sum() for result in results).backward()
    return [*results, *(each.grad for each in module.parameters())]


HEADS = {
    "split_heads": lambda it: [it(torch.arange(60.0).reshape(2, 5, 6), 3)],
    "merge_heads": lambda it: [it(torch.arange(60.0).reshape(2, 3, 5, 2))],
    "MultiHeadAttention": with_heads,
    "RelationReader": lambda kind: list(
        seeded(kind, 5, 2, 3, 6)(torch.randint(5, (2, 8)))
    ),
}


def next_tokens(prefix):
    """A model that looks at all of its prefix: logits (N, 6)."""
    powers = 7 ** torch.arange(prefix.shape[1])
    return 2 * torch.sin(
        (prefix * powers).sum(1)[:, None] * torch.arange(1, 7) * 1.7
    )


def flat(result):
    output, weights = result
    return output, *weights


def blocks(call):
    """Both placements of the norm, forward and backward."""

    def case(kind):
        results = []
        for norm_first in [True, False]:
            module = seeded(kind, 6, 2, 10, norm_first).double()
            found = call(module)
            found[0].square().sum().backward()
            results += [*found]
            results += [each.grad for each in module.parameters()]
        return results

    return case


def stacks(kind):
    results = []
    for norm_first in [True, False]:
        module = seeded(kind, 6, 2, 2, 3, 10, norm_first).double()
        inputs = torch.randn(2, 4, 6).double(), torch.randn(2, 5, 6).double()
        output, weights = module(*inputs, MASK)
        output.square().sum().backward()
        results += [output, *weights]
        results += [each.grad for each in module.parameters()]
    return results


BLOCKS = {
    "LayerNorm": lambda kind: [
        seeded(kind, 6, 0.1)(torch.linspace(-1, 4, 12).reshape(2, 6) ** 2)
    ],
    "SublayerNorm": lambda kind: [
        getattr(seeded(kind, 6, first), side)(torch.arange(6.0)[None] ** 2)
        for first in [True, False]
        for side in ["before", "after"]
    ],
    "FeedForward": lambda kind: [seeded(kind, 6, 10)(torch.randn(2, 3, 6))],
    "EncoderLayer": blocks(
        lambda layer: layer(
            torch.linspace(-1, 2, 48).double().view(2, 4, 6), MASK
        )
    ),
    "DecoderLayer": blocks(
        lambda layer: flat(
            layer(
                torch.linspace(-1, 2, 36).double().view(2, 3, 6).sin(),
                torch.linspace(-1, 2, 48).double().view(2, 4, 6),
                memory_mask=MASK,
            )
        )
    ),
    "Transformer": stacks,
    "TransformerTranslator": lambda kind: translate(
        lambda *sizes: kind(*sizes, num_heads=2)
    ),
    "greedy": lambda it: [*it(next_tokens, 4, 6)],
    "beam_search": lambda it: [*it(next_tokens, 2, 6, 3)],
}

# How each name is called that a chapter shares with its modules: a function
# of the thing itself, in torch; in chapter 00 also of a NumPy generator.


def logits(*shape):
    torch.manual_seed(3)
    found = torch.randn(*shape)
    found[..., 1] = found[..., 4]  # a tie
    return found


def feed(kind, *sizes):
    x = torch.linspace(-2, 3, 24).reshape(3, 8).requires_grad_()
    output = seeded(kind, 8, *sizes)(x)
    output.square().sum().backward()
    return [output, x.grad]


def judged(it):
    p, q = logits(5, 7).softmax(-1), logits(4, 7).flip(-1).softmax(-1)
    drafted = torch.tensor([2, 6, 0, 3])
    uniforms = (torch.rand(4) for _ in range(20))
    return [torch.tensor(it(p, q, drafted, each)) for each in uniforms]


DECODER_ONLY = {
    "merge": lambda it: [
        torch.tensor(it([1, 1, 1, 2, 1, 1], (1, 1), 9)),
        torch.tensor(it([3, 4, 3, 4, 3], (3, 4), 7)),
    ],
    "RMSNorm": feed,
    "SwiGLU": lambda it: feed(it, 12),
    "with_temperature": lambda it: it(logits(2, 6), 0.7),
    "top_k": lambda it: it(logits(2, 6), 3),
    "top_p": lambda it: [it(logits(2, 6), p) for p in (0.1, 0.6, 1.0)],
    "min_p": lambda it: [it(logits(2, 6), p) for p in (0.1, 0.6, 1.0)],
    "accepted": judged,
    "residual": lambda it: it(
        logits(7).softmax(-1), logits(7).flip(-1).softmax(-1)
    ),
}


def grouped(*sizes):
    torch.manual_seed(0)
    q, k, v = (
        torch.randn(2, heads, n, 4, requires_grad=True)
        for heads, n in zip((6, *sizes), (3, 5, 5), strict=True)
    )
    return q, k, v


def in_groups(function):
    q, k, v = grouped(2, 2)
    mask = torch.rand(2, 6, 3, 5) < 0.5
    results = [
        *function(q, k, v),
        *function(q, k, v, mask),
        *function(q, k, v, scale=0.3),
    ]
    sum(result.square().sum() for result in results).backward()
    return [*results, q.grad, k.grad, v.grad]


def with_groups(kind):
    module = seeded(kind, 12, 6, 2)
    query, key = torch.randn(2, 3, 12), torch.randn(2, 5, 12)
    mask = torch.rand(2, 6, 3, 5) < 0.5
    results = [*module(query, key, key), *module(query, key, key, mask)]
    sum(result.square().sum() for result in results).backward()
    return [*results, *(each.grad for each in module.parameters())]


def bytes_of_views(it):
    x = torch.zeros(2, 3, 5)
    shared = [x, x[:, 1:], x[:, :1].expand(2, 7, 5), x.transpose(0, 1)]
    return torch.tensor([it(shared), it([x, x.clone()]), it([])])


SHARING_HEADS = {
    "cached_numbers": lambda it: torch.tensor([it(8, 128), it(1, 3)]),
    "storage_bytes": bytes_of_views,
    "repeat_heads": lambda it: [it(grouped(2, 3)[1], 6)],
    "grouped_attention": in_groups,
    "GroupedQueryAttention": with_groups,
    "pooled_rows": lambda it: [
        it(
            torch.randn(12, 5, generator=torch.Generator().manual_seed(0)),
            G,
            g,
        )
        for G, g in ((4, 2), (6, 1), (3, 3))
    ],
}


def sparse(*shape, count=3):
    torch.manual_seed(4)
    return torch.randn(count, *shape, dtype=torch.float64)


def with_state(it, *sizes):
    output, (pairs, keys) = it(*sparse(11, 5), *sizes)
    return [output, pairs, keys]


LONG_CONTEXT = {
    "distances": lambda it: it(7),
    "window_mask": lambda it: [it(9, window) for window in (1, 4, 20)],
    "windowed_attention": lambda it: [
        it(*sparse(2, 3, n, 5), 4) for n in (3, 8, 11)
    ],
    "dilated_mask": lambda it: [it(11, 3, r) for r in (1, 2, 5)],
    "strided_mask": lambda it: [it(11, 3, s) for s in (1, 2, 5)],
    "reach": lambda it: it(list(sparse(6, 6) > 0.8)),
    "feature_map": lambda it: it(sparse(6)),
    "linear_attention": lambda it: it(*sparse(11, 5)),
    "linear_attention_recurrent": with_state,
    "linear_attention_chunked": lambda it: with_state(it, 4),
    "whole_blocks_mask": lambda it: [it(T, 3) for T in (3, 8, 9)],
    "top_keys": lambda it: list(it(sparse(9, 9)[0], 4)),
}

FLASH_ATTENTION = {
    "merge": lambda it: list(it(sparse(4, 5), sparse(4))),
}

COMPARED = {
    "chapters/00-soft-lookup.ipynb": NUMPY,
    "chapters/01-additive-attention.ipynb": ADDITIVE,
    "chapters/02-luong-attention.ipynb": LUONG,
    "chapters/03-scaled-dot-product.ipynb": SCALED,
    "chapters/04-multi-head-attention.ipynb": HEADS,
    "chapters/05-positions.ipynb": POSITIONS,
    "chapters/06-transformer.ipynb": BLOCKS,
    "chapters/07-decoder-only.ipynb": DECODER_ONLY,
    "chapters/08-sharing-heads.ipynb": SHARING_HEADS,
    "chapters/09-long-context.ipynb": LONG_CONTEXT,
    "chapters/10-flash-attention.ipynb": FLASH_ATTENTION,
    "chapters/11-encoders-and-modalities.ipynb": ENCODERS_AND_MODALITIES,
    "chapters/12-experts-and-state-spaces.ipynb": EXPERTS_AND_STATE_SPACES,
}
IN_TORCH = [
    pytest.param(chapter, name, id=f"{spelt(chapter)} {name}")
    for chapter, cases in COMPARED.items()
    if cases is not NUMPY
    for name in cases
]


def same(first, second) -> bool:
    if first is None or second is None:
        return first is second
    if isinstance(first, tuple | list):
        return len(first) == len(second) and all(map(same, first, second))
    return np.allclose(np.asarray(first), np.asarray(second), atol=1e-6)


def run(case, thing, name):
    with (
        torch.no_grad() if name.endswith("Translator") else torch.enable_grad()
    ):
        result = case(thing)
    if isinstance(result, list):
        return [each if each is None else each.detach() for each in result]
    return result


@pytest.mark.parametrize(
    "name", NUMPY, ids=lambda name: f"00-soft-lookup soft_lookup {name}"
)
def test_chapter_00_computes_what_the_package_does(chapters, name):
    chapter = chapters["chapters/00-soft-lookup.ipynb"]
    for seed in range(3):
        mine, theirs = (
            NUMPY[name](getattr(where, name), np.random.default_rng(seed))
            for where in (chapter, soft_lookup)
        )
        assert same(mine, theirs)


@pytest.mark.parametrize(("chapter", "name"), IN_TORCH)
def test_a_chapter_computes_what_the_package_does(chapters, chapter, name):
    (packaged,) = (
        vars(module)[name]
        for module in MODULES[chapter]
        if name in public_definitions(module)
    )
    written = getattr(chapters[chapter], name)
    assert written is not packaged
    case = COMPARED[chapter][name]
    assert same(run(case, written, name), run(case, packaged, name))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("FeedingTranslator", {"input_feeding": True}),
        ("PredictiveTranslator", {"window": "local-p"}),
    ],
)
def test_a_class_of_chapter_02_is_an_option_in_the_package(
    chapters, name, options
):
    written = getattr(chapters["chapters/02-luong-attention.ipynb"], name)
    model = seeded(lambda *sizes: written(*sizes, size=6), 8, 7)
    packaged = luong.LuongTranslator(8, 7, 6, **options)
    packaged.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert same(
            *(each(SOURCE, MASK, TARGET) for each in (model, packaged))
        )


@every_chapter
def test_every_definition_that_both_hold_is_compared(chapters, name):
    shared, compared = shared_names(name, chapters[name]), set(COMPARED[name])
    assert shared == compared, (
        f"{name} and {[module.__name__ for module in MODULES[name]]} both "
        f"define {sorted(shared)}, but COMPARED calls {sorted(compared)}: "
        "add what is not compared, with a way to call it, and take out what "
        "is no longer there"
    )


def test_every_chapter_is_known_here():
    assert set(CHAPTERS) == set(COMPARED), (
        f"expected COMPARED to have the chapters {CHAPTERS}, got "
        f"{list(COMPARED)}: add the chapter, with a call for each name that "
        "it defines as its mechanisms do"
    )


def test_a_difference_would_be_seen():
    rng = np.random.default_rng(0)

    def wrong(scores, temperature):
        weights = np.exp(scores / temperature)
        return weights / weights.sum()

    right = NUMPY["softmax"](soft_lookup.softmax, np.random.default_rng(0))
    assert not same(NUMPY["softmax"](wrong, rng), right)
