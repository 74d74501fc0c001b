/** The policies of docs/policy.md are policies, and its defaults are the defaults. */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parsePolicy } from "../../../host/plugin/policy/schema.js";

const page = readFileSync(new URL("../../../docs/policy.md", import.meta.url), "utf8");

test("every JSON of docs/policy.md is a policy", () => {
  const blocks = [...page.matchAll(/^```json\n(.*?)^```$/gms)].map(([, text = ""]) => text);
  expect(blocks.length).toBeGreaterThan(0);
  for (const block of blocks) expect(parsePolicy(JSON.parse(block))).toMatchObject({ run: "isolated" });
});

test("docs/policy.md has every field and every limit", () => {
  const { limits, ...fields } = parsePolicy({});
  for (const name of [...Object.keys(fields), ...Object.keys(limits), "limits"]) expect(page).toContain(`\`${name}\``);
});

test("a refusal that docs/policy.md quotes is worded so", () => {
  const quoted = /`("connect\[0\]" [^`]*)`/s.exec(page)?.[1]?.replaceAll("\n", " ");
  expect(() => parsePolicy({ connect: ["10.0.0.1/8:80"] })).toThrow(quoted);
});
