/** AsyncChat's input: whatever the cuts of a stream, what is told of it is what a split of the whole gives. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AsyncChat, findPrefixAtEnd, type Terminator } from "wasyncore";
import { cutAt, MemoryChat } from "../../support/chats.js";
import { newMap } from "../../support/runs.js";

/** A small alphabet makes terminators that overlap with themselves, and with the data, common. */
const letters = (minLength: number, maxLength: number) =>
  fc.array(fc.constantFrom("a", "b", "\n"), { minLength, maxLength }).map((parts) => parts.join(""));
const terminators = fc.array(fc.oneof(letters(1, 6), fc.integer({ min: 1, max: 7 })), { minLength: 1, maxLength: 4 });
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 });

/** Messages of `input`, whose terminators are those of `list` in turn, and what is told of the rest. */
function split(input: string, list: readonly (string | number)[]): { messages: string[]; rest: string } {
  const messages: string[] = [];
  let at = 0;
  while (true) {
    const terminator = list[messages.length % list.length] ?? "";
    if (typeof terminator === "number") {
      if (input.length - at < terminator) return { messages, rest: input.slice(at) };
      messages.push(input.slice(at, at + terminator));
      at += terminator;
    } else {
      const end = input.indexOf(terminator, at);
      if (end < 0) {
        const rest = input.slice(at);
        let kept = Math.min(terminator.length - 1, rest.length);
        while (!rest.endsWith(terminator.slice(0, kept))) kept -= 1;
        return { messages, rest: rest.slice(0, rest.length - kept) };
      }
      messages.push(input.slice(at, end));
      at = end + terminator.length;
    }
  }
}

/** asynchat's handle_read, line by line, on strings. */
class Asynchat {
  readonly told: string[] = [];
  terminator: string | number = "";
  onFound: () => void = () => undefined;
  #buffer = "";

