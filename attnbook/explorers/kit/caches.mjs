// What the cache of a model weighs. A shape has the sizes of a CacheShape of
// attnbook.mechanisms.sharing_heads.costs; a test compares the two.

// Numbers that a layer caches for a token: keys and values of G heads, or one
// latent with its rotary key, whatever the heads.
export const cachedNumbers = ({ kv_heads: G, d_head, d_latent, d_rotary }) =>
  d_latent ? d_latent + d_rotary : 2 * G * d_head;

// Bytes of the cache, all layers together. Some layers have no keys of their
// own, some keep no more than the newest `window` tokens.
export function cacheBytes(shape, tokens, batch, each) {
  const { own, local, window } = shape;
  const kept = (own - local) * tokens + local * Math.min(tokens, window);
  return cachedNumbers(shape) * kept * batch * each;
}

// Bytes that one more token of one sequence adds.
export const growth = (shape, tokens, each) =>
  cacheBytes(shape, tokens + 1, 1, each) - cacheBytes(shape, tokens, 1, each);

// How many sequences of this length have room in so many bytes.
export const fitting = (shape, tokens, each, room) =>
  Math.max(0, Math.floor(room / cacheBytes(shape, tokens, 1, each)));

// What G can be: every number that divides the heads.
export const divisors = (heads) =>
  Array.from({ length: heads }, (_, i) => i + 1).filter((G) => heads % G === 0);

export const kindOf = ({ d_latent, heads, kv_heads }) => d_latent ? "MLA"
  : kv_heads === heads ? "MHA" : kv_heads === 1 ? "MQA" : "GQA";

// The same model with other keys and values. A latent has the proportions of
// DeepSeek-V2: four heads, and half a head for the rotary key.
export function variant(shape, kind, groups) {
  if (kind === "MLA") {
    return kindOf(shape) === "MLA" ? shape : {
      ...shape, d_latent: 4 * shape.d_head, d_rotary: Math.floor(shape.d_head / 2),
    };
  }
  const kv_heads = { MHA: shape.heads, GQA: groups, MQA: 1 }[kind];
  return { ...shape, kv_heads, d_latent: 0, d_rotary: 0 };
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

// Bytes with a unit, in three digits: 1,024 bytes are one KiB.
export function written(bytes) {
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < UNITS.length - 1) {
    [value, unit] = [value / 1024, unit + 1];
  }
  const digits = Number(value.toPrecision(3));
  return `${value >= 1000 ? Math.round(value) : digits} ${UNITS[unit]}`;
}
