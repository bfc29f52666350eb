// Bundles each explorer, with what it shares, into one ES module.
//
//   node attnbook/explorers/bundle.mjs FOLDER
//
// `npm run build` writes attnbook/explorers/built, which is committed, so
// that a notebook needs no Node. A test bundles anew and compares.

import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

// An explorer is a class in NAME.py whose figure is NAME.mjs.
const files = await readdir(here);
const names = files
  .filter((file) => file.endsWith(".py") && file !== "explorer.py")
  .map((file) => file.replace(".py", ""))
  .filter((name) => files.includes(`${name}.mjs`));

// A style sheet is imported as a minified string, for a shadow root.
const styles = {
  name: "styles",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const { code } = await transform(source, {
        loader: "css",
        minify: true,
        target: "chrome111",
      });
      return { contents: code, loader: "text" };
    });
  },
};

await build({
  absWorkingDir: here,
  entryPoints: names.map((name) => `${name}.mjs`),
  outdir: join(process.cwd(), process.argv[2] ?? "built"),
  outExtension: { ".js": ".mjs" },
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  plugins: [styles],
});
