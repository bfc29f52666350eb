// The arithmetic of the explorers: plain numbers and arrays, no page.
// tests/explorers compares every function with NumPy.

export const sum = (xs) => xs.reduce((total, x) => total + x, 0);

export const dot = (a, b) => sum(a.map((x, i) => x * b[i]));

export const distance = (a, b) => Math.hypot(...a.map((x, i) => x - b[i]));

// The score of a query (2,) against each key (N, 2): (N,).
export const scoreFunctions = {
  dot: (query, keys) => keys.map((key) => dot(query, key)),
  "negative-distance": (query, keys) =>
    keys.map((key) => -distance(query, key)),
};

// exp(scores / temperature), divided by its sum. The largest score is
// subtracted first, so that no exponential overflows.
export function softmax(scores, temperature = 1) {
  const largest = Math.max(...scores);
  const powers = scores.map((s) => Math.exp((s - largest) / temperature));
  const total = sum(powers);
  return powers.map((power) => power / total);
}

// In nats; 0 log 0 counts as 0.
export const entropy = (weights) =>
  -sum(weights.map((w) => (w > 0 ? w * Math.log(w) : 0))) + 0;

// How many equally weighted items have this entropy.
export const effectiveNumber = (weights) => Math.exp(entropy(weights));

// The Frobenius norm of d weights / d scores = (diag(w) - w w^T) / T.
export function jacobianNorm(weights, temperature = 1) {
  const power = (p) => sum(weights.map((w) => w ** p));
  const squared = power(2) - 2 * power(3) + power(2) ** 2;
  return Math.sqrt(Math.max(squared, 0)) / temperature;
}

export const mean = (xs) => sum(xs) / xs.length;

export function variance(xs) {
  const middle = mean(xs);
  return mean(xs.map((x) => (x - middle) ** 2));
}

// Scores (T, S) of queries (T, D) and keys (S, D) on their first d
// coordinates, divided by sqrt(d) where scaled.
export const dotScores = (query, key, d, scaled) =>
  query.map((q) => key.map((k) => {
    let total = 0;
    for (let i = 0; i < d; i++) total += q[i] * k[i];
    return scaled ? total / Math.sqrt(d) : total;
  }));

// What the softmax of scores (T, S) is like: the variance of its input, and
// the means over the rows of entropy, Jacobian norm and largest weight.
export function softmaxOfScores(scores, temperature) {
  const weights = scores.map((row) => softmax(row, temperature));
  const each = (f) => mean(weights.map(f));
  return {
    weights,
    variance: variance(scores.flat()) / temperature ** 2,
    entropy: each(entropy),
    jacobian: each((row) => jacobianNorm(row)),
    largest: each((row) => Math.max(...row)),
  };
}

// The softmax of a row of scores (S,) where what may not be attended to has
// been filled with a constant. -Infinity everywhere gives NaN, a large
// constant everywhere gives 1 / S.
export const filledSoftmax = (scores, allowed, filling) =>
  softmax(scores.map((score, s) => (allowed[s] ? score : filling)));

// The same with -Infinity, and zero where nothing may be attended to.
export const maskedSoftmax = (scores, allowed) =>
  allowed.some(Boolean)
    ? filledSoftmax(scores, allowed, -Infinity)
    : scores.map(() => 0);

// Common masks (T, S), true where key s may be attended to by query t, with
// the last `padded` keys as padding.
export function presetMasks(T, S, padded) {
  const build = (rule) => Array.from({ length: T }, (_, t) =>
    Array.from({ length: S }, (_, s) => rule(t, s)));
  const [before, real] = [(t, s) => s <= t, (_, s) => s < S - padded];
  return {
    none: build(() => true),
    causal: build(before),
    padding: build(real),
    both: build((t, s) => before(t, s) && real(t, s)),
  };
}

// Whether key s lies within D of the centre, and the Gaussian factor there:
// (S,) each. Luong et al. (2015), equation 10.
export const inWindow = (S, centre, D) =>
  Array.from({ length: S }, (_, s) => Math.abs(s - centre) <= D);
