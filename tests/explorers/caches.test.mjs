// The cache meter's bytes against the mechanisms of sharing heads.
// caches_cases.py computes what each must give.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as caches from "../../attnbook/explorers/kit/caches.mjs";

const cases = JSON.parse(
  execFileSync(process.env.PYTHON ?? "python3", [
    fileURLToPath(new URL("caches_cases.py", import.meta.url)),
  ], { maxBuffer: 2 ** 26 }),
);
const of = ({ shape, kind, groups }) =>
  kind === "as published" ? shape : caches.variant(shape, kind, groups);

test("every shape and variant caches as many numbers as in Python", () => {
  assert.ok(cases.length >= 5 * 12);
  for (const each of cases) {
    assert.equal(caches.cachedNumbers(of(each)), each.numbers);
    assert.deepEqual(caches.divisors(each.shape.heads), each.divisors);
  }
});

test("bytes by tokens, sequences and type of number are Python's", () => {
  for (const each of cases) {
    for (const [tokens, batch, size, bytes] of each.bytes) {
      assert.equal(caches.cacheBytes(of(each), tokens, batch, size), bytes);
    }
  }
});

test("a token more adds what the difference of two caches is", () => {
  for (const each of cases) {
    for (const [tokens, bytes] of each.growth) {
      assert.equal(caches.growth(of(each), tokens, 2), bytes);
    }
  }
  const mistral = cases.find(({ shape }) => shape.model === "Mistral 7B").shape;
  assert.equal(caches.growth(mistral, 4096, 2), 0);
});

test("as many sequences fit as in Python, and none into less than none", () => {
  for (const each of cases) {
    for (const [gib, fit] of each.fit) {
      assert.equal(caches.fitting(of(each), 8192, 2, gib * 2 ** 30), fit);
    }
    assert.equal(caches.fitting(of(each), 8192, 2, -1), 0);
  }
});

test("a variant is of its kind, and another variant of it is the same", () => {
  for (const { shape, kind, groups } of cases) {
    if (kind === "as published") continue;
    const made = caches.variant(shape, kind, groups);
    if (shape.heads > groups && groups > 1) {
      assert.equal(caches.kindOf(made), kind);
    }
    assert.deepEqual(caches.variant(made, kind, groups), made);
  }
});

test("bytes are written in three digits, 1,024 to the next unit", () => {
  const said = [
    [0, "0 bytes"], [512, "512 bytes"], [1023, "1023 bytes"],
    [1024, "1 KiB"], [70_272, "68.6 KiB"], [128 * 1024, "128 KiB"],
    [1023.4 * 1024, "1023 KiB"], [4.5 * 2 ** 20, "4.5 MiB"],
    [2 ** 30, "1 GiB"], [3.0625 * 2 ** 30, "3.06 GiB"],
    [2 ** 50, "1 PiB"],
  ];
  for (const [bytes, text] of said) assert.equal(caches.written(bytes), text);
});
