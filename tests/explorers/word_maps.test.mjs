// Word maps and their ink against NumPy; word_maps_cases.py computes what
// each must give.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as maps from "../../attnbook/explorers/kit/word_maps.mjs";

const cases = JSON.parse(
  execFileSync(process.env.PYTHON ?? "python3", [
    fileURLToPath(new URL("word_maps_cases.py", import.meta.url)),
  ]),
);

function near(found, expected) {
  if (expected === null) return assert.equal(found, null);
  assert.ok(Math.abs(found - expected) < 1e-12, `${found}, ${expected}`);
}

test("the ink of a patch is the mean of its pixels", () => {
  assert.equal(cases.length, 8);
  for (const { image, ink } of cases) {
    maps.patchInk(image, ink.length).forEach((x, p) => near(x, ink[p]));
  }
});

test("the map of a word is its column, and its mean is over patches", () => {
  for (const { weights, maps: expected, means } of cases) {
    expected.forEach((map, word) => {
      assert.deepEqual(maps.wordMap(weights, word), map);
      near(maps.mean(map), means[word]);
    });
  }
});

test("weight on ink is compared with an even spread", () => {
  for (const { maps: all, ink, ratios } of cases) {
    all.forEach((map, word) => near(maps.inkRatio(map, ink), ratios[word]));
  }
  near(maps.inkRatio([0.2, 0.2, 0.2, 0.2], [1, 0, 0.5, 0]), 1);
  near(maps.inkRatio([0.3, 0, 0, 0], [1, 0, 0, 0]), 4);
});
