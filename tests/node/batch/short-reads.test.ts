/** Owns the test of which descriptors may be read ahead: how short reads are counted, with a record and without. */

import { describe, expect, test } from "vitest";
import { AHEAD_BYTES, Records } from "../../../host/node/batch/record.js";

const FD = 5000;
const ROOM = 65_536;

describe("short reads of a descriptor without a record", () => {
  test("count from the first question on, and make a record when there are enough", () => {
    const records = new Records();
    records.noteRead(FD, 10, ROOM);
    expect(records.afterShortReads(FD, 2)).toBeUndefined();
    records.noteRead(FD, 10, ROOM);
    expect(records.afterShortReads(FD, 2)).toBeUndefined();
    expect(records.get(FD)).toBeUndefined();
    records.noteRead(FD, 10, ROOM);
    const record = records.afterShortReads(FD, 2);
    expect(record).toBe(records.get(FD));
    expect(record?.shortReads).toBe(2);
  });

  test.each([
    ["filled what there was room for", ROOM, ROOM],
    ["was too long to be read ahead", AHEAD_BYTES, ROOM],
    ["reached the end of input", 0, ROOM],
    ["failed", -11, ROOM],
  ])("start again after a read that %s", (_, count, room) => {
    const records = new Records();
    records.afterShortReads(FD, 1);
    records.noteRead(FD, 10, ROOM);
    records.noteRead(FD, count, room);
    expect(records.afterShortReads(FD, 1)).toBeUndefined();
    records.noteRead(FD, 10, ROOM);
    expect(records.afterShortReads(FD, 1)).toBeDefined();
  });

  test("go to the record that is made for another reason", () => {
    const records = new Records();
    records.afterShortReads(FD, 3);
    records.noteRead(FD, 10, ROOM);
    expect(records.of(FD).shortReads).toBe(1);
  });

  test("are forgotten when the number belongs to another file", () => {
    const records = new Records();
    records.afterShortReads(FD, 1);
    records.noteRead(FD, 10, ROOM);
    records.reset(FD);
    expect(records.afterShortReads(FD, 1)).toBeUndefined();
  });

  test("count up to the largest number that can be asked for", () => {
    const records = new Records();
    records.afterShortReads(FD, 255);
    for (let read = 0; read < 300; read++) records.noteRead(FD, 10, ROOM);
    expect(records.afterShortReads(FD, 255)?.shortReads).toBe(255);
  });

  test("need not be any", () => {
    const records = new Records();
    expect(records.afterShortReads(FD, 0)?.shortReads).toBe(0);
  });
});
