/** What the Node backend is, and where it is one. What every backend does is in tests/backend. */

import { describe, expect, test, vi } from "vitest";
import { createNodeBackend } from "../../host/node/backend.js";
import { ERRNO, POLLERS } from "../backend/support.js";

const backend = createNodeBackend();

describe("the backend itself", () => {
  test.each(POLLERS)("is named after its poller, %s", (poller) => {
    expect(createNodeBackend({ poller }).name).toBe(poller);
  });

  test("polls through epoll by default", () => {
    expect(createNodeBackend().name).toBe("epoll");
  });

  test("refuses a poller that it does not know", () => {
    expect(() => createNodeBackend({ poller: "kqueue" as "poll" })).toThrow(RangeError);
  });

  test.each([
    ["win32", "x64"],
    ["linux", "ia32"],
  ])("is imported without harm on %s-%s, and says at its first use what it needs", async (platform, arch) => {
    const restore = [
      vi.spyOn(process, "platform", "get").mockReturnValue(platform as NodeJS.Platform),
      vi.spyOn(process, "arch", "get").mockReturnValue(arch as NodeJS.Architecture),
    ];
    vi.resetModules();
    try {
      const elsewhere = await import("../../host/node/backend.js");
      const unsupported = {
        code: "ERR_UNSUPPORTED_PLATFORM",
        message: expect.stringMatching(/runs on Linux/) as string,
      };
      expect(() => elsewhere.createNodeBackend()).toThrow(expect.objectContaining(unsupported));
    } finally {
      for (const each of restore) each.mockRestore();
      vi.resetModules();
    }
  });

  test("names error numbers as Node does, and those without a name by number", () => {
    expect(backend.errorCode(-ERRNO.ECONNREFUSED)).toBe("ECONNREFUSED");
    expect(backend.errorCode(-ERRNO.EAGAIN)).toBe("EAGAIN");
    expect(backend.errorCode(-ERRNO.ENOTSUP)).toBe("ENOTSUP");
    expect(backend.errorCode(-ERRNO.EIDRM)).toBe("EIDRM");
    expect(backend.errorCode(-999)).toBe("E999");
  });

  test("has a monotonic clock of whole nanoseconds and a realtime clock that agrees with Date", () => {
    const first = backend.clock.monotonicNs();
    const second = backend.clock.monotonicNs();
    expect(Number.isSafeInteger(first)).toBe(true);
    expect(second).toBeGreaterThanOrEqual(first);
    const before = BigInt(Date.now());
    const now = backend.clock.realtimeNs() / 1_000_000n;
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(BigInt(Date.now()));
  });
});
