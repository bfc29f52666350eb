// A ring of ranks against NumPy. ring_cases.py counts place by place.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as ring from "../../attnbook/explorers/kit/ring.mjs";

const cases = JSON.parse(
  execFileSync(process.env.PYTHON ?? "python3", [
    fileURLToPath(new URL("ring_cases.py", import.meta.url)),
  ], { maxBuffer: 2 ** 26 }),
);

const close = (found, expected) => assert.ok(
  Math.abs(found - expected) <= 1e-12 * (1 + Math.abs(expected)),
  `${found} is not ${expected}`);

test("each chunk has the holder that NumPy says, and a rank its chunks", () => {
  for (const { layout, ranks, holders } of cases) {
    assert.deepEqual(holders.map((_, chunk) =>
      ring.holderOf(layout, ranks, chunk)), holders);
    for (let rank = 0; rank < ranks; rank++) {
      const own = ring.chunksOf(layout, ranks, rank);
      assert.deepEqual(own.map((chunk) => holders[chunk]), [rank, rank]);
      assert.equal(new Set(own).size, 2);
    }
  }
});

test("the work of every rank in every step is NumPy's", () => {
  for (const { layout, ranks, causal, work } of cases) {
    const found = ring.ringWork(layout, ranks, causal);
    work.forEach((step, i) =>
      step.forEach((x, rank) => close(found[i][rank], x)));
  }
});

test("time and waiting after each step are NumPy's", () => {
  for (const { layout, ranks, causal, took, waited } of cases) {
    const work = ring.ringWork(layout, ranks, causal);
    for (let steps = 0; steps <= ranks; steps++) {
      const found = ring.ringTime(work, steps);
      close(found.took, steps ? took[steps - 1] : 0);
      found.waited.forEach((x, rank) =>
        close(x, steps ? waited[steps - 1][rank] : 0));
    }
  }
});

test("contiguous places take 2 − 1/R times as long, zigzag and no mask 1",
  () => {
    for (const { layout, ranks, causal, imbalance } of cases) {
      const found = ring.imbalance(ring.ringWork(layout, ranks, causal));
      close(found, imbalance);
      const uneven = causal && layout === "contiguous";
      close(found, uneven ? 2 - 1 / ranks : 1);
    }
  });

test("a pair of chunks is computed in one step, by the rank of its queries",
  () => {
    for (const { layout, ranks } of cases) {
      for (let query = 0; query < 2 * ranks; query++) {
        for (let key = 0; key < 2 * ranks; key++) {
          const step = ring.stepOf(layout, ranks, query, key);
          const rank = ring.holderOf(layout, ranks, query);
          const visitor = ring.visitorOf(ranks, rank, step);
          assert.equal(visitor, ring.holderOf(layout, ranks, key));
        }
      }
    }
  });
