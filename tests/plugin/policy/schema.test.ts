/** What a policy may say, its defaults, and what is said about a wrong one. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { PolicyError } from "../../../host/plugin/policy/errors.js";
import { parsePolicy } from "../../../host/plugin/policy/schema.js";
import type { PolicyInput } from "../../../host/plugin/policy/types.js";

/** "field: message" of each problem. */
function problemsOf(input: unknown): string[] {
  try {
    parsePolicy(input);
  } catch (error) {
    if (error instanceof PolicyError) return error.problems.map(({ field, message }) => `${field}: ${message}`);
    throw error;
  }
  return [];
}

test("an empty policy grants nothing, and has limits", () => {
  expect(parsePolicy({})).toEqual({
    run: "isolated",
    listen: [],
    connect: [],
    bind: [],
    udp: [],
    dirs: [],
    limits: {
      maxMemoryBytes: 268_435_456,
      maxDescriptors: 1024,
      maxConnections: 1000,
      bytesPerSecondIn: Infinity,
      bytesPerSecondOut: Infinity,
      linesPerSecond: 10_000,
      lineBytesPerSecond: 4 * 0x10_0000,
      cpuMsPerTurn: 1000,
      cpuMsTotal: Infinity,
      lifetimeMs: Infinity,
      maxHostBytes: 16_777_216,
    },
    env: {},
    args: [],
    stdio: { stdin: "none", stdout: "none", stderr: "none" },
    clocks: { resolutionMs: 0 },
    random: "system",
    restart: { when: "failure", minDelayMs: 100, maxDelayMs: 30_000, factor: 2, maxRestarts: 10, windowMs: 300_000 },
    stopTimeoutMs: 5000,
  });
});

const FULL: PolicyInput = {
  run: "shared",
  listen: [
    "127.0.0.1:0",
    "web=[::1]:8080",
    "./app.sock",
    "@abstract",
    {
      address: { host: "127.0.0.1", port: 443 },
      name: "tls",
      backlog: 10,
      tls: { cert: "/c", key: "/k", alpn: ["h2"] },
    },
    { address: "127.0.0.1:81" },
    { address: { path: "/run/x" } },
  ],
  connect: ["10.0.0.0/8:5432", "db.example.com:1,2-3", "[fd00::/8]:*", "/run/db.sock", "@db", "*:443"],
  bind: ["0.0.0.0:0", { host: "::", ports: [80, "81-82", { from: 90, to: 91 }] }, { path: "/run/mine" }],
  udp: [{ host: "ns.example.com", ports: "53", addresses: ["192.0.2.1", "2001:db8::1"] }],
  dirs: ["/srv::/data", "/etc/app::/etc:ro", { host: "/tmp/x" }],
  limits: { bytesPerSecondIn: 1000, maxConnections: "unlimited", cpuMsPerTurn: 0x10 },
  env: { A: "1", toString: "x" },
  args: ["app"],
  stdio: { stdout: "lines" },
  clocks: { resolutionMs: 1 },
  random: { seed: 7 },
  restart: "always",
  stopTimeoutMs: 100,
};

