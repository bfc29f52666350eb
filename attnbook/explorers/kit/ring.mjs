// A ring of ranks that passes keys on, in chunks of the sequence: who computes
// what in each step, and who waits. The unit of work is one chunk of queries
// over one chunk of keys; the triangle of a chunk over itself is half of it.

import { sum } from "./arithmetic.mjs";

export const LAYOUTS = ["contiguous", "zigzag"];

// The chunks that a rank holds, of 2R.
export const chunksOf = (layout, ranks, rank) => (layout === "zigzag"
  ? [rank, 2 * ranks - 1 - rank] : [2 * rank, 2 * rank + 1]);

// The rank that holds a chunk.
export const holderOf = (layout, ranks, chunk) => (layout === "zigzag"
  ? Math.min(chunk, 2 * ranks - 1 - chunk) : Math.floor(chunk / 2));

// The rank whose keys are with a rank in a step, the first of which is 0.
export const visitorOf = (ranks, rank, step) => (rank - step + ranks) % ranks;

// How much of a pair of chunks the mask allows: 1, 1/2 or nothing.
export const share = (causal, query, key) => (!causal || key < query ? 1
  : key === query ? 0.5 : 0);

// The step in which a pair of chunks is computed.
export const stepOf = (layout, ranks, query, key) =>
  (holderOf(layout, ranks, query) - holderOf(layout, ranks, key) + ranks) %
  ranks;

// What each rank computes in each step: (R, R), by step and rank.
export const ringWork = (layout, ranks, causal) =>
  Array.from({ length: ranks }, (_, step) =>
    Array.from({ length: ranks }, (_, rank) => {
      const keys = chunksOf(layout, ranks, visitorOf(ranks, rank, step));
      return sum(chunksOf(layout, ranks, rank).flatMap((query) =>
        keys.map((key) => share(causal, query, key))));
    }));

// After some steps: how long they took, as all wait for the slowest in each;
// what each rank has computed, and how long it has waited.
export function ringTime(work, steps) {
  const past = work.slice(0, steps);
  const took = sum(past.map((step) => Math.max(...step)));
  const done = work[0].map((_, rank) => sum(past.map((step) => step[rank])));
  return { took, done, waited: done.map((own) => took - own) };
}

// How much longer it all takes than if work were shared equally.
export const imbalance = (work) =>
  ringTime(work, work.length).took /
  (sum(work.map((step) => sum(step))) / work.length);
