// Attention in tiles against NumPy. tiles_cases.py computes what each query
// holds after each tile.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as tiles from "../../attnbook/explorers/kit/tiles.mjs";

const cases = JSON.parse(
  execFileSync(process.env.PYTHON ?? "python3", [
    fileURLToPath(new URL("tiles_cases.py", import.meta.url)),
  ], { maxBuffer: 2 ** 26 }),
);

function close(found, expected, tolerance = 1e-12) {
  assert.equal(found.length, expected.length);
  expected.forEach((x, i) => assert.ok(
    Math.abs(found[i] - x) <= tolerance * (1 + Math.abs(x)),
    `${found[i]} is not ${x}`));
}

const walkOf = (each) => tiles.tileWalk(each.scores, each.mask, each.value,
  each.query_tile, each.key_tile, each.threshold);

test("every mask is NumPy's", () => {
  for (const name of tiles.MASKS) {
    assert.ok(cases.some((each) => each.name === name), name);
  }
  for (const { name, n, window, mask } of cases) {
    assert.deepEqual(tiles.tileMask(name, n, window), mask);
  }
});

test("the tiles cover all pairs once, and those that are read are NumPy's",
  () => {
    for (const each of cases) {
      const all = tiles.tilesOf(each.mask, each.query_tile, each.key_tile);
      const pairs = all.reduce((total, { top, bottom, left, right }) =>
        total + (bottom - top) * (right - left), 0);
      assert.equal(pairs, each.n ** 2);
      assert.deepEqual(
        all.filter(({ read }) => read).map(({ top, bottom, left, right }) =>
          [top, bottom, left, right]), each.tiles);
    }
    assert.ok(cases.some(({ tiles: { length }, ...each }) => length <
      Math.ceil(each.n / each.query_tile) * Math.ceil(each.n / each.key_tile)));
  });

test("after each tile, m, l and o are those of the keys read so far", () => {
  for (const each of cases) {
    const walk = walkOf(each);
    assert.equal(walk.length, each.states.length);
    walk.forEach(({ state }, step) => state.forEach(({ m, l, o }, t) => {
      const expected = each.states[step][t];
      assert.equal(m, expected.m ?? -Infinity);
      close([l, ...o], [expected.l, ...expected.o]);
    }));
  }
});

test("rescales and their chances are counted as in NumPy", () => {
  for (const each of cases) {
    const counts = tiles.rescales(walkOf(each));
    assert.deepEqual(counts.map(({ count }) => count), each.rescales);
    assert.deepEqual(counts.map(({ chances }) => chances), each.chances);
  }
  assert.ok(cases.some((each) => each.threshold > 0 &&
    each.rescales.at(-1) > 0));
});

test("at the end the output is that of one softmax, at every threshold",
  () => {
    for (const each of cases) {
      const last = walkOf(each).at(-1).state;
      const whole = tiles.onePass(each.scores, each.mask, each.value);
      each.dense.forEach((row, t) => {
        close(whole[t], row);
        close(tiles.outputOf(last[t]), row);
      });
    }
  });

test("a query is finished with the last tile that has it", () => {
  for (const each of cases) {
    const at = tiles.finishedAt(walkOf(each));
    const expected = each.mask.map((_, t) =>
      1 + each.tiles.findLastIndex(([top, bottom]) => t >= top && t < bottom));
    assert.deepEqual(at, expected);
  }
});

test("a tile without allowed keys changes nothing, also at the start", () => {
  const start = { m: -Infinity, l: 0, o: [0, 0] };
  const same = tiles.readTile(start, [], []);
  assert.deepEqual([same.m, same.l, same.o], [-Infinity, 0, [0, 0]]);
  assert.deepEqual([same.factor, same.counted, same.chance],
    [1, false, false]);
  assert.equal(tiles.outputOf(same), null);
  const some = tiles.readTile(start, [2, 1], [[1, 0], [0, 1]]);
  assert.deepEqual([some.counted, some.chance], [false, false]);
  const after = tiles.readTile(some, [], []);
  assert.deepEqual([after.m, after.l, after.o], [some.m, some.l, some.o]);
});

test("the last step stays the last one, others are kept where they fit",
  () => {
    assert.equal(tiles.sameStep(9, 9, 4), 4);
    assert.equal(tiles.sameStep(4, 4, 9), 9);
    assert.equal(tiles.sameStep(3, 9, 2), 2);
    assert.equal(tiles.sameStep(1, 9, 4), 1);
  });
