// A state (d_k, d_v) into which a key and a value are written token by token,
// and what a query reads back. Values are one-hot: a column of the state
// belongs to one value. A write is [key, value], two places; a value of null writes
// nothing.

import { dot, sum } from "./arithmetic.mjs";

// Which rule decays the state, and which writes the error instead of the value.
export const RULES = {
  linear: { decays: false, corrects: false },
  decay: { decays: true, corrects: false },
  delta: { decays: false, corrects: true },
  gated: { decays: true, corrects: true },
};

// The first `size` coordinates of each key, made unit length again: (K, d_k).
export const cutKeys = (keys, size) => keys.map((key) => {
  const cut = key.slice(0, size);
  const length = Math.hypot(...cut);
  return cut.map((x) => x / length);
});

// Sᵀ q: (d_v,).
export const readState = (state, query) =>
  state[0].map((_, v) => sum(state.map((row, i) => row[v] * query[i])));

// One token: the state after decay, what its key reads there, the error and
// what is written (d_v,), and the state after the write.
export function writeToken(before, key, value, rule, alpha, beta) {
  const { decays, corrects } = RULES[rule];
  const decayed = before.map((row) =>
    row.map((x) => (decays ? alpha * x : x)));
  const read = readState(decayed, key);
  const target = before[0].map((_, v) => Number(v === value));
  const error = target.map((x, v) => x - read[v]);
  const written = value === null ? target.map(() => 0)
    : corrects ? error.map((x) => beta * x) : target;
  const state = decayed.map((row, i) =>
    row.map((x, v) => x + key[i] * written[v]));
  return { decayed, read, error, written, state };
}

// An entry before the first token and one after each.
export function stateWalk(writes, keys, count, rule, alpha, beta) {
  const empty = keys[0].map(() => Array(count).fill(0));
  const walk = [{ state: empty, written: Array(count).fill(0) }];
  for (const [key, value] of writes) {
    walk.push(writeToken(
      walk.at(-1).state, keys[key], value, rule, alpha, beta));
  }
  return walk;
}

// What the first `step` tokens wrote under each key: the newest value, null
// for none, and the old ones.
export const boundTo = (writes, step, count) =>
  Array.from({ length: count }, (_, key) => {
    const values = writes.slice(0, step)
      .filter(([at, value]) => at === key && value !== null)
      .map(([, value]) => value);
    const newest = values.at(-1) ?? null;
    return { newest, old: [...new Set(values)].filter((v) => v !== newest) };
  });

// The two keys that lie closest, of those in `places`; null for less than two.
export function closest(keys, places) {
  let found = null;
  places.forEach((a, i) => places.slice(i + 1).forEach((b) => {
    const cosine = dot(keys[a], keys[b]);
    if (!found || Math.abs(cosine) > Math.abs(found.cosine)) {
      found = { a, b, cosine };
    }
  }));
  return found;
}
