// The decoder-only model of the page against PyTorch: its logits, its cache,
// its sampling and its tokens. decoder_cases.py computes what each must give.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { bytePairs, visible } from
  "../../attnbook/explorers/kit/byte_pairs.mjs";
import * as decoder from "../../attnbook/explorers/kit/decoder.mjs";
import { bytesHere } from "../../attnbook/explorers/kit/fetched.mjs";
import * as sampling from "../../attnbook/explorers/kit/sampling.mjs";

const cases = JSON.parse(
  execFileSync(process.env.PYTHON ?? "python3", [
    fileURLToPath(new URL("decoder_cases.py", import.meta.url)),
  ], { maxBuffer: 2 ** 26 }),
);

function near(got, expected, most = 1e-9) {
  const [a, b] = [got, expected].map((x) => [x].flat(Infinity));
  assert.equal(a.length, b.length);
  a.forEach((x, i) => assert.ok(
    Math.abs(x - b[i]) <= most * (1 + Math.abs(b[i])),
    `expected ${b[i]}, got ${x}, entry ${i}`,
  ));
}

const load = (each) =>
  ({ ...each, weights: decoder.unpack(bytesHere(each.data), each.parts) });

// (L, H, S, d) of a cache's rows.
const byHead = (rows, heads) => rows.map((layer) =>
  Array.from({ length: heads }, (_, h) => layer.map((row) => [...row[h]])));

test("logits and weights of every design are PyTorch's", () => {
  assert.ok(cases.models.length >= 4);
  for (const each of cases.models) {
    const model = load(each);
    const cache = decoder.emptyCache(model.layers);
    each.ids.forEach((id, t) => {
      const { logits, attention } = decoder.read(model, cache, id);
      near(logits, each.logits[t]);
      attention.forEach((heads, l) => heads.forEach((weights, h) => near(
        weights, each.attention[l][h][t].slice(0, t + 1))));
    });
  }
});

test("the cache holds PyTorch's keys and values, and can be rewound", () => {
  for (const each of cases.models) {
    const model = load(each);
    const cache = decoder.emptyCache(model.layers);
    const whole = decoder.readAll(model, cache, each.ids).logits;
    decoder.rewind(cache, 4);
    const sixth = decoder.readAll(model, cache, each.ids.slice(0, 6));
    near(sixth.logits, each.sixth);
    near(byHead(cache.keys, each.heads), each.keys);
    near(byHead(cache.values, each.heads), each.values);
    const again = decoder.readAll(model, cache, each.ids);
    assert.deepEqual(again.logits, whole); // to the last bit
  }
});

test("dot products are counted as many as the formula says", () => {
  for (const each of cases.models) {
    const model = load(each);
    const each1 = model.layers * model.heads;
    for (const cached of [true, false]) {
      let cache = decoder.emptyCache(model.layers);
      let all = 0;
      for (let T = 3; T <= each.ids.length; T++) {
        if (!cached) cache = decoder.emptyCache(model.layers);
        const before = cache.dots;
        decoder.readAll(model, cache, each.ids.slice(0, T));
        const expected = decoder.dotProducts(3, T, cached);
        assert.equal(cache.dots - before, each1 * expected.step);
        all += cache.dots - before;
        assert.equal(all, each1 * expected.all);
      }
    }
  }
  // From a prompt of one token the ratio is (T + 2) / 3.
  const [without, cached] = [false, true].map((kept) =>
    decoder.dotProducts(1, 256, kept).all);
  near(without / cached, 258 / 3);
});

test("each rule of sampling leaves the tokens that PyTorch's leaves", () => {
  const kept = (logits) => logits.map(Number.isFinite);
  assert.ok(cases.sampling.length >= 16);
  for (const each of cases.sampling) {
    const { logits, temperature, k, p, share } = each;
    near(sampling.withTemperature(logits, temperature), each.warm);
    assert.deepEqual(kept(sampling.topK(logits, k)), each.top_k);
    assert.deepEqual(kept(sampling.topP(logits, p)), each.top_p);
    assert.deepEqual(kept(sampling.minP(logits, share)), each.min_p);
    const { weights, dropped } = sampling.candidates(logits, each);
    near(weights, each.weights);
    assert.deepEqual(
      dropped.map((rule) => rule === null), weights.map((w) => w > 0));
  }
});

test("the token that crosses p stays, and the temperature comes first", () => {
  const logits = [0.5, 0.3, 0.2].map(Math.log);
  const kept = (p) => sampling.topP(logits, p).map(Number.isFinite);
  assert.deepEqual(kept(0.6), [true, true, false]);
  assert.deepEqual(kept(0.4), [true, false, false]);
  const rules = { k: 3, p: 0.6, share: 0 };
  const { dropped } =
    sampling.candidates(logits, { ...rules, temperature: 0.25 });
  assert.deepEqual(dropped, [null, "top-p", "top-p"]);
});

test("tokens are drawn as often as their weights say", () => {
  const weights = [0.1, 0, 0.6, 0.3];
  const order = sampling.ranked(weights);
  assert.deepEqual(order, [2, 3, 0, 1]);
  const counts = [0, 0, 0, 0];
  const draws = 20_000;
  for (let step = 0; step < draws; step++) {
    counts[sampling.drawn(weights, order, sampling.uniform(7, step))] += 1;
  }
  assert.equal(counts[1], 0);
  const fit = [0, 2, 3].reduce((total, i) =>
    total + (counts[i] - draws * weights[i]) ** 2 / (draws * weights[i]), 0);
  assert.ok(fit < 13.8, `χ² is ${fit}`); // p = 0.001 at 2 degrees of freedom
  assert.equal(sampling.drawn([0.5, 0.4999, 0], [0, 1, 2], 0.99999), 1);
});

test("random numbers are even, differ by seed and step, and repeat", () => {
  const bins = Array(20).fill(0);
  for (let seed = 0; seed < 100; seed++) {
    for (let step = 0; step < 100; step++) {
      bins[Math.floor(20 * sampling.uniform(seed, step))] += 1;
    }
  }
  const fit = bins.reduce((sum, n) => sum + (n - 500) ** 2 / 500, 0);
  assert.ok(fit < 43.8, `χ² is ${fit}`); // p = 0.001 at 19
  assert.equal(sampling.uniform(3, 4), sampling.uniform(3, 4));
  assert.notEqual(sampling.uniform(3, 4), sampling.uniform(4, 3));
});

test("a text becomes the tokens that Python makes of it", () => {
  const pairs = bytePairs(cases.text.merges);
  assert.equal(pairs.size, cases.text.bytes.length);
  cases.text.bytes.forEach((bytes, id) =>
    assert.deepEqual(pairs.token(id), bytes));
  assert.ok(cases.text.texts.length >= 5);
  for (const [text, ids] of cases.text.texts) {
    assert.deepEqual(pairs.encode(text), ids, text);
  }
});

test("a token's white space and broken characters can be seen", () => {
  const bytes = (text) => [...new TextEncoder().encode(text)];
  assert.equal(visible(bytes(" é\n")), "·é↵");
  assert.equal(visible([0xc3]), "<c3>");
  assert.equal(visible([0]), "<00>");
});
