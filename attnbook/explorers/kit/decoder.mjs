// A decoder-only model in the page: attnbook.mechanisms.decoder_only, one
// token at a time, with a cache of keys and values. Weights go by the names
// of its state_dict. A test compares the logits with PyTorch's.

import { dot, rates, softmax, turned } from "./arithmetic.mjs";

// The weights from the bytes that eight_bits.py writes: `parts` are
// [name, rows, columns], columns 0 for a vector. First all vectors and the
// scale of each row of a matrix, 32 bits each; then the rows, 8 bits a weight.
export function unpack(bytes, parts) {
  const floats = parts.reduce((total, [, rows]) => total + rows, 0);
  const numbers = new Float32Array(bytes.slice(0, 4 * floats).buffer);
  const whole = new Int8Array(bytes.slice(4 * floats).buffer);
  const weights = {};
  let [at, first] = [0, 0];
  for (const [name, rows, columns] of parts) {
    const scales = numbers.subarray(at, (at += rows));
    weights[name] = columns
      ? Array.from(scales, (scale) => {
        const row = whole.subarray(first, (first += columns));
        return Float64Array.from(row, (value) => scale * value);
      })
      : Float64Array.from(scales);
  }
  return weights;
}

// Nothing read yet; keys and values by layer and position, and the number of
// dot products of a query with a key.
export const emptyCache = (layers) => ({
  length: 0,
  keys: Array.from({ length: layers }, () => []),
  values: Array.from({ length: layers }, () => []),
  dots: 0,
});

// Forgets all but the first `length` tokens.
export function rewind(cache, length) {
  cache.length = length;
  for (const rows of [...cache.keys, ...cache.values]) rows.length = length;
}

const plus = (a, b) => a.map((x, i) => x + b[i]);

const product = (rows, x) => Float64Array.from(rows, (row) => {
  let total = 0;
  for (let i = 0; i < row.length; i++) total += row[i] * x[i];
  return total;
});

// Root mean square, and for a layer norm first the mean: x - mean.
function normalised(x, weight, bias, eps, centred) {
  const middle = centred ? x.reduce((a, b) => a + b) / x.length : 0;
  const from = x.map((value) => value - middle);
  const square = from.reduce((total, y) => total + y * y, 0) / x.length;
  const y = from.map((value, i) =>
    (value / Math.sqrt(square + eps)) * weight[i]);
  return bias ? plus(y, bias) : y;
}

// Features i and i + d/2 of a head, turned by position times rate.
function rotated(x, position) {
  const half = x.length / 2;
  const y = x.slice();
  rates(x.length, 10_000).forEach((rate, i) => {
    [y[i], y[i + half]] = turned([x[i], x[i + half]], position * rate);
  });
  return y;
}

const relu = (x) => Math.max(0, x);
const swish = (x) => x / (1 + Math.exp(-x));

// Reads the token `id` behind those in the cache, which grows. `model` is
// { weights, heads, layers, norm, eps }, norm "layer" or "rms". Returns the
// logits (V,) of the next token, and the weights (L, H, S) over the context.
export function read({ weights, heads, layers, norm, eps }, cache, id) {
  const position = cache.length;
  const linear = (name, x) => {
    const y = product(weights[`${name}.weight`], x);
    const bias = weights[`${name}.bias`];
    return bias ? plus(y, bias) : y;
  };
  const normed = (name, x, centred = norm === "layer") => normalised(
    x, weights[`${name}.weight`], weights[`${name}.bias`], eps, centred);
  const learned = weights["positions.vectors"];
  let x = weights["token_embedding.weight"][id];
  if (learned) x = plus(x, learned[position]);

  // The heads of a projection: each normalised and turned, where it is.
  const split = (name, from, block) => {
    const y = linear(`${block}.${name}_projection`, from);
    const size = y.length / heads;
    return Array.from({ length: heads }, (_, h) => {
      const part = y.subarray(h * size, (h + 1) * size);
      if (name === "value") return part;
      const own = `${block}.${name}_norm`;
      const even = weights[`${own}.weight`] ? normed(own, part, false) : part;
      return learned ? even : rotated(even, position);
    });
  };
  const attend = (from, l) => {
    const block = `blocks.${l}.attention`;
    const query = split("query", from, block);
    cache.keys[l].push(split("key", from, block));
    cache.values[l].push(split("value", from, block));
    const output = new Float64Array(from.length);
    const of = query.map((q, h) => {
      const scores = cache.keys[l].map((key) => dot(q, key[h]) /
        Math.sqrt(q.length));
      cache.dots += scores.length;
      const shares = softmax(scores);
      shares.forEach((share, s) => cache.values[l][s][h].forEach(
        (value, i) => (output[h * q.length + i] += share * value)));
      return shares;
    });
    return [linear(`${block}.output_projection`, output), of];
  };
  const feedForward = (from, l) => {
    const [wide, gate] = ["widen", "gate"].map((name) =>
      `blocks.${l}.feed_forward.${name}`);
    const up = linear(wide, from);
    if (!weights[`${gate}.weight`]) {
      return linear(`blocks.${l}.feed_forward.narrow`, up.map(relu));
    }
    const open = linear(gate, from).map(swish);
    return linear(`blocks.${l}.feed_forward.narrow`,
      up.map((value, i) => value * open[i]));
  };

  const attention = [];
  for (let l = 0; l < layers; l++) {
    const [attended, of] =
      attend(normed(`blocks.${l}.attention_norm`, x), l);
    attention.push(of);
    x = plus(x, attended);
    x = plus(x, feedForward(normed(`blocks.${l}.feed_forward_norm`, x), l));
  }
  cache.length += 1;
  const out = weights["readout.weight"] ?? weights["token_embedding.weight"];
  return { logits: [...product(out, normed("norm", x))], attention };
}

// Reads `ids` from the first that the cache does not hold; without a cache
// every token is read again. The cache must hold tokens of `ids` only.
export function readAll(model, cache, ids) {
  let last;
  for (const id of ids.slice(cache.length)) last = read(model, cache, id);
  return last;
}

// Dot products of queries and keys after a prompt of P tokens and later ones
// up to length T, of one head: in the last step, and in all. The prompt is
// read in one step.
export function dotProducts(P, T, cached) {
  const triangle = (n) => (n * (n + 1)) / 2;
  const step = (n) => (cached && n > P ? n : triangle(n));
  let all = 0;
  for (let n = P; n <= T; n++) all += step(n);
  return { step: step(T), all };
}