  read(data: string): void {
    this.#buffer += data;
    while (this.#buffer !== "") {
      const { terminator } = this;
      if (terminator === "" || terminator === 0) {
        this.#collect(this.#buffer.length);
      } else if (typeof terminator === "number") {
        const length = Math.min(terminator, this.#buffer.length);
        this.#collect(length);
        this.terminator = terminator - length;
        if (length === terminator) this.#found();
      } else {
        const index = this.#buffer.indexOf(terminator);
        if (index >= 0) {
          if (index > 0) this.#collect(index);
          this.#buffer = this.#buffer.slice(terminator.length);
          this.#found();
        } else {
          let kept = terminator.length - 1;
          while (kept > 0 && !this.#buffer.endsWith(terminator.slice(0, kept))) kept -= 1;
          if (kept < this.#buffer.length) this.#collect(this.#buffer.length - kept);
          if (kept > 0) return;
        }
      }
    }
  }

  #collect(length: number): void {
    this.told.push(`data ${this.#buffer.slice(0, length)}`);
    this.#buffer = this.#buffer.slice(length);
  }

  #found(): void {
    this.told.push("found");
    this.onFound();
  }
}

/** Sets the terminators of a list one after the other. */
function cycle(list: readonly (string | number)[], set: (terminator: string | number) => void): () => void {
  let index = 0;
  const next = (): void => set(list[index++ % list.length] ?? "");
  next();
  return next;
}

describe("terminators", () => {
  test("under every cut, messages are those of a plain split of the whole input", () => {
    const map = newMap();
    fc.assert(
      fc.property(letters(0, 60), terminators, cuts, (input, list, places) => {
        const chat = new MemoryChat(map);
        chat.onFound = cycle(list, (terminator) => chat.setTerminator(terminator));
        chat.feed(...cutAt(Buffer.from(input), places));
        expect({ messages: chat.messages, rest: chat.collected() }).toEqual(split(input, list));
        expect(chat.told).not.toContain("data ");
        chat.close();
      }),
      { numRuns: 2000 },
    );
  });

  test("under every cut, callbacks come as asynchat makes them, call by call", () => {
    const map = newMap();
    const changes = fc.array(fc.oneof(fc.constant(undefined), letters(0, 4), fc.integer({ min: 0, max: 5 })), {
      maxLength: 10,
    });
    fc.assert(
      fc.property(letters(0, 60), terminators, cuts, changes, (input, list, places, changed) => {
        const chat = new MemoryChat(map);
        const model = new Asynchat();
        chat.onFound = cycle(list, (terminator) => chat.setTerminator(terminator));
        model.onFound = cycle(list, (terminator) => (model.terminator = terminator));
        for (const [index, piece] of cutAt(Buffer.from(input), places).entries()) {
          chat.feed(piece);
          model.read(Buffer.from(piece).toString());
          const terminator = changed[index];
          if (terminator === undefined) continue;
          chat.setTerminator(terminator);
          model.terminator = terminator;
        }
        expect(chat.told).toEqual(model.told);
        chat.close();
      }),
      { numRuns: 2000 },
    );
  });

  test.each(["x", "\r\n", "aab", "aaaaaaab", "aaaaaaaab"])("%j is found however far away it is", (terminator) => {
    const map = newMap();
    for (let length = 0; length < 150; length++) {
      for (const line of ["b".repeat(length), "a".repeat(length), "\r".repeat(length)]) {
        const chat = new MemoryChat(map);
        chat.setTerminator(terminator);
        const input = `${line}${terminator}${line}${terminator}${line}`;
        chat.feed(Buffer.from(input));
        expect({ messages: chat.messages, rest: chat.collected() }).toEqual(split(input, [terminator]));
        chat.close();
      }
    }
  });

  test.each(["\r\n", "\r\n.\r\n", "aab", "abab", "aaaa", "x"])(
    "%j is found wherever the stream is cut in two",
    (terminator) => {
      const map = newMap();
      const input = Buffer.from(`aaaab\r\n.\rxabab${terminator}\r\r\n.${terminator}abaaab${terminator}`);
      const expected = split(input.toString(), [terminator]);
      for (let at = 0; at <= input.length; at++) {
        const chat = new MemoryChat(map);
        chat.setTerminator(terminator);
        chat.feed(...cutAt(input, [at / input.length]));
        expect(chat.messages).toEqual(expected.messages);
        chat.close();
      }
    },
  );

  test.each([[null], [0], [""], [new Uint8Array(0)]] as [Terminator][])("%j collects everything", (terminator) => {
    const chat = new MemoryChat(newMap());
    chat.setTerminator(terminator);
    chat.feed("one\n", "two");
    expect(chat.told).toEqual(["data one\n", "data two"]);
  });

  test("without a terminator everything is collected", () => {
    const chat = new MemoryChat(newMap());
    expect(chat.getTerminator()).toBeNull();
    chat.feed("one");
    expect(chat.told).toEqual(["data one"]);
  });

  test("a number counts down over reads, and is 0 in foundTerminator", () => {
    const chat = new MemoryChat(newMap());
    const seen: Terminator[] = [];
    chat.onFound = () => void seen.push(chat.getTerminator());
    chat.setTerminator(5);
    chat.feed("ab", "c");
    expect(chat.getTerminator()).toBe(2);
    chat.feed("defg");
    expect(chat.messages).toEqual(["abcde"]);
    expect(seen).toEqual([0]);
    expect(chat.collected()).toBe("fg");
  });

  test("in collectIncomingData a number has not counted that data yet", () => {
    const seen: Terminator[] = [];
    class Counting extends MemoryChat {
      override collectIncomingData(): void {
        seen.push(this.getTerminator());
      }
    }
    const chat = new Counting(newMap());
    chat.setTerminator(5);
    chat.feed("ab", "cde");
    expect(seen).toEqual([5, 3]);
  });

  test("getTerminator gives what was set; changing the bytes afterwards, on either side, changes nothing", () => {
    const chat = new MemoryChat(newMap());
    chat.setTerminator("é\n");
    expect(chat.getTerminator()).toBe("é\n");
    chat.feed(Buffer.from("caféé\n"));
    expect(chat.messages).toEqual([Buffer.from("café").toString("latin1")]);
    const bytes = Buffer.from(";");
    chat.setTerminator(bytes);
    bytes[0] = 0;
    const got = chat.getTerminator();
    expect(got).toEqual(new Uint8Array([59]));
    if (got instanceof Uint8Array) got[0] = 1;
    chat.feed("a;");
    expect(chat.messages[1]).toBe("a");
  });

  test.each([-1, 1.5, NaN, Infinity])("the number %d is a RangeError", (terminator) => {
    const chat = new AsyncChat(undefined, newMap());
    expect(() => chat.setTerminator(terminator)).toThrow(
      expect.objectContaining({ name: "RangeError", code: "ERR_OUT_OF_RANGE" }),
    );
    expect(chat.getTerminator()).toBeNull();
  });

  test("what is neither bytes nor string nor number nor null is a TypeError", () => {
    const chat = new AsyncChat(undefined, newMap());
    expect(() => chat.setTerminator(true as unknown as null)).toThrow(TypeError);
    expect(() => chat.setTerminator(undefined as unknown as null)).toThrow(TypeError);
  });

  test("one that is set in foundTerminator holds for the rest of the same read", () => {
    const chat = new MemoryChat(newMap());
    chat.setTerminator("\n");
    chat.onFound = () => chat.setTerminator(chat.messages.length === 1 ? 3 : null);
    chat.feed("size 3\nab\nrest\n");
    expect(chat.messages).toEqual(["size 3", "ab\n"]);
    expect(chat.collected()).toBe("rest\n");
  });
});

describe("findPrefixAtEnd", () => {
  test("tells how much of the needle the haystack ends with, as asynchat's does", () => {
    expect(findPrefixAtEnd("qwerty\r", "\r\n")).toBe(1);
    expect(findPrefixAtEnd("qwertydkjf", "\r\n")).toBe(0);
    expect(findPrefixAtEnd(Buffer.from("a\r\n.\r"), Buffer.from("\r\n.\r\n"))).toBe(4);
  });

  test("agrees with trying each length", () => {
    fc.assert(
      fc.property(letters(0, 20), letters(1, 8), (haystack, needle) => {
        let length = needle.length - 1;
        while (length > 0 && !haystack.endsWith(needle.slice(0, length))) length -= 1;
        expect(findPrefixAtEnd(haystack, needle)).toBe(length);
        expect(findPrefixAtEnd(Buffer.from(haystack), Buffer.from(needle))).toBe(length);
      }),
    );
  });

  test("of nothing is 0", () => {
    expect(findPrefixAtEnd("", "")).toBe(0);
    expect(findPrefixAtEnd("abc", "")).toBe(0);
    expect(findPrefixAtEnd("", "abc")).toBe(0);
  });
});
