// The pattern painter's masks, work, memory and reach against the mechanisms
// of long context. patterns_cases.py computes what each must give.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as patterns from "../../attnbook/explorers/kit/patterns.mjs";

const cases = JSON.parse(
  execFileSync(process.env.PYTHON ?? "python3", [
    fileURLToPath(new URL("patterns_cases.py", import.meta.url)),
  ], { maxBuffer: 2 ** 26 }),
);

function measured(mask, each) {
  assert.deepEqual(mask, each.mask);
  assert.deepEqual(patterns.keysRead(mask), each.read);
  assert.deepEqual(patterns.keysKept(mask), each.kept);
  const depth = patterns.depths(mask);
  each.reached.forEach((reached, i) => assert.deepEqual(
    depth.map((row) => row.map((at) => at !== null && at <= i + 1)), reached));
  const last = mask.length - 1;
  assert.deepEqual(
    patterns.reachByDepth(depth, last, each.of_last.length), each.of_last);
  assert.equal(patterns.depthNeeded(depth), each.needed);
}

test("every pattern has the mask and the reach of the mechanisms", () => {
  assert.ok(cases.patterns.length >= 100);
  for (const name of patterns.NAMES) {
    assert.ok(cases.patterns.some((each) => each.name === name), name);
  }
  for (const each of cases.patterns) {
    measured(patterns.patternMask(each.name, each.sizes), each);
  }
});

test("the cache of a pattern that goes on holds what is read later", () => {
  for (const { name, sizes, further, kept_further: kept } of cases.patterns) {
    const mask = patterns.patternMask(name, sizes, further.length);
    assert.deepEqual(mask, further);
    assert.deepEqual(patterns.keysKept(mask), kept);
  }
});

test("a window keeps W keys, sinks come on top, and a stride keeps all", () => {
  const sizes = { tokens: 16, window: 4, dilation: 3, stride: 4, sinks: 2 };
  const at = (name) => patterns.keysKept(
    patterns.patternMask(name, sizes, 40))[15];
  assert.equal(at("window"), 4);
  assert.equal(at("sinks"), 6);
  assert.equal(at("dilated"), 10);
  assert.equal(at("strided"), 16);
  assert.equal(at("full"), 16);
});

test("painted masks are measured as the mechanisms measure them", () => {
  for (const each of cases.painted) {
    measured(patterns.painted(each.before, each.cells), each);
  }
  assert.ok(cases.painted.some((each) => each.needed === null));
  assert.ok(cases.painted.some((each) => each.read.includes(0)));
});

test("what is painted ahead or beyond the tokens is left out", () => {
  const mask = [[true, false], [false, true]];
  const cells = [[0, 1, true], [2, 0, true], [1, 0, true]];
  assert.deepEqual(
    patterns.painted(mask, cells), [[true, false], [true, true]]);
  assert.deepEqual(mask[1], [false, true]);
});

test("a stroke sets a cell, or the part of its block that is not ahead", () => {
  assert.deepEqual(patterns.stroked(3, 1, 6), [[3, 1]]);
  assert.deepEqual(patterns.stroked(4, 3, 5, 3),
    [[3, 3], [4, 3], [4, 4]]);
  assert.equal(patterns.stroked(5, 1, 6, 3).length, 9);
});

test("global tokens are evenly spread, the first one first", () => {
  for (const [tokens, count, places] of cases.spread) {
    assert.deepEqual(patterns.spread(tokens, count), places);
  }
});
