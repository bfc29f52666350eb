"""What goes wrong when a generator is guided, by name.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

_RULE = "v = without + s · (with − without)."
_FACTORS = 's is w for "scale" and 1 + w for "extra".'
_NULL = "Without a caption, every row gets the label `null`."
_STEP = "x becomes x + v / steps, at the times 0, 1/steps, and so on."
_KNOWN = "Where `known` is False both passes get `null`, and v is without."

MISTAKES = [
    (
        "sign",
        "guidance with the wrong sign",
        "You go away from the label: your difference is without − with.",
        _RULE,
    ),
    (
        "swapped",
        "the two passes swapped",
        "The pass with the label and the one without have changed places.",
        _RULE,
        "from the labelled, minus",
        "mask on the wrong pass",
    ),
    (
        "from the labelled",
        "begun at the pass with the label",
        "You add s times the difference to the pass *with* the label. That "
        "is one difference too many.",
        _RULE,
        "one too many, both",
    ),
    (
        "difference alone",
        "the difference alone",
        "Your velocity is s times the difference. What it is added to is "
        "missing.",
        _RULE,
    ),
    (
        "labelled scaled",
        "the pass with the label scaled",
        "You multiplied the pass with the label by s. The pass without one "
        "is missing.",
        _RULE,
        "zeros for none",
    ),
    (
        "sum",
        "a sum in place of a difference",
        "You added s times the pass with the label to the pass without.",
        _RULE,
    ),
    (
        "minus sum",
        "only one pass scaled",
        "You subtract the pass without a label once. Its factor is s − 1.",
        _RULE,
    ),
    (
        "averaged",
        "a mean of the two passes",
        "You averaged the two passes with weights. Guidance goes beyond "
        "the pass with the label.",
        _RULE,
    ),
    (
        "rescaled",
        "the velocity brought to another length",
        "You gave the velocity the length of the one with the label.",
        _RULE,
    ),
    (
        "always scale",
        "one convention for both: w",
        "You use s = w whatever `convention` says.",
        _FACTORS,
    ),
    (
        "always extra",
        "one convention for both: 1 + w",
        "You use s = 1 + w whatever `convention` says.",
        _FACTORS,
    ),
    (
        "conventions swapped",
        "the two conventions swapped",
        'You use 1 + w for "scale" and w for "extra".',
        _FACTORS,
    ),
    (
        "extra minus",
        "w − 1 for the second convention",
        'You use s = w − 1 for "extra".',
        _FACTORS,
    ),
    (
        "extra one minus",
        "1 − w for the second convention",
        'You use s = 1 − w for "extra".',
        _FACTORS,
    ),
    (
        "scale minus",
        "one too little in both conventions",
        'You use w − 1 for "scale" and w for "extra".',
        _FACTORS,
    ),
    (
        "no guidance",
        "no guidance at all",
        "Your velocity is that with the label, whatever w is. Either w is "
        "unused, or both passes get the label and their difference is 0.",
        _RULE,
        "label in both",
    ),
    (
        "nothing asked",
        "the label unused",
        "You take the pass without a label alone.",
        _RULE,
        "null in both",
    ),
    (
        "at least 1",
        "a scale of at least 1",
        "You do not let s fall below 1. A scale of 0.5 or of 0 is fine.",
        _FACTORS,
    ),
    (
        "label in both, mask unused",
        "the label in both passes, and in rows without a caption",
        "The pass that should have no label gets the label too, and so do "
        "rows without a caption.",
        _NULL,
    ),
    (
        "null is 0",
        "label 0 taken for no caption",
        "You take label 0 for no caption. The argument `null` says which "
        "one it is.",
        _NULL,
    ),
    (
        "null is the first label",
        "another row's label taken for no caption",
        "The pass without a label gets the label of the first row.",
        _NULL,
    ),
    (
        "null is rolled",
        "labels shuffled in place of none",
        "The pass without a label gets the labels of other rows.",
        _NULL,
    ),
    (
        "mean of none",
        "one velocity without a label for the batch",
        "You averaged the pass without a label over the batch.",
        "Each row has a pass without a label of its own.",
    ),
    (
        "mask unused",
        "`known` unused",
        "Rows without a caption are guided by what stands in `label`.",
        _KNOWN,
    ),
    (
        "unknown keep their label",
        "rows without a caption get their label",
        "Rows without a caption get what stands in `label`, in both passes.",
        _KNOWN,
    ),
    (
        "mask inverted",
        "`known` the other way round",
        "You take away the label where `known` is True.",
        _KNOWN,
    ),
    (
        "all or none",
        "one decision for the whole batch",
        "If one row has no caption, all rows lose theirs.",
        "torch.where(known, label, null), row by row.",
    ),
    (
        "any",
        "`known` asked for the whole batch",
        "If one row has a caption, all rows are guided by their labels.",
        "torch.where(known, label, null), row by row.",
    ),
    (
        "zeros for unknown",
        "label 0 for rows without a caption",
        "Rows without a caption get the label 0. They should get `null`.",
        _KNOWN,
    ),
    (
        "unknown stand still",
        "rows without a caption stand still",
        "Rows without a caption get a velocity of 0.",
        _KNOWN,
    ),
    (
        "unknown scaled",
        "rows without a caption scaled",
        "You multiply the velocity by s where there is no caption.",
        _KNOWN,
    ),
    (
        "not divided",
        "whole steps",
        "You add the whole velocity at each step.",
        _STEP,
    ),
    (
        "backwards",
        "steps backwards",
        "You subtract the velocity.",
        _STEP,
    ),
    (
        "velocity in place of x",
        "x replaced by the velocity",
        "Each step throws x away and takes the velocity for it.",
        _STEP,
    ),
    (
        "share in place of x",
        "a share of the velocity in place of x",
        "Each step throws x away and takes v / steps for it.",
        _STEP,
    ),
    (
        "divided by the steps left",
        "divided by the steps that are left",
        "Your steps grow. They all have the length 1/steps.",
        _STEP,
    ),
    (
        "half steps",
        "divided by one step more",
        "You divide by steps + 1.",
        _STEP,
    ),
    (
        "a step too few",
        "a step too few",
        "The last step is missing.",
        _STEP,
    ),
    (
        "a step too many",
        "a step too many",
        "You take a step too many.",
        _STEP,
    ),
    (
        "one step",
        "the first step alone",
        "You take one step, of length 1/steps, whatever `steps` is.",
        _STEP,
    ),
    (
        "always the start",
        "every step from the start",
        "The model sees the x of the start in every step.",
        "The model gets the x that the last step has led to.",
    ),
    (
        "plain start for none",
        "the pass without a label at the start",
        "The pass without a label sees the x of the start in every step.",
        "Both passes get the x that the last step has led to.",
    ),
    (
        "none after a step",
        "the two passes at different x",
        "The pass without a label sees an x that has already moved.",
        "Both passes get the same x.",
    ),
    (
        "other time for none",
        "the two passes at different times",
        "The pass without a label is one step later.",
        "Both passes get the same time.",
    ),
    (
        "time from the end",
        "time from 1 to 0",
        "Your time runs from 1 down to 0.",
        _STEP,
    ),
    (
        "time at the end of a step",
        "the time at the end of a step",
        "You use the time at the end of each step.",
        _STEP,
    ),
    (
        "time in the middle",
        "the time in the middle of a step",
        "You use the time in the middle of each step.",
        _STEP,
    ),
    (
        "step as time",
        "the number of the step as time",
        "You give the model 0, 1, 2, … for the time.",
        _STEP,
    ),
    (
        "time stands",
        "time that stands still",
        "The model gets the time 0 in every step.",
        _STEP,
    ),
    (
        "linspace",
        "times from 0 to 1, both counted",
        "Your last step is taken at the time 1. It begins at 1 − 1/steps.",
        _STEP,
    ),
    (
        "clipped",
        "x clipped",
        "You keep x between −1 and 1. Nobody asked for that.",
        _STEP,
    ),
    (
        "velocity returned",
        "the velocity returned",
        "You return the last velocity, not x.",
        "The last line returns the x that the last step has led to.",
    ),
    (
        "change returned",
        "the change returned",
        "You return how far x has moved, not x.",
        "The last line returns the x that the last step has led to.",
    ),
    (
        "squeezed",
        "an axis lost for one picture",
        "For one picture you return (D,). The axis of the batch stays.",
        "squeeze() drops every axis of size 1.",
    ),
    (
        "first row for all",
        "the first picture's velocity for all",
        "All pictures move with the velocity of the first one.",
        "Keep the axis of the batch.",
    ),
    (
        "one more, minus u",
        "two factors that do not add up to 1",
        "You took (1 + s) times the pass with the label minus the pass "
        "without. The two factors have to add up to 1.",
        _RULE,
    ),
    ("one over w", "divided by w", "You use s = 1/w.", _FACTORS),
    (
        "time from the end, late",
        "time from the end, a step late",
        "Your time runs down, and ends with 0.",
        _STEP,
    ),
    (
        "time is 1",
        "the time 1 in every step",
        "The model gets the time 1 in every step.",
        _STEP,
    ),
    (
        "time in percent",
        "time in per cent",
        "Your time runs from 0 to 100.",
        _STEP,
    ),
    (
        "label for none",
        "rows without a caption guided by their label",
        "The pass without a label gets what stands in `label`.",
        _NULL,
    ),
    (
        "label for both, masked once",
        "`known` used in one pass alone",
        "One pass gets all labels, and the other those of rows with a "
        "caption. The second should have none at all.",
        _NULL,
    ),
    (
        "growing steps",
        "steps that grow",
        "Your steps grow with n. They all have the length 1/steps.",
        _STEP,
    ),
    (
        "steps from 0",
        "steps that grow from 0",
        "Your steps grow with n, and the first one has the length 0.",
        _STEP,
    ),
    (
        "first step skipped",
        "the first step missing",
        "The first step does not move x.",
        _STEP,
    ),
    (
        "noise added",
        "divided by the square root of the steps",
        "You divide by the square root of `steps`.",
        _STEP,
    ),
    (
        "plain mean",
        "the mean of the two passes",
        "You averaged the two passes, whatever w is.",
        _RULE,
    ),
    (
        "both added",
        "two factors of the same sign",
        "You added (s − 1) times the pass without a label. Its factor is 1 −"
        " s.",
        _RULE,
    ),
    (
        "c minus s u",
        "s at the pass without alone",
        "You took the pass with the label minus s times the pass without.",
        _RULE,
    ),
    (
        "squared",
        "s used twice",
        "You multiplied by s twice.",
        _RULE,
    ),
    (
        "half",
        "half of the guidance",
        "You go only half as far as s says.",
        _FACTORS,
    ),
    (
        "twice",
        "twice the guidance",
        "You go twice as far as s says.",
        _FACTORS,
    ),
    (
        "time short of the end",
        "divided by one step more in the time",
        "You divide n by steps + 1.",
        _STEP,
    ),
    (
        "divided twice",
        "divided by the steps twice",
        "You divide by `steps` twice.",
        _STEP,
    ),
    (
        "all divided",
        "x divided by the steps too",
        "You divide x by `steps` as well. Only v is divided.",
        _STEP,
    ),
    (
        "extra two",
        "one too much for “extra”",
        'For "extra" you take 2 + w.',
        _FACTORS,
    ),
    (
        "extra doubled",
        "twice w for “extra”",
        'For "extra" you take 2 · w.',
        _FACTORS,
    ),
    (
        "extra negative",
        "minus w for “extra”",
        'For "extra" you take −w.',
        _FACTORS,
    ),
    (
        "absolute",
        "absolute differences",
        "You took the absolute value of with − without.",
        _RULE,
    ),
    (
        "one too many from the labelled",
        "from the pass with the label, one too far",
        "You begin at the pass with the label and go on by 1 + s.",
        _RULE,
    ),
    (
        "shrinking steps",
        "steps that get shorter",
        "You divide the velocity by n + 1.",
        _STEP,
    ),
    (
        "x shrunk",
        "x shrunk at each step",
        "You take a share of x off at each step. Only v / steps is added.",
        _STEP,
    ),
    (
        "one division too few",
        "divided by one step less",
        "You divide by steps − 1.",
        _STEP,
    ),
    (
        "one pass after the other",
        "the second pass after the first has moved x",
        "You move x by the pass with the label, and ask the pass without at "
        "the new place. Both use the same x.",
        _STEP,
    ),
    (
        "whole w",
        "w rounded down",
        "You made w a whole number.",
        _FACTORS,
    ),
    (
        "two paths",
        "two separate paths",
        "You follow the pass with and the pass without apart, and guide at "
        "the end. Each step guides.",
        _STEP,
    ),
    (
        "asked once",
        "the model asked once",
        "You ask the model once, at the start. Ask it in each step.",
        _STEP,
    ),
    (
        "times the steps",
        "multiplied by the steps",
        "You multiply v by steps.",
        _STEP,
    ),
    (
        "the pass without first",
        "the pass without moves x first",
        "You move x by the pass without, and ask with the label at the new "
        "place. Both use the same x.",
        _STEP,
    ),
]
