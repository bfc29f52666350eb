"""Notebooks that call what an exercise takes away from them.

The exercise asks for gradients by hand; autograd would give them at once.
Every answer here has the right values.
"""

from __future__ import annotations

from attnbook.grading.hostile.kind import Kind

_LUONG, _ANSWER = "02-luong-attention", "02-window-backward-answer"

# The forward pass, whose gradient is asked for, with GRADIENTS to be filled.
_FORWARD = """
def window_backward(scores, raw, lengths, D, upstream):
    with torch.enable_grad():
        scores = scores.detach().requires_grad_()
        raw = raw.detach().requires_grad_()
        loss = forward(scores, raw, lengths, D, upstream)
        f = lambda s, r: forward(s, r, lengths, D, upstream)
        GRADIENTS


def forward(scores, raw, lengths, D, upstream):
    place = torch.arange(scores.shape[-1])
    distance = place - (lengths[:, None] * raw.sigmoid())[..., None]
    allowed = (distance.abs() <= D) & (place < lengths[:, None, None])
    gaussian = torch.exp(-(distance**2) / (2 * (D / 2) ** 2))
    return (masked_softmax(scores, allowed) * gaussian * upstream).sum()
"""


def _answer(gradients: str, before: str = "") -> dict[str, str]:
    indented = gradients.replace("\n", "\n        ")
    return {_ANSWER: before + _FORWARD.replace("GRADIENTS", indented)}


_SAID = ("taken away",)

_INSIDE = """\
found = []
for place in (0, 1):
    slopes = torch.zeros_like((scores, raw)[place])
    for index in range(slopes.numel()):
        along = torch.zeros_like(slopes)
        along.view(-1)[index] = 1
        inputs = [scores.detach(), raw.detach()]
        inputs[place] = torch._make_dual(inputs[place], along, {level})
        slopes.view(-1)[index] = torch._unpack_dual(f(*inputs), {level})[1]
    found.append(slopes)
return tuple(found)"""
# Of `f`, the loss of scores and raw.
_FORWARD_MODE = {
    "jacfwd": "return torch.func.jacfwd(f, (0, 1))(scores, raw)",
    "jvp": """\
found = []
for place in (0, 1):
    slopes = torch.zeros_like((scores, raw)[place])
    for index in range(slopes.numel()):
        along = [torch.zeros_like(scores), torch.zeros_like(raw)]
        along[place].view(-1)[index] = 1
        slopes.view(-1)[index] = torch.func.jvp(f, (scores, raw), (*along,))[1]
    found.append(slopes)
return tuple(found)""",
    "a Jacobian": """\
return torch.autograd.functional.jacobian(
    f, (scores.detach(), raw.detach()), vectorize=True, strategy="forward-mode"
)""",
    "dual numbers": """\
import torch.autograd.forward_ad as forwards
found = []
for place in (0, 1):
    slopes = torch.zeros_like((scores, raw)[place])
    for index in range(slopes.numel()):
        along = torch.zeros_like(slopes)
        along.view(-1)[index] = 1
        with forwards.dual_level():
            inputs = [scores.detach(), raw.detach()]
            inputs[place] = forwards.make_dual(inputs[place], along)
            slopes.view(-1)[index] = forwards.unpack_dual(f(*inputs)).tangent
    found.append(slopes)
return tuple(found)""",
    "dual numbers of the engine": "level = torch._C._enter_dual_level()\n"
    + _INSIDE.format(level="level"),
}

