// Where in a picture a word is attended to. A map is a list of P = g·g
// numbers, one per patch, row by row.

import { sum } from "./arithmetic.mjs";

// The weights of one word in all patches; `weights` is (P, W).
export const wordMap = (weights, word) => weights.map((row) => row[word]);

// The mean ink of each patch of a picture (n, n), in g·g patches.
export function patchInk(image, patches) {
  const side = Math.round(Math.sqrt(patches));
  const size = image.length / side;
  return Array.from({ length: patches }, (_, p) => {
    const [top, left] = [Math.floor(p / side) * size, (p % side) * size];
    const rows = image.slice(top, top + size);
    return sum(rows.map((row) => sum(row.slice(left, left + size)))) /
      (size * size);
  });
}

// How much of a map lies on ink, as a multiple of what an even spread has
// there: 1 means that the map does not know where the ink is. Null where
// there is no ink, or no weight.
export function inkRatio(map, ink) {
  const [weight, all] = [sum(map), sum(ink)];
  if (weight === 0 || all === 0) return null;
  const on = sum(map.map((w, p) => w * ink[p]));
  return (on * map.length) / (weight * all);
}

export const mean = (map) => sum(map) / map.length;
