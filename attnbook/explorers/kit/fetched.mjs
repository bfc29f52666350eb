// Bytes of the state. In a notebook they are a data: URL; in the book, the
// address of a script that is fetched when the figure comes near (a script,
// because a page opened from disk may load nothing else). See
// book/on_demand.py.

const HEAD = /^data:[^,]*;base64,/;
const waiting = new Map();

const decoded = (base64) =>
  Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));

// The bytes at once where the state holds them, else null.
export const bytesHere = (address) =>
  HEAD.test(address) ? decoded(address.replace(HEAD, "")) : null;

// Such a script calls bookBytes(name, base64).
export function fetchBytes(address) {
  const name = address.split("/").at(-1);
  if (!waiting.has(name)) {
    waiting.set(name, new Promise((done, fail) => {
      const script = document.createElement("script");
      const before = globalThis.bookBytes;
      globalThis.bookBytes = (of, base64) =>
        of === name ? done(decoded(base64)) : before?.(of, base64);
      script.onerror = () => {
        waiting.delete(name);
        fail(new Error(`${name} could not be loaded`));
      };
      script.src = address;
      document.head.append(script);
    }));
  }
  return waiting.get(name);
}