test("text and objects say the same", () => {
  const policy = parsePolicy(FULL);
  expect(policy.listen).toEqual([
    { address: { host: "127.0.0.1", port: 0 }, name: undefined, backlog: 511, tls: undefined },
    { address: { host: "::1", port: 8080 }, name: "web", backlog: 511, tls: undefined },
    { address: { path: "./app.sock" }, name: undefined, backlog: 511, tls: undefined },
    { address: { path: "\0abstract" }, name: undefined, backlog: 511, tls: undefined },
    {
      address: { host: "127.0.0.1", port: 443 },
      name: "tls",
      backlog: 10,
      tls: { cert: "/c", key: "/k", alpn: ["h2"], ca: undefined, requestCert: false, handshakeTimeoutMs: 10_000 },
    },
    { address: { host: "127.0.0.1", port: 81 }, name: undefined, backlog: 511, tls: undefined },
    { address: { path: "/run/x" }, name: undefined, backlog: 511, tls: undefined },
  ]);
  const port = (from: number, to = from) => ({ from, to });
  expect(policy.connect).toEqual([
    { host: "10.0.0.0/8", ports: [port(5432)] },
    { host: "db.example.com", ports: [port(1), port(2, 3)] },
    { host: "fd00::/8", ports: [port(0, 65535)] },
    { path: "/run/db.sock" },
    { path: "\0db" },
    { host: "*", ports: [port(443)] },
  ]);
  expect(policy.bind[1]).toEqual({ host: "::", ports: [port(80), port(81, 82), port(90, 91)] });
  expect(policy.udp).toEqual([{ host: "ns.example.com", ports: [port(53)], addresses: ["192.0.2.1", "2001:db8::1"] }]);
  expect(policy.dirs).toEqual([
    { host: "/srv", guest: "/data", readOnly: false },
    { host: "/etc/app", guest: "/etc", readOnly: true },
    { host: "/tmp/x", guest: "/tmp/x", readOnly: false },
  ]);
  expect(policy.limits).toMatchObject({ bytesPerSecondIn: 1000, maxConnections: Infinity, cpuMsPerTurn: 16 });
  expect(Object.entries(policy.env)).toEqual([
    ["A", "1"],
    ["toString", "x"],
  ]);
  expect(policy.stdio).toEqual({ stdin: "none", stdout: "lines", stderr: "none" });
  expect(parsePolicy({ stdio: "inherit" }).stdio).toEqual({ stdin: "inherit", stdout: "inherit", stderr: "inherit" });
  expect(policy.restart).toMatchObject({ when: "always", minDelayMs: 100 });
});

test("what was parsed can be parsed again, and sent to a thread", () => {
  const policy = parsePolicy(FULL);
  expect(parsePolicy(policy)).toEqual(policy);
  expect(parsePolicy(structuredClone(policy))).toEqual(policy);
});

test.each([
  ["64M", 64 * 2 ** 20],
  ["512K", 512 * 2 ** 10],
  ["1G", 2 ** 30],
  ["1.5m", 1.5 * 2 ** 20],
  ["65536", 65_536],
  [65_536, 65_536],
  ["unlimited", Infinity],
] as const)("limits in bytes are numbers or sizes: %s", (given, bytes) => {
  const { limits } = parsePolicy({ limits: { maxMemoryBytes: given, bytesPerSecondIn: given } });
  expect(limits).toMatchObject({ maxMemoryBytes: bytes, bytesPerSecondIn: bytes });
});

