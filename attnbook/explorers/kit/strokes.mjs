// Paint over the cells of a grid, with the mouse or a finger.

import { set } from "./explorer.mjs";

// Strokes over the cells: `paint(cells, on)` hears of each cell on the way
// from the last one, `start(t, s)` says what the stroke paints.
export function strokes(node, cells, start, paint) {
  const places = new Map(cells.flatMap((line, t) =>
    line.map((cell, s) => [cell, [t, s]])));
  let last;
  let on;
  const under = ({ clientX, clientY }) => places.get(
    node.getRootNode().elementFromPoint(clientX, clientY)?.closest(".cell"));
  const stop = () => (last = undefined);
  set(node, {
    onpointerdown: (event) => {
      const place = under(event);
      if (event.button || !event.isPrimary || !place) return;
      event.preventDefault();
      node.setPointerCapture(event.pointerId);
      last = place;
      on = start(...place);
      paint([place], on);
    },
    onpointermove: (event) => {
      const place = last && under(event);
      if (!place) return;
      const [t, s] = last;
      const [down, right] = [place[0] - t, place[1] - s];
      const steps = Math.max(Math.abs(down), Math.abs(right));
      last = place;
      if (steps) {
        paint(Array.from({ length: steps }, (_, i) => [
          t + Math.round((down * (i + 1)) / steps),
          s + Math.round((right * (i + 1)) / steps),
        ]), on);
      }
    },
    onpointerup: stop, onpointercancel: stop,
  });
}
