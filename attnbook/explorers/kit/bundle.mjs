// Bundles each explorer, with what it shares, into one ES module.
//
//   node attnbook/explorers/kit/bundle.mjs [FOLDER]
//
// `npm run build` writes built.mjs into the folder of each explorer, which is
// committed, so that a notebook needs no Node. A test bundles anew, into
// another FOLDER, and compares.

import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const explorers = dirname(dirname(fileURLToPath(import.meta.url)));

// An explorer is a folder with a figure, view.mjs.
const folders = await readdir(explorers, { withFileTypes: true });
const names = folders
  .filter((folder) => folder.isDirectory())
  .map((folder) => folder.name)
  .filter((name) => existsSync(join(explorers, name, "view.mjs")));

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
  absWorkingDir: explorers,
  entryPoints: names.map((name) => ({
    in: `${name}/view.mjs`,
    out: `${name}/built`,
  })),
  outdir: resolve(process.argv[2] ?? explorers),
  outExtension: { ".js": ".mjs" },
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  plugins: [styles],
});
