/** The names that a built module keeps, and that a name which is longer than its module is refused. */

import { expect, test } from "vitest";
import { keepOwnNames } from "../../host/cli/name-section.js";
import { ModuleBinary } from "../../host/guest/binary.js";

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

const text = (value: string, length = value.length): number[] => [length, ...Buffer.from(value)];
const section = (id: number, contents: readonly number[]): number[] => [id, contents.length, ...contents];
const module = (...sections: readonly number[][]): Uint8Array => Uint8Array.from([...HEADER, ...sections.flat()]);

/** A name section with one subsection, of functions. */
const names = (...functions: readonly number[][]): number[] =>
  section(0, [...text("name"), ...section(1, [functions.length, ...functions.flat()])]);

test("names of the program's functions are kept, without the paths of their files", () => {
  const kept = keepOwnNames(module(names([0, ...text("echo/Echo#read")], [1, ...text("~lib/rt/new")])));
  expect([...kept]).toEqual([...module(names([0, ...text("Echo#read")]))]);
});

test.each([
  ["the name of a section, at the end of the module", section(0, text("name", 100))],
  ["the name of a section, before another one", [...section(0, text("na", 4)), ...section(0, text("me"))]],
  ["the name of a function, at the end of the module", names([0, ...text("read", 100)])],
  ["the name of a function, before another section", [...names([0, ...text("re", 8)]), ...section(0, text("adread"))]],
  ["a section", [0, 100, ...text("name")]],
])("a length beyond the end is refused: %s", (_, sections) => {
  expect(() => keepOwnNames(module(sections))).toThrow(RangeError);
});

test.each([
  ["of an import", section(2, [1, ...text("wasi"), ...text("fd", 100)])],
  [
    "of an export, whose kind and index follow it",
    [...section(7, [1, ...text("m", 3), 2, 0]), ...section(0, text("x"))],
  ],
  ["of the module of an import, which is the last there is", section(2, [1, ...text("wasi", 100)])],
])("a name is not read behind its section: %s", (_, sections) => {
  expect(() => new ModuleBinary(module(sections))).toThrow(RangeError);
});
