/**
 * Holds the Node backend to `Backend`: what it is, options, descriptors and look-ups. Its sockets have
 * node-backend-sockets.test.ts, addresses node-backend-addresses.test.ts, poll sets node-backend-pollset.test.ts, and
 * watching node-backend-watch.test.ts.
 */

import { openSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { createNodeBackend } from "../../host/node/backend.js";
import { anyAddress, boundSocket, closeOwned, ERRNO, owned, ownedPair, POLLERS } from "./support.js";

const backend = createNodeBackend();

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function text(data: Uint8Array, length: number): string {
  return new TextDecoder().decode(data.subarray(0, length));
}

describe("the backend itself", () => {
  test.each(POLLERS)("is named after its poller, %s", (poller) => {
    expect(createNodeBackend({ poller }).name).toBe(poller);
  });

  test("polls through epoll unless told otherwise", () => {
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

describe("options", () => {
  test.each(["SO_REUSEADDR", "SO_REUSEPORT", "SO_KEEPALIVE", "SO_OOBINLINE", "TCP_NODELAY"] as const)(
    "%s is switched on and off",
    (option) => {
      const fd = owned(backend, backend.socket("IPv4", "stream"));
      expect(backend.getOption(fd, option)).toBe(0);
      expect(backend.setOption(fd, option, 1)).toBe(0);
      expect(backend.getOption(fd, option)).toBe(1);
      expect(backend.setOption(fd, option, 0)).toBe(0);
      expect(backend.getOption(fd, option)).toBe(0);
    },
  );

  test("SO_LINGER is seconds, and -1 for off", () => {
    const fd = owned(backend, backend.socket("IPv4", "stream"));
    expect(backend.getOption(fd, "SO_LINGER")).toBe(-1);
    for (const seconds of [0, 5, -1]) {
      expect(backend.setOption(fd, "SO_LINGER", seconds)).toBe(0);
      expect(backend.getOption(fd, "SO_LINGER")).toBe(seconds);
    }
  });

  test("SO_TYPE, SO_ACCEPTCONN, SO_BROADCAST, IPV6_V6ONLY and the buffer sizes are known", () => {
    const [stream] = boundSocket(backend, "IPv6", "stream");
    const dgram = owned(backend, backend.socket("IPv4", "dgram"));
    expect(backend.getOption(stream, "SO_TYPE")).toBe(1);
    expect(backend.getOption(dgram, "SO_TYPE")).toBe(2);
    expect(backend.getOption(stream, "SO_ACCEPTCONN")).toBe(0);
    backend.listen(stream, 1);
    expect(backend.getOption(stream, "SO_ACCEPTCONN")).toBe(1);
    expect(backend.setOption(dgram, "SO_BROADCAST", 1)).toBe(0);
    expect(backend.getOption(dgram, "SO_BROADCAST")).toBe(1);
    const six = owned(backend, backend.socket("IPv6", "stream"));
    expect(backend.setOption(six, "IPV6_V6ONLY", 1)).toBe(0);
    expect(backend.getOption(six, "IPV6_V6ONLY")).toBe(1);
    for (const option of ["SO_RCVBUF", "SO_SNDBUF"] as const) {
      expect(backend.setOption(dgram, option, 20_000)).toBe(0);
      expect(backend.getOption(dgram, option)).toBeGreaterThanOrEqual(20_000);
    }
    expect(backend.setOption(stream, "SO_RCVLOWAT", 9)).toBe(0);
    expect(backend.getOption(stream, "SO_RCVLOWAT")).toBe(9);
  });

  test("SO_ERROR is 0 without an error, and options of no socket are ENOTSOCK", () => {
    const fd = owned(backend, backend.socket("IPv4", "stream"));
    expect(backend.getOption(fd, "SO_ERROR")).toBe(0);
    const [pipeEnd] = ownedPair(backend, backend.pipe());
    expect(backend.getOption(pipeEnd, "SO_ERROR")).toBe(-ERRNO.ENOTSOCK);
    expect(backend.setOption(pipeEnd, "SO_KEEPALIVE", 1)).toBe(-ERRNO.ENOTSOCK);
    expect(backend.family(pipeEnd)).toBe(-ERRNO.ENOTSOCK);
  });
});

describe("descriptors", () => {
  test("pipes block until told not to, and carry bytes", () => {
    const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
    expect(backend.setNonBlocking(readEnd, true)).toBe(0);
    const target = new Uint8Array(8);
    expect(backend.read(readEnd, target)).toBe(-ERRNO.EAGAIN);
    expect(backend.write(writeEnd, bytes("abc"))).toBe(3);
    expect(text(target, backend.read(readEnd, target))).toBe("abc");
    closeOwned(backend, writeEnd);
    expect(backend.read(readEnd, target)).toBe(0);
  });

  test("writing to a pipe without a reader is EPIPE", () => {
    const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
    closeOwned(backend, readEnd);
    expect(backend.write(writeEnd, bytes("x"))).toBe(-ERRNO.EPIPE);
  });

  test("a duplicate keeps the file open", () => {
    const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
    const copy = owned(backend, backend.duplicate(writeEnd));
    closeOwned(backend, writeEnd);
    expect(backend.write(copy, bytes("y"))).toBe(1);
    expect(backend.read(readEnd, new Uint8Array(4))).toBe(1);
  });

  test("files are read", () => {
    const fd = owned(backend, openSync(new URL(import.meta.url), "r"));
    const target = new Uint8Array(3);
    expect(text(target, backend.read(fd, target))).toBe("/**");
  });

  test("a closed descriptor is EBADF to every call", () => {
    const fd = backend.socket("IPv4", "stream");
    expect(backend.close(fd)).toBe(0);
    const buffer = new Uint8Array(4);
    const address = anyAddress("IPv4");
    const calls = [
      backend.close(fd),
      backend.bind(fd, address),
      backend.listen(fd, 1),
      backend.accept(fd),
      backend.connect(fd, address),
      backend.shutdown(fd, "both"),
      backend.recv(fd, buffer),
      backend.send(fd, buffer),
      backend.sendVector(fd, [buffer]),
      backend.recvFrom(fd, buffer),
      backend.sendTo(fd, buffer, address),
      backend.getOption(fd, "SO_TYPE"),
      backend.setOption(fd, "SO_KEEPALIVE", 1),
      backend.localAddress(fd),
      backend.remoteAddress(fd),
      backend.family(fd),
      backend.read(fd, buffer),
      backend.write(fd, buffer),
      backend.duplicate(fd),
      backend.setNonBlocking(fd, true),
      backend.setCloseOnExec(fd, true),
    ];
    expect(calls).toEqual(calls.map(() => -ERRNO.EBADF));
  });
});

describe("looking names up", () => {
  test("finds localhost, blocking and not", async () => {
    expect(backend.lookupSync("localhost", 4)).toBe("127.0.0.1");
    expect(await backend.lookup("localhost", 4)).toBe("127.0.0.1");
    expect(["127.0.0.1", "::1"]).toContain(backend.lookupSync("localhost", 0));
    expect(await backend.lookup("localhost", 0)).toBe(backend.lookupSync("localhost", 0));
  });

  test("gives a numeric address back, but not for the other family", async () => {
    expect(backend.lookupSync("::1", 0)).toBe("::1");
    expect(await backend.lookup("127.0.0.1", 4)).toBe("127.0.0.1");
    expect(() => backend.lookupSync("127.0.0.1", 6)).toThrow("ENOTFOUND");
    await expect(backend.lookup("::1", 4)).rejects.toThrow("ENOTFOUND");
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
    await expect(backend.lookup(host, 0)).rejects.toMatchObject(failure);
  });

  test.each(["", "a\0b", "x".repeat(300)])("refuses what can be no name (%j)", async (host) => {
    expect(() => backend.lookupSync(host, 0)).toThrow("ENOTFOUND");
    await expect(backend.lookup(host, 0)).rejects.toThrow("ENOTFOUND");
  });
});
