"""What often goes wrong where matrices are absorbed.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

_SCALE = "√((d_c + d_r)/(d_k + d_r)), on all rows."
_QUERY = "Of each head: d_k rows, then d_r rows that are turned."
_UP = "Of each head: d_k rows for keys, then d_v rows for values."
_NEW = "Of each head: d_c rows for the latent, then d_r for the rotary key."
_VALUE = "The weights sum to 1, so a head's values shift by its bias."

MISTAKES = [
    (
        "no scale",
        "no scale",
        "The plain attention divides by √(d_c + d_r), and the model was "
        "trained with √(d_k + d_r). Your matrix does not make up for it.",
        _SCALE,
    ),
    (
        "upside down",
        "the scale upside down",
        "You divide where you should multiply.",
        _SCALE,
    ),
    (
        "no root",
        "no root in the scale",
        "The scales are one over *roots* of widths.",
        _SCALE,
    ),
    (
        "old scale",
        "the old scale alone",
        "The plain attention still divides by √(d_c + d_r).",
        _SCALE,
        "half",
    ),
    (
        "new scale",
        "the new scale twice",
        "The plain attention divides by √(d_c + d_r) itself.",
        _SCALE,
        "both scales",
    ),
    (
        "root multiplied",
        "the new scale undone, the old one forgotten",
        "You multiply by √(d_c + d_r), and do not divide by √(d_k + d_r).",
        _SCALE,
    ),
    (
        "without the rotary part",
        "a scale without the rotary part",
        "Both widths have d_r features more.",
        _SCALE,
    ),
    (
        "latent alone above",
        "a new width without the rotary part",
        "What is kept of a token has d_c + d_r numbers.",
        _SCALE,
    ),
    (
        "key alone below",
        "an old width without the rotary part",
        "A key of latent attention has d_k + d_r numbers.",
        _SCALE,
    ),
    (
        "values below",
        "the width of the values in the scale",
        "You took d_v. Scores compare queries with keys.",
        _SCALE,
        "values above",
    ),
    (
        "scale on the latent alone",
        "a scale for the latent alone",
        "The rows of the rotary part need the scale too.",
        _SCALE,
    ),
    (
        "scale on the rotary part alone",
        "a scale for the rotary part alone",
        "The rows of the latent need the scale too.",
        _SCALE,
    ),
    (
        "rotary first in a head",
        "the two parts of a query exchanged",
        "You took the first d_r rows of a head for the rotary part.",
        _QUERY,
    ),
    (
        "from -0",
        "a slice that begins or ends at -0",
        "d_r may be 0, and -0 is 0: [-d_rotary:] then takes all rows, and "
        "[:-d_rotary] none.",
        "Cut at d_k: [:, :d_k] and [:, d_k:].",
        "to -0",
        "to -0 and from -0",
    ),
    (
        "rotary of all heads last",
        "the rotary parts of all heads at the end",
        "You divided the queries into the d_k of all heads and the d_r of "
        "all heads.",
        _QUERY,
    ),
    (
        "query mixed",
        "the queries' heads mixed",
        "Row h, h + H, h + 2H … are not a head.",
        "unflatten(0, (H, -1)).",
    ),
    (
        "halves",
        "keys of all heads, then values of all heads",
        "You divided the up-projection into two parts. Each head has its "
        "keys and its values side by side.",
        _UP,
        "halves, bias right",
    ),
    (
        "values first",
        "values before keys",
        "You took the first rows of a head for the values.",
        _UP,
        "values first, bias right",
    ),
    (
        "key for value",
        "keys for values",
        "The rows of the keys went into the output too.",
        _UP,
    ),
    (
        "value for key",
        "values for keys",
        "The rows of the values went into the queries too.",
        _UP,
    ),
    (
        "equal halves",
        "keys and values of equal width",
        "You halved each head of the up-projection. d_k and d_v may differ.",
        _UP,
        "heads of half the up-projection",
    ),
    (
        "up mixed",
        "the up-projection's heads mixed",
        "Row h, h + H, h + 2H … are not a head.",
        "unflatten(0, (H, -1)).",
    ),
    (
        "head 0",
        "the up-projection of head 0",
        "All heads got the up-projection of the first one.",
        _UP,
    ),
    (
        "mean of heads",
        "the mean of the up-projections",
        "All heads got the mean of the up-projections.",
        _UP,
    ),
    (
        "not transposed",
        "the key matrix not transposed",
        "q · (K c) is (Kᵀ q) · c: the transposed matrix meets the query.",
        "key.T @ query, (d_c, d_k) by (d_k, D).",
    ),
    (
        "summed over heads",
        "the queries of all heads summed",
        "Each head has a query of its own.",
        _NEW,
    ),
    (
        "heads crossed",
        "the query of one head, the key of another",
        "The matrices of different heads met.",
        _UP,
    ),
    (
        "rotary part left out",
        "the rotary part left out",
        "The rows of the rotary part are missing.",
        _NEW,
    ),
    (
        "rotary part 0",
        "the rotary part set to 0",
        "The rows of the rotary part stay, but for the scale.",
        _NEW,
    ),
    (
        "one rotary part",
        "the rotary query of head 0",
        "The rotary *key* is shared. Each head has a rotary query.",
        _NEW,
    ),
    (
        "rotary first",
        "rotary rows before those of the latent",
        "What is kept has the latent first, and the rotary key behind it.",
        _NEW,
    ),
    (
        "all latents first",
        "the rows of all heads in two parts",
        "First come the latent rows of all heads, then the rotary rows.",
        _NEW,
    ),
    (
        "features first in the query",
        "rows of the heads interleaved",
        "The rows of a head stand side by side.",
        _NEW,
    ),
    (
        "query transposed",
        "the new queries transposed",
        "A matrix is stored as nn.Linear stores it, rows for outputs.",
        "(H (d_c + d_r), D).",
    ),
    (
        "rotary width forgotten",
        "keys as wide as queries",
        "A query has d_k + d_r rows, but the up-projection makes d_k.",
        "d_k = len(query) // H - d_r.",
    ),
    (
        "output mixed",
        "the output's heads mixed",
        "Column h, h + H, h + 2H … are not a head.",
        "unflatten(1, (H, -1)).",
    ),
    (
        "columns for the rotary key",
        "columns for the rotary key",
        "Only latents are summed up, not rotary keys.",
        "(D, H d_c).",
    ),
    (
        "features first in the output",
        "columns of the heads interleaved",
        "The columns of a head stand side by side.",
        "(D, H, d_c), then flatten.",
    ),
    (
        "heads summed in the output",
        "the outputs of all heads summed",
        "Each head sums up latents with weights of its own.",
        "(D, H d_c).",
    ),
    (
        "output transposed",
        "the new output transposed",
        "A matrix is stored as nn.Linear stores it, rows for outputs.",
        "(D, H d_c).",
    ),
    (
        "output scaled",
        "a factor in the output",
        "The scale belongs to scores. The output has none.",
        "output @ value, head by head.",
    ),
    (
        "no bias",
        "no bias",
        "The bias of the values is left out.",
        _VALUE,
    ),
    (
        "bias of values as it is",
        "a bias that is not mapped",
        "The bias of the values has to go through the output matrix.",
        "output @ bias, (D,).",
    ),
    (
        "bias of keys",
        "the bias of the keys",
        "A bias of the keys adds the same to all scores of a query. It is "
        "that of the values which counts.",
        _VALUE,
        "bias of both",
    ),
    (
        "bias by head",
        "a bias for each head",
        "The outputs of the heads are added up, and so are their biases.",
        "(D,).",
    ),
    (
        "bias of head 0",
        "the bias of one head",
        "Only the bias of the first head is there.",
        "Add up over the heads.",
    ),
    (
        "mean bias",
        "the mean of the biases",
        "The outputs of the heads are added up, not averaged.",
        "Add up over the heads.",
    ),
    (
        "bias of the first rows",
        "the first or the last entries of the bias",
        "The bias has the order of the up-projection's rows: of each head "
        "keys, then values.",
        _UP,
        "bias of the last rows",
    ),
    (
        "whole bias",
        "the bias of keys and values together",
        "You multiply the whole bias by the output matrix. Only its entries "
        "for values fit.",
        _UP,
    ),
    (
        "bias subtracted",
        "the bias subtracted",
        "The bias is added.",
        _VALUE,
    ),
    (
        "gradients cut off",
        "gradients cut off",
        "What you return does not depend on the matrices for autograd.",
        "No detach, no .data, no torch.no_grad.",
        "gradients of the up-projection cut off",
        "new leaves",
    ),
    (
        "two results",
        "two results",
        "You return two tensors. The bias is asked for too.",
        "return new_query, new_output, new_bias.",
    ),
    (
        "exchanged",
        "the matrices exchanged",
        "The output matrix is returned first.",
        "return new_query, new_output, new_bias.",
    ),
]