# Their own hooks would take the place of those that ask.
_OWN_HOOKS = """\
hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t)
with hooks:
    loss = f(scores, raw)
"""
_BACKWARD = "torch.ops.aten._backward(loss, [scores, raw], None, True, False)"
_SLOPES = "\nreturn scores.grad, raw.grad"
# How it is called and done, a cell beforehand, code before, the gradients.
_BELOW = [
    (
        *("operator", "by an operator", "", ""),
        f"{_OWN_HOOKS}{_BACKWARD}{_SLOPES}",
    ),
    (
        *("script", "in TorchScript", ""),
        "@torch.jit.script\ndef back(loss: torch.Tensor):\n"
        "    loss.backward()\n\n\n",
        f"{_OWN_HOOKS}back(loss){_SLOPES}",
    ),
    (
        *("operator without a guard", "with the guard taken off", "", ""),
        "torch._C._autograd._pop_saved_tensors_default_hooks()\n"
        f"loss = f(scores, raw)\n{_BACKWARD}{_SLOPES}",
    ),
    (
        *("operator in a thread", "in a thread that waits for work"),
        "from concurrent.futures import ThreadPoolExecutor\n"
        "POOL = ThreadPoolExecutor(1)\nPOOL.submit(int).result()",
        "",
        "def work():\n"
        "    with torch.enable_grad():\n"
        "        loss = f(scores, raw)\n"
        f"        {_BACKWARD}\n"
        f"POOL.submit(work).result(){_SLOPES}",
    ),
    (
        *("graph", "node by node", "", ""),
        f"""{_OWN_HOOKS}\
uses, nodes = {{}}, [loss.grad_fn]
for node in nodes:
    for other, _ in node.next_functions:
        if other is not None:
            uses[other] = uses.get(other, 0) + 1
            if uses[other] == 1:
                nodes.append(other)
given = {{loss.grad_fn: torch.ones(())}}
ready, found = [loss.grad_fn], {{}}
while ready:
    node = ready.pop()
    if hasattr(node, "variable"):
        found[id(node.variable)] = given[node]
        continue
    slopes = node(given.get(node))
    slopes = slopes if isinstance(slopes, tuple) else (slopes,)
    for (other, place), slope in zip(node.next_functions, slopes):
        if other is None:
            continue
        if slope is not None:
            slope = slope.sum_to_size(other._input_metadata[place].shape)
            given[other] = given.get(other, 0) + slope
        uses[other] -= 1
        if not uses[other]:
            ready.append(other)
return tuple(found.get(id(x), 0 * x).detach() for x in (scores, raw))""",
    ),
]