export const gaussianFactor = (S, centre, D) =>
  Array.from({ length: S }, (_, s) =>
    Math.exp(-0.5 * ((2 * (s - centre)) / D) ** 2));

// Weights (T, S) of scores (T, S), each row within D of its centre. The
// Gaussian multiplies after the softmax: its rows sum to less than 1.
export const localWeights = (scores, centres, D, gaussian) =>
  scores.map((row, t) => {
    const S = row.length;
    const weights = maskedSoftmax(row, inWindow(S, centres[t], D));
    if (!gaussian) return weights;
    const factor = gaussianFactor(S, centres[t], D);
    return weights.map((weight, s) => weight * factor[s]);
  });

// The mean sum of a row, and the mean entropy of the rows that hold some
// weight, each brought to sum to 1 first.
export function rowMeasures(weights) {
  const sums = weights.map(sum);
  const held = weights.filter((_, t) => sums[t] > 0);
  const shares = held.map((row) => row.map((weight) => weight / sum(row)));
  return {
    sum: mean(sums),
    entropy: held.length ? mean(shares.map(entropy)) : 0,
  };
}

export const blend = (weights, values) => dot(weights, values);

// The weight that a step gives to its true tokens; null where it has none.
export function massOnTruth(weights, truth) {
  if (!truth.some(Boolean)) return null;
  return sum(weights.map((w, i) => (truth[i] ? w : 0)));
}

// The mean of massOnTruth over the steps that have a true token.
export function meanMassOnTruth(weights, truth) {
  const masses = weights
    .map((row, t) => massOnTruth(row, truth[t]))
    .filter((mass) => mass !== null);
  return masses.length ? sum(masses) / masses.length : null;
}

// What one head's weights (T, S) are like: the mean entropy of its rows, and
// the mean weight on true tokens, null where no truth is known.
export const headMeasures = (weights, truth) => ({
  entropy: mean(weights.map(entropy)),
  alignment: truth ? meanMassOnTruth(weights, truth) : null,
});

export const argmax = (xs) => xs.indexOf(Math.max(...xs));

export const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

// Positions on a slider whose equal steps are equal ratios.
export const toLog = (x) => Math.log10(x);
export const fromLog = (position) => {
  const x = 10 ** position;
  return Number(x.toPrecision(3));
};

// Radians a position of each pair of features: base^(-2i / size).
export const rates = (size, base) =>
  Array.from({ length: size / 2 }, (_, i) => base ** ((-2 * i) / size));

export const turned = ([x, y], angle) => [
  x * Math.cos(angle) - y * Math.sin(angle),
  x * Math.sin(angle) + y * Math.cos(angle),
];

// What each pair adds to the score of a query at m and a key at n, (d,)
// each, when pairs of neighbours are turned by their positions.
export const rotaryParts = (query, key, m, n, base) =>
  rates(query.length, base).map((rate, i) => {
    const pair = (vector) => vector.slice(2 * i, 2 * i + 2);
    return dot(turned(pair(query), m * rate), turned(pair(key), n * rate));
  });

// Sinusoidal positions (T, D): a sine and a cosine for each rate.
export const sinusoids = (length, size, base) =>
  Array.from({ length }, (_, t) => rates(size, base).flatMap((rate) =>
    [Math.sin(t * rate), Math.cos(t * rate)]));

// The cosine of two such rows that lie this far apart.
export const likeness = (apart, size, base) =>
  mean(rates(size, base).map((rate) => Math.cos(apart * rate)));

// The length of the step from one vector to another, by that of the first.
export const relativeChange = (from, to) =>
  Math.hypot(...to.map((x, i) => x - from[i])) / (Math.hypot(...from) || 1);

// The sizes that a shape such as "(B, T, 4·D)" has; "/" divides.
export const shapeOf = (shape, sizes) =>
  shape.replace(/[()]/g, "").split(",").filter((axis) => axis.trim())
    .map((axis) => axis.match(/\d+|[A-Za-z]\w*|\//g).reduce(
      ({ size, over }, part) => {
        if (part === "/") return { size, over: true };
        const factor = sizes[part] ?? Number(part);
        return { size: over ? size / factor : size * factor, over: false };
      }, { size: 1, over: false }).size);
