// A state that is written token by token, against NumPy. written_cases.py
// computes what the state is after each token.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as written from "../../attnbook/explorers/kit/written.mjs";

const cases = JSON.parse(
  execFileSync(process.env.PYTHON ?? "python3", [
    fileURLToPath(new URL("written_cases.py", import.meta.url)),
  ], { maxBuffer: 2 ** 26 }),
);

function close(found, expected, tolerance = 1e-12) {
  assert.deepEqual([found.length], [expected.length]);
  expected.forEach((x, i) => (Array.isArray(x) ? close(found[i], x, tolerance)
    : assert.ok(Math.abs(found[i] - x) <= tolerance * (1 + Math.abs(x)),
      `${found[i]} is not ${x}`)));
}

const walkOf = (each) => written.stateWalk(each.writes, each.keys,
  each.values, each.rule, each.alpha, each.beta);

test("the first coordinates of a key are made unit length again", () => {
  for (const { drawn, size, keys } of cases) {
    close(written.cutKeys(drawn, size), keys);
  }
});

test("after each token the state is NumPy's, by every rule", () => {
  for (const rule of Object.keys(written.RULES)) {
    assert.ok(cases.some((each) => each.rule === rule), rule);
  }
  assert.ok(cases.some((each) => each.writes.some(([, v]) => v === null)));
  for (const each of cases) {
    close(walkOf(each).map(({ state }) => state), each.states, 1e-11);
  }
});

test("every key reads what NumPy reads", () => {
  for (const each of cases) {
    each.reads.forEach((reads, step) => close(each.keys.map((key) =>
      written.readState(each.states[step], key)), reads));
  }
});

test("what is written is the change after the decay, along the key", () => {
  for (const each of cases) {
    walkOf(each).slice(1).forEach((now, i) => {
      const [key] = each.writes[i];
      close(now.state.map((row, j) =>
        row.map((x, v) => x - now.decayed[j][v])),
      each.keys[key].map((k) => now.written.map((u) => k * u)));
      close(now.read, written.readState(now.decayed, each.keys[key]));
    });
  }
});

test("the delta rule at β = 1 reads back exactly what it has just written",
  () => {
    for (const each of cases.filter(({ rule }) => rule.match(/delta|gated/))) {
      written.stateWalk(each.writes, each.keys, each.values, each.rule,
        each.alpha, 1).slice(1).forEach(({ state }, i) => {
        const [key, value] = each.writes[i];
        if (value === null) return;
        close(written.readState(state, each.keys[key]),
          state[0].map((_, v) => Number(v === value)));
      });
    }
  });

test("the newest value of a key and its old ones are told apart", () => {
  for (const { writes, bound, keys } of cases) {
    bound.forEach((line, step) => {
      const found = written.boundTo(writes, step, keys.length);
      assert.deepEqual(found.map(({ newest, old }) =>
        [newest, old.sort((a, b) => a - b)]), line);
    });
  }
});

test("the closest two of some keys are found, whatever their sign", () => {
  for (const { keys, closest } of cases) {
    const found = written.closest(keys, keys.map((_, i) => i));
    if (closest === null) assert.equal(found, null);
    else close([found.cosine], [closest]);
  }
  const keys = [[1, 0], [0.6, 0.8], [-1, 0]];
  assert.deepEqual(written.closest(keys, [0, 1, 2]), { a: 0, b: 2, cosine: -1 });
  assert.deepEqual(written.closest(keys, [0]), null);
});
