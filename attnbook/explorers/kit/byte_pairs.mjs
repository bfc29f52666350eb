// Byte pairs, as attnbook.mechanisms.byte_pairs has them: ids 0 to 255 are
// the bytes, 256 + i is the pair merges[i]. A test compares the two.

const BYTES = 256;
const PIECES =
  / ?[\p{L}\p{N}_]+| ?[^\p{L}\p{N}_\s]+|\s+(?= \S)|\s+/gu;

export function bytePairs(merges) {
  const bytes = Array.from({ length: BYTES }, (_, value) => [value]);
  const ids = new Map();
  for (const [a, b] of merges) {
    ids.set(`${a} ${b}`, bytes.length);
    bytes.push([...bytes[a], ...bytes[b]]);
  }
  // In each piece of the text the pair learnt first is merged first.
  const merged = (piece) => {
    const now = [...new TextEncoder().encode(piece)];
    for (;;) {
      const found = now.map((_, i) =>
        ids.get(`${now[i]} ${now[i + 1]}`) ?? Infinity);
      const first = Math.min(...found);
      if (first === Infinity) return now;
      for (let i = 0; i < now.length - 1; i++) {
        if (ids.get(`${now[i]} ${now[i + 1]}`) === first) {
          now.splice(i, 2, first);
        }
      }
    }
  };
  return {
    size: bytes.length,
    encode: (text) => (text.match(PIECES) ?? []).flatMap(merged),
    token: (id) => bytes[id],
  };
}

const signs = { " ": "·", "\n": "↵", "\t": "⇥" };

// The bytes of a token as a reader sees them: white space as a sign, bytes
// that are no character in hexadecimals.
export function visible(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(Uint8Array.from(bytes));
    return text.replace(/[ \n\t]/g, (sign) => signs[sign])
      .replace(/\p{C}/gu, (sign) =>
        `<${sign.codePointAt(0).toString(16).padStart(2, "0")}>`);
  } catch {
    return bytes.map((byte) => `<${byte.toString(16)}>`).join("");
  }
}
