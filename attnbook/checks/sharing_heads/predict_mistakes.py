"""Numbers that are often given, and where they come from.

Of each mistake its question, the number, its name, its sentence and where to
look.
"""

import math

# Question c: FLOPs of the four projections, of one of them, of the rest.
_ALL, _ONE, _REST = 2_097_152, 524_288, 1_228_800
_BEFORE = _ALL + _REST

MISTAKES = [
    (
        "a",
        416 / 64,
        "keys without values, or the latent twice",
        "A head of grouped-query attention keeps a key *and* a value, 128 "
        "numbers. The latent is kept once, and serves for both.",
        "(384 + 32) over 2 · 64.",
    ),
    (
        "a",
        3.0,
        "the rotary key left out",
        "The rotary key of a token is kept too, 32 numbers. And the answer "
        "need not be whole.",
        "(384 + 32) over 2 · 64.",
    ),
    (
        "a",
        4.0,
        "a whole number",
        "You rounded up. The question allows any number.",
        "(384 + 32) over 2 · 64.",
    ),
    (
        "a",
        2.75,
        "the rotary key subtracted",
        "The rotary key is kept beside the latent, not inside it.",
        "(384 + 32) over 2 · 64.",
    ),
    (
        "a",
        (384 + 64) / 128,
        "two rotary keys",
        "You counted a rotary key and a rotary value. Values are not turned.",
        "(384 + 32) over 2 · 64.",
    ),
    (
        "a",
        6.25,
        "a latent for keys and one for values",
        "One latent is kept, and keys and values are both made from it.",
        "How many numbers does a token leave in the cache of latents?",
    ),
    (
        "a",
        6.0,
        "the latent over a key",
        "384 over 64 leaves out the rotary key, and the values of the heads.",
        "(384 + 32) over 2 · 64.",
    ),
    (
        "a",
        128 / 416,
        "upside down",
        "You divided the numbers of one head by those of the latent cache.",
        "The answer is above 1.",
    ),
    (
        "a",
        416.0,
        "the numbers that are kept",
        "This many numbers are kept of a token. The question is how many "
        "heads keep as many.",
        "A head keeps 2 · 64.",
    ),
    (
        "a",
        384 / (2 * 96),
        "the rotary key on the wrong side",
        "You added the rotary key to the heads of the *other* model. It "
        "belongs to the latent.",
        "(384 + 32) over 2 · 64.",
    ),
    (
        "a",
        416 / (2 * 96),
        "a rotary key in each head",
        "Grouped-query attention turns its keys as they are. It has no "
        "rotary key beside them.",
        "(384 + 32) over 2 · 64.",
    ),
    (
        "a",
        1.0,
        "one for all heads",
        "That the latent is shared by all heads says nothing about its size.",
        "Count the numbers that each model keeps of a token.",
    ),
    (
        "b",
        3.0,
        "heads dealt out in turn",
        "This is 13 mod 5, as if neighbours read different heads; or it is "
        "the size of a group. Here the heads of a group stand side by side.",
        "Which query heads read head 0?",
    ),
    (
        "b",
        2.0,
        "the number of groups taken for their size",
        "This is 13 // 5. But 5 is how many groups there are.",
        "15 / 5 = 3 heads stand side by side.",
    ),
    (
        "b",
        1.0,
        "a place in the group",
        "This is 13 mod 3, the place of head 13 among the heads of its group.",
        "Which group is it?",
    ),
    (
        "b",
        5.0,
        "counted from 1, or the number of groups",
        "The heads count from 0: the last one of five is head 4.",
        "Query heads 0, 1 and 2 read head 0.",
    ),
    (
        "b",
        13.0,
        "a head of its own",
        "There are only 5 heads of keys.",
        "Query heads 0, 1 and 2 read head 0.",
    ),
    (
        "b",
        0.0,
        "one head for all",
        "That is multi-query attention. Here there are 5 heads of keys.",
        "Query heads 0, 1 and 2 read head 0.",
    ),
    (
        "b",
        13 / 3,
        "not rounded down",
        "This is 13/3. A head has a whole number.",
        "Query heads 12, 13 and 14 read the same head.",
    ),
    (
        "c",
        0.25,
        "everything divided",
        "You divided all of it by 4, or you project all 600 tokens anew. "
        "Sharing makes fewer keys and values, of the one new token, but each "
        "query head still has a score with each token.",
        "Which of the six products get smaller?",
    ),
    (
        "c",
        (_ALL - 1.5 * _ONE + _REST / 4) / _BEFORE,
        "scores and sums divided too",
        "Scores and weighted sums are not divided by 4: each of the 16 query "
        "heads still compares with all 600 tokens.",
        "Only the projections of keys and values get smaller.",
    ),
    (
        "c",
        (_ALL + _REST / 4) / _BEFORE,
        "scores saved and projections not, or three projections",
        "There are as many scores and sums as before: fewer keys and values "
        "are *made*. Or you left out the projection of the output.",
        "Which of the six products get smaller?",
    ),
    (
        "c",
        1.0,
        "nothing saved",
        "Scores and sums are as many as before, but two of the four "
        "projections make fewer numbers.",
        "A key projection now has 4 · 32 = 128 outputs.",
    ),
    (
        "c",
        0.5,
        "heads counted, not FLOPs",
        "This is (16 + 2 · 4)/(3 · 16), a count of heads. The output has a "
        "projection too, and scores and sums count.",
        "A key projection now has 4 · 32 = 128 outputs.",
    ),
    (
        "c",
        0.625,
        "the projections alone",
        "This is the ratio of the projections. Scores and weighted sums "
        "count too.",
        "2 · 16 · 32 · 600 FLOPs for the scores, and as many for the sums.",
    ),
    (
        "c",
        (_ALL - 1.5 * _ONE + _REST / 2) / (_ALL + _REST / 2),
        "one of the two products with the cache",
        "You counted scores or weighted sums, but not both; or an addition "
        "there was not counted.",
        "2 · 16 · 32 · 600 FLOPs for the scores, and as many for the sums.",
    ),
    (
        "c",
        (_ALL / 2 - 0.75 * _ONE + _REST) / (_ALL / 2 + _REST),
        "projections without additions",
        "A product of a vector of 512 and a (512, n) matrix is 2 · 512 · n "
        "FLOPs.",
        "Multiplications *and* additions, in all six products.",
    ),
    (
        "c",
        (_ALL - 0.75 * _ONE + _REST) / _BEFORE,
        "the keys alone",
        "Values are shared as well as keys.",
        "Two projections get a quarter of their size.",
    ),
    (
        "c",
        (_ALL / 4 + _REST) / _BEFORE,
        "all four projections divided",
        "There are still 16 heads of queries, and the output has as many.",
        "Which of the four projections get smaller?",
    ),
    (
        "c",
        (_ALL - 2.25 * _ONE + _REST) / _BEFORE,
        "the queries shared too",
        "There are still 16 heads of queries.",
        "Which of the four projections get smaller?",
    ),
    (
        "c",
        _BEFORE / (_BEFORE - 1.5 * _ONE),
        "upside down",
        "You divided the count with 16 heads by that with 4.",
        "The answer is below 1.",
    ),
    (
        "c",
        1.5 * _ONE / _BEFORE,
        "the share that is saved",
        "This share is saved. The question asks for what is left.",
        "1 minus your number.",
    ),
    (
        "c",
        100 * (1 - 1.5 * _ONE / _BEFORE),
        "per cent",
        "You answered in per cent.",
        "Divide by 100.",
    ),
    (
        "c",
        (_ALL - 2 * _ONE + _REST) / _BEFORE,
        "keys and values for nothing",
        "You counted no projection of keys and values at all.",
        "A key projection now has 4 · 32 = 128 outputs.",
    ),
    (
        "d",
        12.0,
        "FLOPs a number",
        "This many FLOPs come to one *number*. It has 4 bytes.",
        "Divide by 4.",
    ),
    (
        "d",
        0.5,
        "keys of their own",
        "This is right for 24 heads of keys and values. Here six query heads "
        "read each number.",
        "For how many query heads is a number read once?",
    ),
    (
        "d",
        1.5,
        "multiplications without additions",
        "Each number takes part in a multiplication and an addition, for "
        "each head that reads it; and keys and values are both read.",
        "2 · 6 FLOPs for each number.",
    ),
    (
        "d",
        6.0,
        "two bytes a number, or the size of a group",
        "A number has 4 bytes here, and 2 · 6 FLOPs.",
        "FLOPs over bytes.",
    ),
    (
        "d",
        12.0 * 4,
        "multiplied by the bytes",
        "You multiplied the FLOPs of a number by its bytes.",
        "FLOPs over bytes.",
    ),
    (
        "d",
        1 / 3,
        "upside down",
        "These are bytes per FLOP.",
        "FLOPs over bytes.",
    ),
    (
        "d",
        2.0,
        "the number of groups taken for their size",
        "You used 4 query heads for each number. There are 4 groups, of 6 "
        "heads each.",
        "24 / 4 heads read each number.",
    ),
    (
        "d",
        1.0,
        "the number of groups, no additions",
        "You used 4 query heads for each number, and one FLOP for each.",
        "24 / 4 heads read each number, with 2 FLOPs for each.",
    ),
    (
        "d",
        24.0,
        "the heads of queries",
        "Not all 24 query heads read the same number.",
        "24 / 4 heads read each number.",
    ),
    (
        "d",
        0.75,
        "half of the products, no additions",
        "You counted scores or sums, not both, and no additions; but all "
        "bytes that are read.",
        "2 · 6 FLOPs for each number.",
    ),
    (
        "d",
        3.0 * 48,
        "times the width",
        "The width of a head is in the FLOPs and in the bytes: it cancels.",
        "2 · 6 FLOPs for each number.",
    ),
    (
        "d",
        4.0,
        "the bytes of a number",
        "A number has 4 bytes. Count the FLOPs that it takes part in.",
        "2 · 6 FLOPs for each number.",
    ),
    (
        "e",
        0.25,
        "all four matrices divided",
        "The matrices of queries and of the output keep their size.",
        "Which of the four matrices get smaller?",
    ),
    (
        "e",
        0.375,
        "the share that is saved",
        "This share is saved. The question asks for what is left.",
        "1 minus your number.",
    ),
    (
        "e",
        0.8125,
        "the keys alone",
        "Values are pooled as well as keys.",
        "Two of four matrices get a quarter of their size.",
    ),
    (
        "e",
        0.4375,
        "the queries pooled too",
        "There are still 16 heads of queries.",
        "Which of the four matrices get smaller?",
    ),
    (
        "e",
        0.5,
        "no keys and values left, or three matrices",
        "Keys and values keep a quarter of their matrices; and there are "
        "four matrices, with that of the output.",
        "2 + 2 · 1/4 of 4.",
    ),
    (
        "e",
        1.0,
        "nothing saved",
        "Pooling makes one head from four, and its matrix has a quarter of "
        "the rows.",
        "2 + 2 · 1/4 of 4.",
    ),
    (
        "e",
        1.6,
        "upside down",
        "You divided the parameters before by those after.",
        "The answer is below 1.",
    ),
    (
        "e",
        (2 + 2 / 16) / 4,
        "one head for all",
        "This is right for multi-query attention. Here 4 heads are left.",
        "2 + 2 · 1/4 of 4.",
    ),
    (
        "e",
        62.5,
        "per cent",
        "You answered in per cent.",
        "Divide by 100.",
    ),
    (
        "e",
        0.625 * 4 * 512**2,
        "the parameters themselves",
        "This is how many are left. The question asks for their share.",
        "Divide by 4 · 512².",
    ),
    (
        "e",
        0.75,
        "half of keys and values",
        "16 heads become 4, not 8.",
        "2 + 2 · 1/4 of 4.",
    ),
    (
        "e",
        2.5,
        "in units of one matrix",
        "This is 2 + 2 · 1/4. Before, there were 4 matrices of that size.",
        "Divide by 4.",
    ),
    (
        "f",
        4.0,
        "the width of the latent over that of a head",
        "256 over 64 compares two widths. Compare FLOPs: what is made once "
        "in a pass, and what each query adds.",
        "2 · 256 · 2 · 64 for each cached token, whatever T is.",
    ),
    (
        "f",
        128 / 3,
        "keys made, values not",
        "The naive form makes a key and a value of each cached token.",
        "2 · 256 · 2 · 64 for each cached token and head.",
    ),
    (
        "f",
        512 / 3,
        "scores or sums forgotten, or FLOPs of two kinds",
        "Count scores and weighted sums, and additions everywhere: each "
        "query costs 2 (64 + 32 + 64) in the naive form.",
        "T · 2 · (256 + 32 + 256) for the absorbed form.",
    ),
    (
        "f",
        2 * 256 * 64 / 544,
        "a naive form that does not attend",
        "After the keys are made, the naive form also has scores and sums.",
        "Add T · 2 · (64 + 32 + 64) to it.",
    ),
    (
        "f",
        1.0,
        "a single query",
        "With one query the absorbed form has far fewer FLOPs. The naive "
        "form makes keys and values once, for all queries of the pass.",
        "What does each further query cost in either form?",
    ),
    (
        "f",
        math.inf,
        "never",
        "What is made is made once in a pass, and each query costs less with "
        "it. With enough queries the naive form has fewer FLOPs.",
        "What does each further query cost in either form?",
    ),
    (
        "f",
        2 * 256 * 64 / (2 * 256 - 2 * 64 - 32),
        "a rotary key that one form lacks",
        "In both forms the scores need the rotary key, 32 numbers.",
        "64 + 32 + 64 against 256 + 32 + 256.",
    ),
    (
        "f",
        2 * 256 * 64 / (2 * 256 + 32 - 2 * 64),
        "no rotary key in the naive form",
        "In both forms the scores need the rotary key, 32 numbers.",
        "64 + 32 + 64 against 256 + 32 + 256.",
    ),
    (
        "f",
        256 * 64 / (256 + 64),
        "added instead of subtracted",
        "Both forms have scores and sums: what counts is the difference.",
        "(256 + 32 + 256) - (64 + 32 + 64).",
    ),
    (
        "f",
        2 * 256 * 64 / (256 + 32 - 64 - 32 - 64),
        "the width of the latent, or no sums of latents",
        "The absorbed form also adds up latents, 256 numbers for each query "
        "and token.",
        "256 + 32 + 256.",
    ),
    (
        "f",
        64.0,
        "the width of a head",
        "It is near, but not the answer.",
        "Write both counts as a + b T, and set them equal.",
    ),
    (
        "f",
        86.0,
        "rounded up",
        "You rounded up. The answer need not be whole.",
        "Two digits after the point.",
    ),
    (
        "f",
        85.0,
        "rounded down",
        "You rounded to a whole number. The answer need not be whole.",
        "Two digits after the point.",
    ),
    (
        "f",
        256 * (96 + 64) / (2 * 256 - 2 * 64),
        "a rotary key made with each key",
        "The rotary key is in the cache as it is, and no matrix makes it.",
        "2 · 256 · 2 · 64 for each cached token and head.",
    ),
    (
        "f",
        256 * 96 * 2 / (2 * 256 - 2 * 64),
        "rotary keys made too",
        "The rotary key is in the cache as it is, and no matrix makes it.",
        "2 · 256 · 2 · 64 for each cached token and head.",
    ),
]
