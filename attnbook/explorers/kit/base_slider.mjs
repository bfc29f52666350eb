// The base of the rates, from 10 to a million; equal steps are equal ratios.

import { fromLog, toLog } from "./arithmetic.mjs";
import { slider } from "./explorer.mjs";

const BASES = [10, 1e6];
const whole = (position) => Math.round(fromLog(position));

export function baseSlider({ get, change }) {
  const { node, show } = slider({
    label: "Base", min: toLog(BASES[0]), max: toLog(BASES[1]),
    text: (position) => whole(position).toLocaleString("en"),
    nudge: (position, steps) => position + steps * Math.log10(2),
    oninput: (position) => change({ base: whole(position) }),
  });
  return { node, show: () => show(toLog(get("base"))) };
}

// A wavelength in tokens.
export const tokens = (x) => (x < 1000 ? x.toFixed(1) :
  Math.round(x).toLocaleString("en"));
