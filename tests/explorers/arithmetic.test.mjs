// The explorers' arithmetic against NumPy's. cases.py computes what each
// function must give; PYTHON names the interpreter that has NumPy.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as arithmetic from "../../attnbook/explorers/kit/arithmetic.mjs";

const cases = JSON.parse(
  execFileSync(process.env.PYTHON ?? "python3", [
    fileURLToPath(new URL("cases.py", import.meta.url)),
  ]),
);

function near(got, expected) {
  const [a, b] = [got, expected].map((x) => [x].flat());
  assert.equal(a.length, b.length);
  a.forEach((x, i) =>
    assert.ok(
      Math.abs(x - b[i]) <= 1e-12 + 1e-10 * Math.abs(b[i]),
      `expected ${b[i]}, got ${x}, entry ${i}`,
    ));
}

test("a look-up scores, weighs and blends as in NumPy", () => {
  assert.ok(cases.lookups.length >= 20);
  for (const each of cases.lookups) {
    const score = arithmetic.scoreFunctions[each.score];
    const scores = score(each.query, each.keys);
    near(scores, each.scores);
    const weights = arithmetic.softmax(scores, each.temperature);
    near(weights, each.weights);
    near(arithmetic.blend(weights, each.values), each.output);
    assert.equal(arithmetic.argmax(weights), each.argmax);
  }
});

test("entropy, effective number and gradient norm are NumPy's", () => {
  for (const each of cases.lookups) {
    near(arithmetic.entropy(each.weights), each.entropy);
    near(arithmetic.effectiveNumber(each.weights), each.effective);
    const norm = arithmetic.jacobianNorm(each.weights, each.temperature);
    assert.ok(Math.abs(norm - each.jacobian) <= 1e-7, `${norm}`);
  }
});

test("scores of any size neither overflow nor give NaN", () => {
  for (const each of cases.softmaxes) {
    const weights = arithmetic.softmax(each.scores);
    near(weights, each.weights);
    near(arithmetic.entropy(weights), each.entropy);
    const norm = arithmetic.jacobianNorm(weights);
    assert.ok(Math.abs(norm - each.jacobian) <= 1e-7, `${norm}`);
  }
});

test("the weight on true tokens leaves out steps without one", () => {
  for (const { weights, truth, masses, mean } of cases.alignments) {
    weights.forEach((row, t) => {
      const mass = arithmetic.massOnTruth(row, truth[t]);
      if (masses[t] === null) assert.equal(mass, null);
      else near(mass, masses[t]);
    });
    const got = arithmetic.meanMassOnTruth(weights, truth);
    if (mean === null) assert.equal(got, null);
    else near(got, mean);
  }
});

test("variance, entropy, Jacobian and largest weight by d are NumPy's", () => {
  for (const each of cases.scaled_scores) {
    const { query, key, d, scaled, temperature } = each;
    const scores = arithmetic.dotScores(query, key, d, scaled);
    near(scores.flat(), each.scores);
    const got = arithmetic.softmaxOfScores(scores, temperature);
    near(got.weights.flat(), each.weights);
    near(got.variance, each.variance);
    near(got.entropy, each.entropy);
    near(got.largest, each.largest);
    assert.ok(Math.abs(got.jacobian - each.jacobian) <= 1e-7);
  }
});

test("rates, sinusoids and rotated pairs are NumPy's", () => {
  for (const each of cases.positions) {
    const { size, base, query, key, m, n } = each;
    near(arithmetic.rates(size, base), each.rates);
    near(arithmetic.sinusoids(9, size, base).flat(), each.sinusoids);
    near(each.likeness.map((_, t) => arithmetic.likeness(t, size, base)),
      each.likeness);
    near(arithmetic.rotaryParts(query, key, m, n, base), each.parts);
    near(arithmetic.rotaryParts(query, key, m + 30, n + 30, base), each.parts);
  }
});

test("masks, and what a row without keys comes to, are PyTorch's", () => {
  for (const each of cases.masks) {
    const { scores, mask, padded, presets } = each;
    const masks = arithmetic.presetMasks(
      scores.length, scores[0].length, padded);
    assert.deepEqual(masks, presets);
    const by = (filling) => scores.map((row, t) =>
      arithmetic.filledSoftmax(row, mask[t], filling));
    near(scores.flatMap((row, t) => arithmetic.maskedSoftmax(row, mask[t])),
      each.weights.flat());
    near(by(-Infinity).slice(0, -1).flat(), each.infinite.flat());
    assert.ok(by(-Infinity).at(-1).every(Number.isNaN));
    near(by(-1e9).flat(), each.large.flat());
  }
});

test("weights of local windows are the mechanism's", () => {
  for (const each of cases.windows) {
    const { scores, centres, half_width: D, gaussian } = each;
    const weights = arithmetic.localWeights(scores, centres, D, gaussian);
    near(weights.flat(), each.weights.flat());
    const got = arithmetic.rowMeasures(weights);
    near(got.sum, each.sum);
    near(got.entropy, each.entropy);
  }
});

test("equal steps of a temperature slider are equal ratios", () => {
  for (const temperature of [0.05, 0.5, 1, 20]) {
    near(arithmetic.fromLog(arithmetic.toLog(temperature)), temperature);
  }
  const ratio = (p) => arithmetic.fromLog(p + 0.1) / arithmetic.fromLog(p);
  assert.ok(Math.abs(ratio(-1) - ratio(1)) < 0.01);
});

test("a head's entropy and its weight on true tokens are NumPy's", () => {
  assert.ok(cases.heads.length >= 3);
  for (const { weights, truth, entropy, alignment } of cases.heads) {
    const measures = arithmetic.headMeasures(weights, truth);
    near(measures.entropy, entropy);
    near(measures.alignment, alignment);
    assert.equal(arithmetic.headMeasures(weights, null).alignment, null);
  }
});

test("the change of a vector and the sizes of a shape are NumPy's", () => {
  const { changes, sizes, shapes } = cases.walk;
  for (const { from, to, change } of changes) {
    near(arithmetic.relativeChange(from, to), change);
  }
  for (const [shape, expected] of shapes) {
    near(arithmetic.shapeOf(shape, sizes), expected);
  }
});

test("the small parts are what their names say", () => {
  assert.equal(arithmetic.sum([1, 2, 6]), 9);
  assert.equal(arithmetic.mean([1, 2, 6]), 3);
  assert.equal(arithmetic.variance([1, 3]), 1);
  assert.equal(arithmetic.dot([1, 2], [3, 4]), 11);
  assert.equal(arithmetic.distance([1, 1], [4, 5]), 5);
  const clamped = [-1, 2, 9].map((x) => arithmetic.clamp(x, 0, 3));
  assert.deepEqual(clamped, [0, 2, 3]);
  const [x, y] = arithmetic.turned([1, 0], Math.PI / 2);
  assert.ok(Math.abs(x) < 1e-12 && Math.abs(y - 1) < 1e-12);
  assert.deepEqual(
    arithmetic.inWindow(5, 1.2, 1), [false, true, true, false, false]);
  near(arithmetic.gaussianFactor(3, 1, 2), [Math.exp(-0.5), 1, Math.exp(-0.5)]);
});
