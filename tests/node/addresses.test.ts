/** Holds the Node backend's addresses to `Backend`: IPv4, IPv6 with its scopes, and the paths of Unix sockets. */

import { mkdtempSync, rmSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { AddressBuffer } from "../../host/node/addresses.js";
import { createNodeBackend } from "../../host/node/backend.js";
import { platformConstants } from "../../host/node/constants.js";
import { loadLibc } from "../../host/node/libc.js";
import { addressOf, ERRNO, owned, ownedPair } from "../backend/support.js";

const backend = createNodeBackend();

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "wasyncore-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

describe("addresses", () => {
  test("that are no number and no path are refused", () => {
    const fd = owned(backend, backend.socket("IPv4", "stream"));
    expect(backend.bind(fd, { host: "localhost", port: 0 })).toBe(-ERRNO.EINVAL);
    expect(backend.connect(fd, { host: "", port: 1 })).toBe(-ERRNO.EINVAL);
    expect(backend.bind(fd, { host: "127.0.0.1", port: 65536 })).toBe(-ERRNO.EINVAL);
  });

  test("keep every byte of an IPv4 address", () => {
    const fd = owned(backend, backend.socket("IPv4", "dgram"));
    expect(backend.connect(fd, { host: "127.250.0.199", port: 65535 })).toBe(0);
    expect(backend.remoteAddress(fd)).toEqual({ host: "127.250.0.199", port: 65535 });
  });

  test("of the wrong family are the operating system's to refuse", () => {
    const fd = owned(backend, backend.socket("IPv4", "stream"));
    expect(backend.bind(fd, { host: "::1", port: 0 })).toBeLessThan(0);
  });

  test("IPv6 scope ids are kept, the interface by name or by number", () => {
    const [name] = Object.entries(networkInterfaces()).find(([, all]) => all?.some((each) => each.internal)) ?? [];
    if (name === undefined) throw new Error("there is no loopback interface");
    // Link-local multicast can be bound on any interface; the loopback has no link-local address of its own.
    const fd = owned(backend, backend.socket("IPv6", "dgram"));
    expect(backend.bind(fd, { host: `ff02::1%${name}`, port: 0 })).toBe(0);
    expect(addressOf(backend, backend.localAddress(fd)).host).toBe(`ff02::1%${name}`);
    expect(backend.bind(fd, { host: "fe80::1%no-such-if", port: 0 })).toBe(-ERRNO.ENODEV);
  });

  test.each(["fe80::1%99", "2001:db8::1%3", "2001:db8::1"])("%s is written into a sockaddr and read back", (host) => {
    const address = new AddressBuffer(loadLibc(), platformConstants());
    address.length[0] = address.encode({ host, port: 0x1234 });
    expect(address.decode()).toEqual({ host, port: 0x1234 });
  });

  test("Unix paths are read back unchanged, also beyond ASCII where the file system allows it", () => {
    const path = join(temporaryDirectory(), "söcket");
    const fd = owned(backend, backend.socket("unix", "stream"));
    expect(backend.bind(fd, { path })).toBe(0);
    expect(backend.localAddress(fd)).toEqual({ path });
  });

  test("an unnamed Unix socket has the empty path", () => {
    const [one] = ownedPair(backend, backend.socketPair("stream"));
    expect(backend.localAddress(one)).toEqual({ path: "" });
    expect(backend.remoteAddress(one)).toEqual({ path: "" });
  });

  test("abstract names work, NULs within them too", () => {
    const name = `\0wasyncore-${process.pid}\0${performance.now()}`;
    const fd = owned(backend, backend.socket("unix", "stream"));
    expect(backend.bind(fd, { path: name })).toBe(0);
    expect(backend.localAddress(fd)).toEqual({ path: name });
    backend.listen(fd, 1);
    const client = owned(backend, backend.socket("unix", "stream"));
    expect(backend.connect(client, { path: name })).toBe(0);
    expect(backend.remoteAddress(client)).toEqual({ path: name });
  });

  test("Unix paths too long for a sockaddr are ENAMETOOLONG, to the byte", () => {
    const directory = temporaryDirectory();
    const longest = `${directory}/${"x".repeat(107 - directory.length - 1)}`;
    const fd = owned(backend, backend.socket("unix", "stream"));
    expect(backend.bind(fd, { path: `${longest}x` })).toBe(-ERRNO.ENAMETOOLONG);
    expect(backend.bind(fd, { path: `\0${"x".repeat(108)}` })).toBe(-ERRNO.ENAMETOOLONG);
    expect(backend.bind(fd, { path: "a\0b" })).toBe(-ERRNO.EINVAL);
    expect(backend.bind(fd, { path: longest })).toBe(0);
    expect(backend.localAddress(fd)).toEqual({ path: longest });
  });

  test("numeric ones are distinguished from names", () => {
    expect(backend.isNumeric("127.0.0.1")).toBe(4);
    expect(backend.isNumeric("::ffff:1.2.3.4")).toBe(6);
    expect(backend.isNumeric("fe80::1%eth0")).toBe(6);
    expect(backend.isNumeric("localhost")).toBe(0);
    expect(backend.isNumeric("")).toBe(0);
  });
});