describe("a wrong policy", () => {
  test.each<[unknown, string[]]>([
    [null, [": must be an object, got null"]],
    [[], [": must be an object, got Array"]],
    [{ conect: [] }, [`conect: is no field: did you mean "connect"?`]],
    [{ limits: { max_memory: 1 } }, [`limits.max_memory: is no field: did you mean "maxMemoryBytes"?`]],
    [
      { limits: { maxMemoryBytes: 1 } },
      [
        `limits.maxMemoryBytes: must be a whole number of bytes, 65536 to 4294967296, a size such as "64M", or "unlimited", got 1`,
      ],
    ],
    [
      { limits: { maxMemoryBytes: "64MiB" } },
      [
        `limits.maxMemoryBytes: must be a whole number of bytes, 65536 to 4294967296, a size such as "64M", or "unlimited", got "64MiB"`,
      ],
    ],
    [
      { limits: { maxMemoryBytes: "5G", maxHostBytes: "1024.0001K", maxConnections: "1K" } },
      [
        `limits.maxMemoryBytes: must be a whole number of bytes, 65536 to 4294967296, a size such as "64M", or "unlimited", got "5G"`,
        `limits.maxConnections: must be a whole number of connections, 0 to 1048576, or "unlimited", got "1K"`,
        `limits.maxHostBytes: must be a whole number of bytes, 1048576 or more, a size such as "64M", or "unlimited", got "1024.0001K"`,
      ],
    ],
    [
      { limits: { maxConnections: NaN } },
      [`limits.maxConnections: must be a whole number of connections, 0 to 1048576, or "unlimited", got NaN`],
    ],
    [{ run: "thread" }, [`run: must be one of "isolated", "shared", got "thread"`]],
    [{ listen: "127.0.0.1:80" }, [`listen: must be a list of listening sockets, got "127.0.0.1:80"`]],
    [
      { listen: ["80"] },
      [`listen[0]: must be HOST:PORT, [IPV6]:PORT (ports to 65535), a path with a slash in it or @NAME, got "80"`],
    ],
    [
      { listen: ["127.0.0.1:70000"] },
      [
        `listen[0]: must be HOST:PORT, [IPV6]:PORT (ports to 65535), a path with a slash in it or @NAME, got "127.0.0.1:70000"`,
      ],
    ],
    [
      { listen: [{ address: { host: "::1", port: 70000 } }] },
      [`listen[0].address.port: must be a whole number from 0 to 65535, got 70000`],
    ],
    [{ listen: [{}] }, ["listen[0].address: is missing"]],
    [
      { listen: [{ address: "127.0.0.1:1", name: "a:b" }] },
      ["listen[0].name: must be 1 to 255 printable ASCII characters without a colon"],
    ],
    [{ listen: [{ address: "127.0.0.1:1", tls: { cert: "x" } }] }, ["listen[0].tls.key: is missing"]],
    [
      { connect: ["10.0.0.1/8:80"] },
      [`connect[0]: has bits beyond its prefix: write the first address of the network, got "10.0.0.1/8"`],
    ],
    [
      { connect: ["127.1:80", "0x7f000001:80", "2130706433:80", "0177.0.0.1:80"] },
      ["127.1", "0x7f000001", "2130706433", "0177.0.0.1"].map(
        (host, index) =>
          `connect[${index}]: must have IPv4 addresses as four decimal numbers without leading zeros, got "${host}"`,
      ),
    ],
    [
      { connect: ["0.0.0.0:80", "[::]:80", "[::ffff:0.0.0.0]:80"] },
      ["0.0.0.0", "::", "::ffff:0.0.0.0"].map(
        (host, index) =>
          `connect[${index}]: must not be ${host}, which connects to this machine: write 127.0.0.1 or [::1]`,
      ),
    ],
    [
      { connect: ["example.com"] },
      [`connect[0]: must be HOST:PORTS, [IPV6]:PORTS, the absolute path of a Unix socket or @NAME, got "example.com"`],
    ],
    [
      { connect: ["example.com:http"] },
      [`connect[0]: must have ports from 0 to 65535, ranges such as 8000-8099, or *, got "http"`],
    ],
    [
      { connect: ["example.com:9-8"] },
      [`connect[0]: must have ports from 0 to 65535, ranges such as 8000-8099, or *, got "9-8"`],
    ],
    [{ connect: [{ host: "example.com" }] }, ["connect[0].ports: is missing"]],
    [{ connect: [{ host: "a.b", ports: [] }] }, ["connect[0]: has no ports: write * for all of them"]],
    [
      { connect: [{ host: "a.b", ports: 1, addresses: ["c.d"] }] },
      [`connect[0]: has an entry of "addresses" that is no address: "c.d"`],
    ],
    [
      { connect: ["./relative.sock"] },
      [`connect[0]: must be an absolute path, or @NAME for an abstract one, got "./relative.sock"`],
    ],
    [
      { connect: ["/run/../var/run/docker.sock"] },
      [`connect[0]: must not contain "..": write the path itself, got "/run/../var/run/docker.sock"`],
    ],
    [{ connect: [{ path: "/a", ports: 1 }] }, ["connect[0].ports: must be left out"]],
    [{ udp: ["/run/log"] }, [`udp[0]: must be HOST:PORTS: Unix sockets of either type are listed in "connect"`]],
    [
      { connect: ["/srv/app/db.sock"], dirs: ["/srv::/data"] },
      [
        "connect[0]: is in a directory that the guest may write to (/srv): make the directory read-only, or move the socket",
      ],
    ],
    [{ dirs: ["data::/data"] }, [`dirs[0]: must have an absolute path for the host, got "data"`]],
    [{ dirs: ["/a::/x:RO"] }, [`dirs[0]: must be HOST::GUEST or HOST::GUEST:ro, got "/a::/x:RO"`]],
    [{ dirs: ["/a::/x", "/b::/x"] }, ["dirs[1].guest: names a directory that the guest has already: /x"]],
    [{ env: { "A=B": "1" } }, ["env.A=B: is no name of an environment variable"]],
    [{ env: { A: 1 } }, ["env.A: must be a string, got 1"]],
    [{ env: { LISTEN_FDS: "1" }, listen: ["127.0.0.1:0"] }, [`env.LISTEN_FDS: must be left out: "listen" sets it`]],
    [{ args: ["a\0b"] }, ["args[0]: must not contain a NUL"]],
    [{ restart: { minDelayMs: 10, maxDelayMs: 5 } }, ["restart: must have a minDelayMs of at most maxDelayMs"]],
    [{ restart: "sometimes" }, [`restart: must be one of "never", "failure", "always", got "sometimes"`]],
    [{ stopTimeoutMs: -1 }, ["stopTimeoutMs: must be a number of milliseconds from 0 to 2147483647, got -1"]],
    [{ random: "dev" }, [`random: must be one of "system", got "dev"`]],
  ])("%j", (input, problems) => {
    expect(problemsOf(input)).toEqual(problems);
  });

  test("is an error with a code, the first field, and a line for each problem", () => {
    let thrown: unknown;
    try {
      parsePolicy({ limits: { maxDescriptors: -1 }, run: 1 });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(PolicyError);
    expect(thrown).toMatchObject({ code: "ERR_INVALID_POLICY", field: "run", name: "PolicyError" });
    expect((thrown as Error).message.split("\n")).toEqual([
      `"run" must be one of "isolated", "shared", got 1`,
      `"limits.maxDescriptors" must be a whole number of descriptors, 0 to 1048576, or "unlimited", got -1`,
    ]);
  });

  test("of any shape is a PolicyError, or a policy that can be parsed again", () => {
    const field = fc.constantFrom(...Object.keys(parsePolicy({})), "other");
    const value = fc.oneof(
      fc.anything({ maxDepth: 3 }),
      fc.array(fc.string()),
      fc.array(fc.oneof(fc.webAuthority(), fc.ipV4(), fc.ipV6(), fc.constantFrom("/a", "@b", "*:1", "a::b"))),
    );
    fc.assert(
      fc.property(fc.dictionary(field, value), (input) => {
        try {
          const policy = parsePolicy(input);
          expect(parsePolicy(policy)).toEqual(policy);
        } catch (error) {
          if (!(error instanceof PolicyError)) throw error;
          expect(error.problems.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test("a socket that the guest could put a link in the way of is refused, by whatever links the paths lead there", () => {
  const top = mkdtempSync(join(tmpdir(), "wasyncore-"));
  onTestFinished(() => rmSync(top, { recursive: true }));
  mkdirSync(join(top, "real/sub"), { recursive: true });
  mkdirSync(join(top, "out"));
  symlinkSync("real", join(top, "link"));
  symlinkSync("../out", join(top, "real/away"));
  const refused = /may write to/;
  for (const [dir, socket] of [
    ["real", "real/s"],
    ["link", "real/s"],
    ["real", "link/s"],
    ["real", "real/sub/s"],
    ["real", "real/away/s"],
    ["real/sub", "link/sub/none/s"],
  ] as const) {
    const dirs = [`${join(top, dir)}::/d`];
    const path = join(top, socket);
    for (const grants of [{ connect: [path] }, { bind: [path] }, { listen: [path] }]) {
      expect(() => parsePolicy({ dirs, ...grants }), `${dir} ${socket}`).toThrow(refused);
      expect(() => parsePolicy({ dirs: [`${dirs[0]}:ro`], ...grants })).not.toThrow();
    }
  }
  expect(() =>
    parsePolicy({ dirs: [`${join(top, "real")}::/d`], connect: [join(top, "out/s"), "@name"] }),
  ).not.toThrow();
});

test.each([
  [{}, 1000],
  [{ run: "isolated" }, 1000],
  [{ run: "shared" }, 100],
  [{ run: "shared", limits: { maxConnections: 1 } }, 100],
  [{ run: "shared", limits: { cpuMsPerTurn: 1000 } }, 1000],
  [{ run: "shared", limits: { cpuMsPerTurn: "unlimited" } }, Infinity],
] as const)("%j limits a turn to %d ms", (input, expected) => {
  expect(parsePolicy(input).limits.cpuMsPerTurn).toBe(expected);
});
