// Sparse patterns as masks, and what they cost: true where a query (row) may
// read a key (column). attnbook.mechanisms.long_context has the same in
// PyTorch; a test compares the two.

import { sum } from "./arithmetic.mjs";

const grid = (n, allowed) => Array.from({ length: n }, (_, t) =>
  Array.from({ length: n }, (_, s) => s <= t && Boolean(allowed(t, s))));

// The global tokens: `count` of them, evenly spread, the first token first.
export const spread = (tokens, count) =>
  Array.from({ length: count }, (_, i) => Math.floor((i * tokens) / count));

// What each pattern allows, besides that nothing ahead is read.
const RULES = {
  full: () => () => true,
  window: ({ window: W }) => (t, s) => t - s < W,
  dilated: ({ window: W, dilation: r }) => (t, s) =>
    t - s < W * r && (t - s) % r === 0,
  strided: ({ window: W, stride }) => (t, s) =>
    t - s < W || (t - s) % stride === 0,
  global: ({ window: W, global_tokens: g, tokens }) => {
    const chosen = new Set(spread(tokens, g));
    return (t, s) => t - s < W || chosen.has(t) || chosen.has(s);
  },
  blocks: ({ block, near }) => (t, s) => {
    const [i, j] = [t, s].map((at) => Math.floor(at / block));
    return i - j < near || j === 0;
  },
  sinks: ({ window: W, sinks }) => (t, s) => t - s < W || s < sinks,
};

export const NAMES = Object.keys(RULES);

// The mask of a pattern, (n, n). `length` is n; with more than `tokens` the
// pattern goes on as it began, without further global tokens.
export const patternMask = (name, sizes, length = sizes.tokens) =>
  grid(length, RULES[name](sizes));

// A mask with the cells [t, s, on] painted over it.
export function painted(mask, cells) {
  const next = mask.map((row) => [...row]);
  for (const [t, s, on] of cells) {
    if (s <= t && t < next.length) next[t][s] = on;
  }
  return next;
}

// The cells that a stroke over (t, s) sets: itself, or its block of `block`.
export function stroked(t, s, tokens, block = 1) {
  const [top, left] = [t, s].map((at) => at - (at % block));
  const cells = [];
  for (let i = top; i < Math.min(top + block, tokens); i++) {
    for (let j = left; j < left + block && j <= i; j++) cells.push([i, j]);
  }
  return cells;
}

// How many keys each query reads, (n,).
export const keysRead = (mask) => mask.map((row) => sum(row.map(Number)));

// How many keys a cache holds when token t is the newest, t itself among
// them: those that token t or a later one of the mask reads. (n,)
export function keysKept(mask) {
  const last = mask.map((_, s) => mask.findLastIndex((row) => row[s]));
  return mask.map((_, t) =>
    sum(last.map((at, s) => Number(s <= t && at >= t))));
}

// After how many layers token s first changes token t, (n, n): 0 for its own
// place, 1 for what t reads itself, null for never.
export function depths(mask) {
  const found = mask.map((row, t) => row.map((_, s) => (s === t ? 0 : null)));
  for (let layer = 1, more = true; more; layer++) {
    more = false;
    const before = found.map((row) => row.map((depth) => depth !== null));
    mask.forEach((row, t) => row.forEach((reads, k) => {
      if (!reads || k === t) return;
      before[k].forEach((there, s) => {
        if (!there || found[t][s] !== null) return;
        found[t][s] = layer;
        more = true;
      });
    }));
  }
  return found;
}

// How many tokens can change token t after 1 … `most` layers, (most,).
export const reachByDepth = (depth, t, most) =>
  Array.from({ length: most }, (_, i) =>
    depth[t].filter((at) => at !== null && at <= i + 1).length);

// Layers until every token is reached by all before it; null if never.
export function depthNeeded(depth) {
  const past = depth.flatMap((row, t) => row.slice(0, t + 1));
  return past.includes(null) ? null : Math.max(1, ...past);
}
