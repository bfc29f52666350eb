// From logits to the next token. Each rule takes logits (V,) and returns
// logits (V,), with -Infinity for a token that is dropped, as
// attnbook.mechanisms.decoder_only.sampling does; a test compares the two.

import { softmax } from "./arithmetic.mjs";

export const withTemperature = (logits, temperature) =>
  logits.map((logit) => logit / temperature);

// Ids by logit, the largest first; of equal ones the smaller id.
export const ranked = (logits) =>
  Array.from(logits, (_, id) => id).sort((a, b) =>
    logits[b] - logits[a] || a - b);

const keep = (logits, stays) =>
  logits.map((logit, id) => (stays(id) ? logit : -Infinity));

// The k largest.
export function topK(logits, k) {
  const kept = new Set(ranked(logits).slice(0, k));
  return keep(logits, (id) => kept.has(id));
}

// The fewest, largest first, that hold p of the probability: the one that
// crosses p stays.
export function topP(logits, p) {
  const weights = softmax(logits);
  const kept = new Set();
  let before = 0;
  for (const id of ranked(logits)) {
    if (before >= p && kept.size) break;
    kept.add(id);
    before += weights[id];
  }
  return keep(logits, (id) => kept.has(id));
}

// Those with at least this share of the largest probability.
export function minP(logits, share) {
  const weights = softmax(logits);
  const least = share * Math.max(...weights);
  return keep(logits, (id) => weights[id] >= least);
}

// The temperature first, then each rule on what the one before has left.
// Returns the weights (V,) and which rule dropped a token, null for none.
export function candidates(logits, { temperature, k, p, share }) {
  const dropped = logits.map(() => null);
  let left = withTemperature(logits, temperature);
  const rules = [
    ["top-k", (now) => (k < now.length ? topK(now, k) : now)],
    ["top-p", (now) => (p < 1 ? topP(now, p) : now)],
    ["min-p", (now) => (share > 0 ? minP(now, share) : now)],
  ];
  for (const [name, rule] of rules) {
    const next = rule(left);
    next.forEach((logit, id) => {
      if (logit === -Infinity && left[id] > -Infinity) dropped[id] = name;
    });
    left = next;
  }
  return { weights: softmax(left), dropped };
}

// The id whose share of the way from 0 to 1 holds u, along `order`.
export function drawn(weights, order, u) {
  let end = 0;
  for (const id of order) {
    end += weights[id];
    if (u < end) return id;
  }
  return order.findLast((id) => weights[id] > 0); // u beyond a rounded sum
}

// A number from 0 to 1 for each seed and step, always the same: the last
// mixing steps of MurmurHash3 (Appleby 2011), which scatter all 32 bits.
export function uniform(seed, step) {
  let h = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(step + 1, 0x85ebca77);
  for (const [shift, factor] of [[16, 0x85ebca6b], [13, 0xc2b2ae35]]) {
    h = Math.imul(h ^ (h >>> shift), factor);
  }
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}
