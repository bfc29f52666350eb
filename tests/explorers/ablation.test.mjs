// Sets of heads as numbers, and means of their losses, against NumPy's.
// ablation_cases.py computes what each must give.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as ablation from "../../attnbook/explorers/kit/ablation.mjs";

const cases = JSON.parse(
  execFileSync(process.env.PYTHON ?? "python3", [
    fileURLToPath(new URL("ablation_cases.py", import.meta.url)),
  ]),
);

test("sets of heads are numbers, and their losses have NumPy's means", () => {
  const { losses, counted, sets, numbers, means } = cases;
  sets.forEach((gone, i) => {
    assert.equal(ablation.setOf(gone, 2), numbers[i]);
    const found = ablation.lossesOf(losses, counted, numbers[i]);
    assert.deepEqual(found.each, losses[numbers[i]]);
    assert.ok(Math.abs(found.mean - means[i]) < 1e-12);
  });
});
