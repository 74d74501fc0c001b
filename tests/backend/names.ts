/** Holds a backend's look-ups to `NameCalls`. */

import { describe, expect, test } from "vitest";
import type { Addresses, Backend } from "../../host/backend/backend.js";
import type { System } from "./system.js";

export function describeNames(backend: Backend, system: System): void {
  const lookup = (host: string, family: 0 | 4 | 6): Promise<Addresses> =>
    system.outcomeOf(backend.lookup(host, family));

  describe("looking names up", () => {
    test("finds localhost, blocking and not", async () => {
      expect(backend.lookupSync("localhost", 4)).toEqual(["127.0.0.1"]);
      expect(await lookup("localhost", 4)).toEqual(["127.0.0.1"]);
      expect(["127.0.0.1", "::1"]).toEqual(expect.arrayContaining([...backend.lookupSync("localhost", 0)]));
      expect(await lookup("localhost", 0)).toEqual(backend.lookupSync("localhost", 0));
    });

    test("gives a numeric address back, but not for the other family", async () => {
      expect(backend.lookupSync("::1", 0)).toEqual(["::1"]);
      expect(await lookup("127.0.0.1", 4)).toEqual(["127.0.0.1"]);
      expect(() => backend.lookupSync("127.0.0.1", 6)).toThrow("ENOTFOUND");
      await expect(lookup("::1", 4)).rejects.toThrow("ENOTFOUND");
    });

    // A resolver that cannot be reached says EAI_AGAIN: it cannot know that there is no such name.
    test("says which name was not found", async () => {
      const host = "no-such-host.invalid";
      const failure = {
        name: "OSError",
        code: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/) as string,
        errno: expect.any(Number) as number,
        syscall: "getaddrinfo",
        address: host,
      };
      expect(() => backend.lookupSync(host, 0)).toThrow(expect.objectContaining(failure));
      await expect(lookup(host, 0)).rejects.toMatchObject(failure);
    });

    test.each(["", "a\0b", "x".repeat(300)])("refuses what can be no name (%j)", async (host) => {
      expect(() => backend.lookupSync(host, 0)).toThrow("ENOTFOUND");
      await expect(lookup(host, 0)).rejects.toThrow("ENOTFOUND");
    });
  });
}
