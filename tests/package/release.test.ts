/** The release script's checks, and the checker of links. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { deadLinks, withUrls } from "../../scripts/links.mjs";
import { obstacles } from "../../scripts/release.mjs";
import { ROOT } from "../support/processes.js";
import { temporaryDirectory } from "./project.js";

describe("a release", () => {
  const ready = {
    version: "0.1.0",
    changelog: "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-01-31\n",
    changedFiles: "",
    tagsHere: ["", "v0.1.0"],
    environment: { ACTIONS_ID_TOKEN_REQUEST_URL: "https://host.invalid/" },
    publishes: true,
  };

  test("goes ahead where everything is in order", () => {
    expect(obstacles(ready)).toEqual([]);
  });

  test.each([
    ["the changelog has no section of the version", { changelog: "## [Unreleased]\n" }, /CHANGELOG\.md/],
    ["the section has no date", { changelog: "## [0.1.0] - soon\n" }, /YYYY-MM-DD/],
    ["a file is changed", { changedFiles: " M package.json" }, / M package\.json/],
    ["the commit is not tagged", { tagsHere: ["v0.0.9"] }, /git tag -s v0\.1\.0/],
    ["there is no identity to sign with", { environment: {} }, /publish from CI/],
    [
      "the version is none",
      { version: "1.0", tagsHere: ["v1.0"], changelog: "## [1.0] - 2026-01-31" },
      /not a version/,
    ],
  ])("is refused where %s", (_what, change, message) => {
    const found = obstacles({ ...ready, ...change });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(message);
  });

  test("needs no identity for a trial", () => {
    expect(obstacles({ ...ready, environment: {}, publishes: false })).toEqual([]);
  });
});

describe("links", () => {
  test("none of the documentation is dead", () => {
    expect(deadLinks(ROOT)).toEqual([]);
  });

  test("a dead file, a dead heading and a relative link of a packed page are found", () => {
    const root = temporaryDirectory();
    mkdirSync(join(root, "docs"));
    writeFileSync(
      join(root, "docs/a.md"),
      "# A `b`: c\n\n# Two\n# Two\n\n[x](b.md) [y](#two-1)\n```\n[no](no.md)\n```\n",
    );
    writeFileSync(
      join(root, "docs/b.md"),
      "[here](a.md#a-b-c)\n\n[gone](a.md#gone) `[code](no.md)`\n[none](none.md)\n[out](https://host.invalid/none.md)\n",
    );
    writeFileSync(join(root, "README.md"), "[a](docs/a.md) [`b`](docs/b.md#x) [here](#top)\n\n# Top\n");
    expect(deadLinks(root)).toEqual([
      expect.stringMatching(/^README\.md:1 docs\/a\.md: the package has README\.md alone/),
      expect.stringMatching(/^README\.md:1 docs\/b\.md#x: the package has README\.md alone/),
      "docs/b.md:3 a.md#gone: there is no such heading",
      "docs/b.md:4 none.md: there is no such file",
    ]);

    const fixed = withUrls(root, readFileSync(join(root, "README.md"), "utf8"));
    expect(fixed).toMatch(/^\[a\]\(https:\/\/\S+\/blob\/main\/docs\/a\.md\) \[`b`\]\(https:\S+#x\) \[here\]\(#top\)\n/);
    writeFileSync(join(root, "README.md"), fixed);
    expect(deadLinks(root).filter((line) => line.startsWith("README"))).toEqual([
      expect.stringMatching(/docs\/b\.md#x: there is no such heading$/),
    ]);
  });
});
