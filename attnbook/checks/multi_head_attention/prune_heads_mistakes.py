"""Known mistakes of who cuts heads out of a layer."""

from __future__ import annotations

from functools import partial

from attnbook.checks.multi_head_attention.pruned_layers import mistaken
from attnbook.judging.exercise import Mistake
from attnbook.judging.named_mistakes import named

_MISTAKES = [
    (
        "zeroed",
        "zeros in place of a cut",
        "The pruned heads have no effect, but they are still there: nothing "
        "gets smaller.",
        "Take the rows of the heads that stay: K · d of them.",
        "nothing cut",
    ),
    (
        "inverted",
        "the pruned heads kept",
        "You kept the heads with gate 0 and cut the others.",
        "gate != 0 are those that stay.",
    ),
    (
        "interleaved",
        "every H-th row taken for a head",
        "You took every H-th row. A head has d rows that are side by side.",
        "Head h has the rows h · d to (h + 1) · d.",
        "rows interleaved",
    ),
    (
        "output interleaved",
        "every H-th column taken for a head",
        "You took every H-th column of output_weight. A head has d_v columns "
        "that are side by side.",
        "view(D, H, d_v), not view(D, d_v, H).",
        "output interleaved, then turned",
    ),
    (
        "one width",
        "one width for all matrices",
        "Queries and keys are cut with the width d_v. Their heads have the "
        "width d_k.",
        "Use len(layer['query_weight']) // num_heads, and the same for each "
        "projection.",
    ),
    (
        "D//H",
        "heads as wide as D/H",
        "You took D/H as the width of a head. Its width in a projection is "
        "the number of rows divided by H, and does not depend on D.",
        "Use len(layer['query_weight']) // num_heads, and the same for each "
        "projection.",
        "D//H, cut",
    ),
    (
        "whole biases",
        "biases left whole",
        "The matrices are cut, but their biases are not.",
        "query_bias, key_bias and value_bias lose the same rows.",
    ),
    (
        "sorted",
        "heads in the order of their gates",
        "The heads that stay are sorted by their gates. Keep them in their "
        "old order.",
        "Choose by gate != 0; no sort, no topk.",
    ),
    (
        "gate forgotten",
        "gates of a half taken for 1",
        "Heads that stay keep their full strength. Multiply each by its gate.",
        "Multiply the columns of head h in output_weight by gate[h].",
        "all of them 1",
    ),
    (
        "gate in the values",
        "the gate in the value projection",
        "The output would be the same, but query, key and value "
        "projections stay as they are.",
        "Multiply the columns of head h in output_weight by gate[h].",
    ),
    (
        "gate on the weight alone",
        "a gate that misses the value's bias",
        "The gate is in value_weight and not in value_bias, so part "
        "of the head stays at full strength.",
        "Multiply the columns of head h in output_weight by gate[h].",
    ),
    (
        "value bias gated",
        "the gate in the value's bias",
        "value_bias is multiplied by the gate, too. The projections stay as "
        "they are.",
        "Multiply the columns of head h in output_weight by gate[h].",
    ),
    (
        "all gated",
        "the gate in all matrices",
        "Queries, keys and values are multiplied by the gate. They stay as "
        "they are.",
        "Multiply the columns of head h in output_weight by gate[h].",
    ),
    (
        "output gate twice",
        "the gate squared",
        "The columns of output_weight are multiplied by the gate twice.",
        "Multiply by gate[h] once.",
    ),
    (
        "absolute",
        "a gate without its sign",
        "You use a negative gate as a positive one.",
        "Multiply by gate[h] as it is.",
        "columns absolute",
    ),
    (
        "clamped",
        "gates between 0 and 1 only",
        "Gates below 0 count as 0, and those above 1 as 1.",
        "Multiply by gate[h] as it is.",
        "columns clamped",
        "clamped before the choice",
    ),
    (
        "ones",
        "only gates of exactly 1 stay",
        "Heads with a gate that is neither 0 nor 1 are cut. Only a gate of "
        "exactly 0 prunes.",
        "gate != 0, not gate == 1.",
    ),
    (
        "gate twice",
        "the gate twice",
        "The gate multiplies the values and output_weight, so it is squared.",
        "Multiply only the columns of output_weight by it.",
        "twice on the weight",
    ),
    (
        "scaled up",
        "rescaled by H/K",
        "The heads that stay are multiplied by H/K, as in dropout. Only the "
        "gates should change their strength.",
        "No factor but gate[h].",
    ),
    (
        "negative dropped",
        "a negative gate taken for 0",
        "Heads with a negative gate are cut. Only a gate of exactly 0 prunes.",
        "gate != 0, not gate > 0.",
    ),
    (
        "below a half",
        "a threshold",
        "Heads with a small gate are cut. Only a gate of exactly 0 prunes.",
        "gate != 0, without a threshold.",
        "up to a half",
        "not small",
        "rounded",
        "whole",
    ),
    (
        "mean forgotten",
        "the means are left out",
        "A pruned head leaves nothing. Its mean should become part of the "
        "bias.",
        "output_bias: add the columns of head h times (1 - gate[h]) "
        "· mean[h].",
    ),
    (
        "mean of all heads",
        "the whole mean of every head",
        "Each head leaves its whole mean. Only the part that the gate takes "
        "away should be replaced.",
        "The factor is 1 - gate[h].",
    ),
    (
        "mean of pruned heads alone",
        "only pruned heads leave a mean",
        "Heads that are gated and stay leave (1 - gate[h]) · mean[h] too.",
        "The formula holds for each head, whatever its gate.",
    ),
    (
        "mean of kept heads",
        "the gate where its rest belongs",
        "The means are multiplied by the gate. They should replace the part "
        "that the gate removes.",
        "The factor is 1 - gate[h].",
    ),
    (
        "mean of gated heads alone",
        "only heads that stay leave a mean",
        "A pruned head leaves its mean, too: (1 - 0) · mean[h].",
        "The formula holds for each head, whatever its gate.",
    ),
    (
        "means taken off",
        "means with the wrong sign",
        "You subtract the means from output_bias. Add them.",
        "The factor is 1 - gate[h], not gate[h] - 1.",
    ),
    (
        "value bias in the mean",
        "the value's bias counted once more",
        "value_bias is added to the means. But they are means of the head's "
        "output, which already contains its bias.",
        "(1 - gate[h]) · mean[h], and no more.",
    ),
    (
        "bias detached",
        "a bias without gradient",
        "The values are right, but no gradient flows through output_bias.",
        "Look for a .item(), a .tolist() or a torch.tensor(...) before it.",
    ),
    (
        "columns detached",
        "an output matrix without gradient",
        "The values are right, but no gradient flows through output_weight.",
        "Look for a .detach(), a .data or a torch.tensor(...) before it.",
    ),
    (
        "means across heads",
        "means in the wrong order",
        "The means are in the order of the numbers, across the heads. The "
        "columns of output_weight are in the order of the heads.",
        "mean is (H, d_v): flatten it as it is, without `.T`.",
    ),
    (
        "first gates",
        "the first K gates",
        "The heads that stay get the first K gates of the list, not their "
        "own.",
        "gate[h] with the number that the head had.",
    ),
    (
        "output bias cut",
        "the output's bias cut",
        "output_bias has D numbers, and none of them belongs to a head.",
        "(D,) comes back.",
    ),
    (
        "sum of the means",
        "means that are summed up",
        "One number, the sum of the means, is added to the whole bias. A "
        "head's mean goes through its columns of output_weight.",
        "(D, d_v) @ (d_v,) for each head.",
    ),
    (
        "not without heads",
        "no head left",
        "If all heads are pruned there is nothing to concatenate, and your "
        "code raises an error. K may be 0.",
        "Index with the list of heads that stay: it may be empty.",
    ),
    (
        "output transposed",
        "output_weight transposed",
        "output_weight comes back as (K · d_v, D). It is (D, K · d_v).",
        "Cut the second axis, and leave the first unchanged.",
    ),
    (
        "no output bias",
        "a name is missing",
        "`layer` has eight names, and so must the result: output_bias is "
        "missing.",
        "Return a dictionary with the names of `layer`.",
    ),
    (
        "mean with the pruned columns",
        "means through columns that are already gated",
        "The means went through columns that were already multiplied by the "
        "gate, so a pruned head leaves nothing.",
        "Make output_bias from the original columns.",
    ),
    (
        "mean without the matrix",
        "means that skip the output projection",
        "The means are added to output_bias as they are. A head's "
        "output goes through its columns of output_weight first.",
        "(D, d_v) @ (d_v,) for each head.",
    ),
    (
        "matrix transposed",
        "means through the transposed matrix",
        "The means went through output_weight, transposed. As it is "
        "stored, it takes H · d_v numbers to D.",
        "output_weight @ means, without `.T`.",
    ),
    (
        "new bias alone",
        "the old bias is lost",
        "The new output_bias holds the means alone.",
        "Add them to the bias that was there.",
    ),
    (
        "in place",
        "the layer is changed in place",
        "Your code changes the layer that it was given. If it is pruned "
        "again, with other gates, the result is different.",
        "`b = b + x` makes a new tensor, `b += x` does not.",
    ),
    (
        "gated in place",
        "the gates multiplied into the given matrix",
        "Your code multiplies output_weight of the layer by the gates. "
        ".detach(), .data and a slice share its memory.",
        "`W = W * gate` makes a new tensor, `W *= gate` does not.",
        "gated in place, with its gradient",
    ),
]


MISTAKES = [
    *named(mistaken, _MISTAKES),
    Mistake(
        "rows of the output projection",
        "You cut rows of output_weight. It *reads* the heads, so they "
        "are its columns.",
        partial(mistaken, mistake="rows of the output"),
        "output_weight is (D, H · d_v): cut the second axis.",
        also=[partial(mistaken, mistake="rows, without the gate")],
    ),
    Mistake(
        "cut off from the graph",
        "The values are right, but no gradient reaches the layer, so it "
        "could not be trained further.",
        partial(mistaken, mistake="detached"),
        "A .detach(), a .data, a torch.no_grad() or a new nn.Parameter.",
        also=[
            partial(mistaken, mistake=mistake)
            for mistake in ("new parameters", "layer detached")
        ],
    ),
]
