// Attention in tiles: which tiles of the scores are read, and the running
// maximum m, sum ℓ and output o of each query after each of them. Arrays are
// plain; -Infinity is the m of a query that has read nothing yet.

import { clamp, dot, sum } from "./arithmetic.mjs";

const ALLOWS = {
  none: () => true,
  causal: (t, s) => s <= t,
  window: (t, s, W) => s <= t && t - s < W,
};

export const MASKS = Object.keys(ALLOWS);

// True where query t may read key s: (n, n).
export const tileMask = (name, n, window) =>
  Array.from({ length: n }, (_, t) => Array.from({ length: n }, (_, s) =>
    ALLOWS[name](t, s, window)));

const cuts = (n, size) =>
  Array.from({ length: Math.ceil(n / size) }, (_, i) =>
    [i * size, Math.min(n, (i + 1) * size)]);

// All tiles, a row of them after the other, each { top, bottom, left, right,
// read }; bottom and right are not part of it. It is read unless the mask
// allows nothing in it.
export const tilesOf = (mask, queryTile, keyTile) =>
  cuts(mask.length, queryTile).flatMap(([top, bottom]) =>
    cuts(mask[0].length, keyTile).map(([left, right]) => ({
      top, bottom, left, right,
      read: mask.slice(top, bottom).some((row) =>
        row.slice(left, right).some(Boolean)),
    })));

const nothing = (width) => ({ m: -Infinity, l: 0, o: Array(width).fill(0) });

// One query after another tile: `scores` and `values` of the keys in it that
// the mask allows. `factor` is what ℓ and o were multiplied by; `counted` says
// whether that was a rescale, which the first scores of a query are not.
export function readTile({ m, l, o }, scores, values, threshold = 0) {
  const most = Math.max(m, ...scores); // -Infinity if there is nothing
  const grows = most - m > threshold; // false for NaN: nothing read yet
  const after = grows ? most : m;
  const factor = grows ? Math.exp(m - after) : 1;
  const weights = scores.map((score) => Math.exp(score - after));
  const added = o.map((_, i) => dot(weights, values.map((row) => row[i])));
  return {
    m: after, l: factor * l + sum(weights),
    o: o.map((x, i) => factor * x + added[i]),
    most, factor, added, total: sum(weights),
    counted: grows && m !== -Infinity, chance: scores.length > 0 &&
      m !== -Infinity,
  };
}

// Every state from the first to the last: an entry for each tile that is read
// and one before them. An entry has the `tile`, what each query `did` in it
// (null for those of other tiles) and the `state` of each query after it.
export function tileWalk(scores, mask, value, queryTile, keyTile, threshold) {
  const start = scores.map(() => nothing(value[0].length));
  const walk = [{ tile: null, did: scores.map(() => null), state: start }];
  for (const tile of tilesOf(mask, queryTile, keyTile)) {
    if (!tile.read) continue;
    const { top, bottom, left, right } = tile;
    const before = walk.at(-1).state;
    const did = before.map((state, t) => {
      if (t < top || t >= bottom) return null;
      const keys = [];
      for (let s = left; s < right; s++) if (mask[t][s]) keys.push(s);
      return readTile(state, keys.map((s) => scores[t][s]),
        keys.map((s) => value[s]), threshold);
    });
    walk.push({
      tile, did, state: before.map((state, t) => did[t] ?? state),
    });
  }
  return walk;
}

// What a query has read so far: its output, null before the first key.
export const outputOf = ({ l, o }) => (l ? o.map((x) => x / l) : null);

// One softmax over all keys that the mask allows: (n, d_v).
export const onePass = (scores, mask, value) => scores.map((row, t) => {
  const most = Math.max(...row.filter((_, s) => mask[t][s]));
  const weights = row.map((score, s) =>
    (mask[t][s] ? Math.exp(score - most) : 0));
  const total = sum(weights);
  return value[0].map((_, i) =>
    dot(weights, value.map((v) => v[i])) / total);
});

// After which step each query is finished: (n,).
export const finishedAt = (walk) => walk[0].state.map((_, t) =>
  walk.findLastIndex(({ did }) => did[t]));

// Rescales until each step, and how many chances there were: (steps + 1,).
export function rescales(walk) {
  let [count, chances] = [0, 0];
  return walk.map(({ did }) => {
    for (const each of did) {
      count += Number(each?.counted ?? false);
      chances += Number(each?.chance ?? false);
    }
    return { count, chances };
  });
}

// The same place in another walk: the last step stays the last one.
export const sameStep = (step, last, next) =>
  (step === last ? next : clamp(step, 0, next));
