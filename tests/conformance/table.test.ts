/** docs/conformance.md against the tests beside this one: each has its row, and each row its test. */

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const here = new URL("./", import.meta.url);
const page = readFileSync(new URL("../../docs/conformance.md", here), "utf8");

/** "| `test_send` | `testSend` | |", or none for a name. */
const ROW = /^\| `(test_\w+)` \| (?:`(test\w+)`|none) \| ?(.*?) ?\|$/gm;
const TEST = /"(test[A-Z]\w*): /g;

interface Row {
  readonly theirs: string;
  readonly ours: string | undefined;
  readonly note: string;
}

const rows: Row[] = Array.from(page.matchAll(ROW), ([, theirs = "", ours, note = ""]) => ({ theirs, ours, note }));
const names = readdirSync(here)
  .filter((file) => file.endsWith(".test.ts"))
  .flatMap((file) => Array.from(readFileSync(new URL(file, here), "utf8").matchAll(TEST), ([, name]) => name));

describe("docs/conformance.md", () => {
  test("has a row for each of CPython's tests: 31 of test_asyncore, 14 of test_asynchat", () => {
    const [asyncore = "", asynchat = ""] = page.split("## test_asynchat");
    expect([asyncore, asynchat].map((part) => [...part.matchAll(ROW)].length)).toEqual([31, 14]);
  });

  test("gives each test CPython's name in camelCase, or a reason", () => {
    for (const { theirs, ours, note } of rows) {
      if (ours === undefined) expect(note, theirs).not.toBe("");
      else expect(ours).toBe(theirs.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()));
    }
  });

  test("names the tests that there are, and no others", () => {
    const named = rows.flatMap(({ ours }) => ours ?? []);
    expect(new Set(names)).toEqual(new Set(named));
  });
});
