/** The files of `wasyncore serve` and the policies that the pages show are in order. */

import { expect, test } from "vitest";
import { parseServeFile } from "../../host/cli/serve-file.js";
import { blocksIn, placeOf } from "./pages.js";

const files = blocksIn("yaml").filter(({ code }) => /^plugins:$/m.test(code));

test("there are some", () => {
  expect(files.length).toBeGreaterThan(2);
});

test.for(files.map((block) => ({ place: placeOf(block), code: block.code })))("$place", ({ place, code }) => {
  const { plugins } = parseServeFile(code, place, "/srv");
  expect(plugins.map(({ name, module }) => ({ name, module }))).toEqual([{ name: "hello", module: "/srv/hello.wasm" }]);
});