KINDS = [
    Kind(
        "forbidden function",
        "Calls torch.autograd.grad, which the exercise takes away.",
        exercise=_LUONG,
        answers=_answer("return torch.autograd.grad(loss, (scores, raw))"),
        reports=_SAID,
    ),
    Kind(
        "forbidden method",
        "Calls Tensor.backward, which calls what is taken away.",
        exercise=_LUONG,
        answers=_answer("loss.backward()\nreturn scores.grad, raw.grad"),
        reports=_SAID,
    ),
    Kind(
        "forbidden by an alias",
        "Imports the forbidden function under another name beforehand.",
        exercise=_LUONG,
        answers=_answer(
            "return innocent(loss, (scores, raw))",
            before="from torch.autograd import grad as innocent\n",
        ),
        reports=_SAID,
    ),
    Kind(
        "forbidden by a made-up name",
        "Puts the forbidden function's name together from letters.",
        exercise=_LUONG,
        answers=_answer(
            "import importlib\n"
            'module = importlib.import_module("torch.auto" + "grad")\n'
            'return getattr(module, "darg"[::-1])(loss, (scores, raw))'
        ),
        reports=_SAID,
    ),
    Kind(
        "forbidden and caught",
        "Catches the refusal, and tries the next way and the next.",
        exercise=_LUONG,
        answers=_answer(
            "try:\n"
            "    return torch.autograd.grad(loss, (scores, raw))\n"
            "except BaseException:\n"
            "    return 0 * scores, 0 * raw"
        ),
        reports=_SAID,
    ),
    Kind(
        "forbidden in a thread",
        "Calls the forbidden function in a thread of its own.",
        exercise=_LUONG,
        answers=_answer(
            "import threading\n"
            "found = []\n"
            "def work():\n"
            "    found.extend(torch.autograd.grad(loss, (scores, raw)))\n"
            "thread = threading.Thread(target=work)\n"
            "thread.start()\n"
            "thread.join()\n"
            "return tuple(found)"
        ),
    ),
    Kind(
        "forbidden in a transform",
        "Calls torch.func.vjp and torch.autograd.functional.vjp.",
        exercise=_LUONG,
        answers=_answer(
            "def f(s, r):\n"
            "    return forward(s, r, lengths, D, upstream)\n"
            "return torch.autograd.functional.vjp(f, (scores, raw))[1]"
        ),
        reports=_SAID,
    ),
    *(
        Kind(
            f"forbidden in forward mode, by {name}",
            f"Has the gradients computed forwards, by {name}.",
            exercise=_LUONG,
            answers=_answer(source),
            reports=_SAID,
        )
        for name, source in _FORWARD_MODE.items()
    ),
    Kind(
        "forbidden in forward mode, beforehand",
        "Enters the mode in a cell of its own, where nobody minds.",
        exercise=_LUONG,
        first="torch._C._enter_dual_level()",
        answers=_answer(_INSIDE.format(level="0")),
    ),
    Kind(
        "forbidden beforehand",
        "Sets up the forbidden call in a cell of its own, for later.",
        exercise=_LUONG,
        first="kept = [torch.autograd.grad, torch.autograd.backward]",
        answers=_answer("return kept[0](loss, (scores, raw))"),
        reports=_SAID,
    ),
    Kind(
        "forbidden in a subprocess",
        "Starts another Python, from which nothing is taken away.",
        exercise=_LUONG,
        answers=_answer(
            "import pickle\n"
            "import subprocess\n"
            "import sys\n"
            "text = 'import sys, pickle, torch; print(1)'\n"
            "subprocess.run([sys.executable, '-c', text], check=True)\n"
            "return scores, raw"
        ),
        looks_for=("process",),
    ),
    Kind(
        "forbidden original restored",
        "Looks for the original function behind what refuses.",
        exercise=_LUONG,
        answers=_answer(
            "import gc\n"
            "import types\n"
            "for thing in gc.get_objects():\n"
            "    if not isinstance(thing, types.FunctionType):\n"
            "        continue\n"
            "    if thing.__module__ != 'torch.autograd':\n"
            "        continue\n"
            "    if thing.__qualname__ == 'grad':\n"
            "        return thing(loss, (scores, raw))\n"
            "return 0 * scores, 0 * raw"
        ),
    ),
    Kind(
        "forbidden module anew",
        "Loads the module anew, as it was before anything was taken away.",
        exercise=_LUONG,
        answers=_answer(
            "import importlib.util\n"
            "place = importlib.util.find_spec('torch.autograd')\n"
            "module = importlib.util.module_from_spec(place)\n"
            "try:\n"
            "    place.loader.exec_module(module)\n"
            "except Exception:\n"
            "    pass\n"
            "return module.grad(loss, (scores, raw))"
        ),
    ),
    Kind(
        "forbidden and forgotten",
        "Switches off, in its own process, what refuses the call.",
        exercise=_LUONG,
        answers=_answer(
            "import gc\n"
            "for thing in gc.get_objects():\n"
            "    if type(thing).__name__ == 'Student':\n"
            "        thing._armed = []\n"
            "return torch.autograd.grad(loss, (scores, raw))"
        ),
        deserves={"02-predict": 3.0, "02-window-backward": 5.0},
        caught=False,
    ),
    Kind(
        "forbidden engine",
        "Calls the engine of autograd, below every function of a name.",
        exercise=_LUONG,
        answers=_answer(
            "engine = torch.autograd.Variable._execution_engine\n"
            "return engine.run_backward(\n"
            "    (loss,), (torch.ones(()),), False, False,\n"
            "    (scores, raw), allow_unreachable=True,\n"
            "    accumulate_grad=False,\n"
            ")"
        ),
    ),
    *(
        Kind(
            f"forbidden {name}",
            f"Has the gradients computed below the engine's functions, {how}.",
            exercise=_LUONG,
            answers=_answer(gradients, before),
            first=first,
            reports=_SAID,
        )
        for name, how, first, before, gradients in _BELOW
    ),
]
