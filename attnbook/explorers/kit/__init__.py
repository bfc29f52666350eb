"""What the explorers share.

================  =========================================================
module            what is in it
================  =========================================================
explorer.py       the class of every explorer, and checks of its data
sentences.py      checks of sentences with their attention weights
explorer.mjs      the frame of a figure: elements, theme, keys, live region;
                  sliders, choices, numbers; its style in explorer.css
arithmetic.mjs    all arithmetic, as functions of plain arrays
heat_map.mjs      a matrix as a grid to walk; heat_map.css, hatched.css
curve_tile.mjs    a number with its curve; curve_tile.css
tiles.mjs         attention in tiles: the running numbers of each query
base_slider.mjs   the slider of the base of rotations and sinusoids
word_maps.mjs     where in a picture a word is attended to, and the ink there
written.mjs       a state, written token by token, and what a query reads
bundle.mjs        makes each explorer's built.mjs: `make explorers`
================  =========================================================
"""
