/** Holds a backend's socket options to `SocketCalls`. */

import { describe, expect, test } from "vitest";
import type { Backend } from "../../host/backend/backend.js";
import { boundSocket, ERRNO, owned, ownedPair } from "./support.js";

export function describeOptions(backend: Backend): void {
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

    test("lingering is off, or on for so many seconds", () => {
      const fd = owned(backend, backend.socket("IPv4", "stream"));
      expect(backend.getLinger(fd)).toMatchObject({ on: false });
      for (const seconds of [0, 5]) {
        expect(backend.setLinger(fd, { on: true, seconds })).toBe(0);
        expect(backend.getLinger(fd)).toEqual({ on: true, seconds });
      }
      expect(backend.setLinger(fd, { on: false, seconds: 0 })).toBe(0);
      expect(backend.getLinger(fd)).toMatchObject({ on: false });
    });

    test("the type, SO_ACCEPTCONN, SO_BROADCAST, IPV6_V6ONLY and the buffer sizes are known", () => {
      const [stream] = boundSocket(backend, "IPv6", "stream");
      const dgram = owned(backend, backend.socket("IPv4", "dgram"));
      expect([backend.socketType(stream), backend.socketType(dgram)]).toEqual(["stream", "dgram"]);
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
      expect(backend.socketType(pipeEnd)).toBe(-ERRNO.ENOTSOCK);
      expect(backend.getLinger(pipeEnd)).toBe(-ERRNO.ENOTSOCK);
    });
  });
}
