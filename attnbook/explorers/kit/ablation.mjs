// Sets of heads that are taken away, and the losses that belong to them.

import { mean } from "./arithmetic.mjs";

// A set of heads as a number: head h of layer l, of H in each, is one bit.
export const setOf = (gone, heads) =>
  gone.reduce((all, [l, h]) => all | (1 << (l * heads + h)), 0);

// The losses of a set, and their mean over what counts.
export const lossesOf = (losses, counted, number) => {
  const each = losses[number];
  return { each, mean: mean(each.filter((_, t) => counted[t])) };
};
