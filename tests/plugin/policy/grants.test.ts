/** What an allow-list grants, held to a plain model of it, and the ways around it. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Grants, grantsOf } from "../../../host/plugin/policy/grants.js";
import { pinNames, pinNamesSync } from "../../../host/plugin/policy/names.js";
import { parsePolicy } from "../../../host/plugin/policy/schema.js";
import type { PolicyInput } from "../../../host/plugin/policy/types.js";
import { host } from "./support.js";

function grants(input: PolicyInput): Grants {
  return grantsOf(pinNamesSync(parsePolicy(input), host));
}

function connects(granted: Grants, ...hosts: string[]): boolean[] {
  return hosts.map((host) => granted.connect({ host, port: 80 }) !== undefined);
}

/** Every spelling of a loopback address, and what the kernel takes for one. */
const LOOPBACKS = ["127.0.0.1", "127.1.2.3", "0.0.0.0", "::1", "::", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"];
const MAPPED = ["::ffff:7f00:1", "::FFFF:127.0.0.1", "0:0:0:0:0:ffff:7f00:1", "::ffff:0.0.0.0", "::ffff:0:0"];
/** What inet_aton(3) and some resolvers take for 127.0.0.1. */
const SPELLINGS = [
  "127.1",
  "0177.0.0.1",
  "0x7f000001",
  "2130706433",
  "127.0.0.1.",
  "localhost",
  "LOCALHOST",
  "ip6-localhost",
];

describe("connecting", () => {
  test("is granted nowhere by default", () => {
    const none = grants({});
    expect(connects(none, ...LOOPBACKS, ...MAPPED, ...SPELLINGS, "192.0.2.1", "2001:db8::1")).not.toContain(true);
    expect(none.connect({ path: "/var/run/docker.sock" })).toBeUndefined();
    expect(none.connect({ path: "\0abstract" })).toBeUndefined();
    expect(none.connect({ path: "" })).toBeUndefined();
  });

  test("to another machine grants no spelling of this one", () => {
    const other = grants({ connect: ["192.0.2.0/24:*", "[2001:db8::]:*", "[2001:db8::/32]:*"] });
    expect(connects(other, ...LOOPBACKS, ...MAPPED, ...SPELLINGS)).not.toContain(true);
    expect(connects(other, "192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1")).toEqual([true, true, true]);
  });

  test("to all of IPv6 grants no IPv4 address that is written in it", () => {
    const six = grants({ connect: ["[::/0]:*"] });
    expect(connects(six, "::1", "::", "2001:db8::1", "fe80::1%1")).toEqual([true, true, true, true]);
    expect(connects(six, "127.0.0.1", "0.0.0.0", ...MAPPED)).not.toContain(true);
  });

  test("goes to the address in the form that was compared", () => {
    const local = grants({ connect: ["127.0.0.1:80", "[::1]:80"] });
    const to = (host: string) => local.connect({ host, port: 80 })?.host;
    expect(["127.0.0.1", "0.0.0.0", "::ffff:7f00:1", "::ffff:0:0", "::", "0::1"].map(to)).toEqual([
      "127.0.0.1",
      "127.0.0.1",
      "::ffff:127.0.0.1",
      "::ffff:127.0.0.1",
      "0:0:0:0:0:0:0:1",
      "0:0:0:0:0:0:0:1",
    ]);
    expect(local.connect({ host: "127.0.0.1", port: 81 })).toBeUndefined();
  });

  test("through an interface is granted where the rule names it, or none", () => {
    const scoped = grants({ connect: ["[fe80::1%eth0]:*", "[fe81::/16]:*"] });
    expect(connects(scoped, "fe80::1%eth0", "fe80::1%eth1", "fe80::1", "fe81::1%eth1")).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });

  test("to a Unix socket takes the path as it is written", () => {
    const unix = grants({ connect: ["/run/db.sock", "@db"] });
    const to = (path: string) => unix.connect({ path }) !== undefined;
    expect(["/run/db.sock", "\0db"].map(to)).toEqual([true, true]);
    const others = [
      "/run/./db.sock",
      "/run//db.sock",
      "run/db.sock",
      "/run/db.sock\0",
      "\0db\0",
      "@db",
      "db",
      "",
      "/run",
    ];
    expect(others.map(to)).not.toContain(true);
  });

  test("to a name goes to the addresses that were found for it, whatever it has later", async () => {
    const answers = ["192.0.2.1", "192.0.2.2"];
    const names = named(() => answers);
    const policy = await pinNames(parsePolicy({ connect: ["db.example.com:80"] }), names);
    answers.splice(0, 2, "127.0.0.1");
    const pinned = grantsOf(policy);
    expect(connects(pinned, "192.0.2.1", "192.0.2.2", "127.0.0.1", "db.example.com")).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(pinned.name("DB.example.com.")).toEqual(["192.0.2.1", "192.0.2.2"]);
    expect(pinned.name("example.com")).toBeUndefined();
  });

  test("to a name whose address is 0.0.0.0 is granted nowhere", async () => {
    const names = named(() => ["0.0.0.0"]);
    const pinned = grantsOf(await pinNames(parsePolicy({ connect: ["x.example.com:80"] }), names));
    expect(pinned.connect({ host: "0.0.0.0", port: 80 })).toBeUndefined();
    expect(pinned.connect({ host: "127.0.0.1", port: 80 })).toBeUndefined();
  });

  test("to a name that was not looked up is an error of the policy", () => {
    const policy = parsePolicy({ connect: ["127.0.0.1:1", "db.example.com:80"] });
    expect(() => grantsOf(policy)).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_POLICY", field: "connect[1]" }),
    );
  });

  test("to * is granted everywhere but to Unix sockets", () => {
    const all = grants({ connect: ["*:80"] });
    expect(connects(all, "127.0.0.1", "::", "2001:db8::1")).toEqual([true, true, true]);
    expect(all.connect({ host: "127.0.0.1", port: 81 })).toBeUndefined();
    expect(all.connect({ path: "/run/x" })).toBeUndefined();
    expect(all.name("anything.example")).toBe("any");
  });
});

test("datagrams, connections and bound sockets are granted each by its own rules", () => {
  const each = grants({ connect: ["192.0.2.1:1"], udp: ["192.0.2.2:2"], bind: ["192.0.2.3:3"] });
  const table = ([1, 2, 3] as const).map((last) => {
    const address = { host: `192.0.2.${last}`, port: last };
    return [each.connect(address), each.datagram(address), each.bind(address)].map((found) => found !== undefined);
  });
  expect(table).toEqual([
    [true, false, false],
    [false, true, false],
    [false, false, true],
  ]);
  expect(each.source({ host: "192.0.2.2", port: 2 })).toBe(true);
  expect(each.source({ host: "192.0.2.2", port: 3 })).toBe(false);
  expect(each.source({ path: "" })).toBe(false);
});

test("binding to any address and any port is what an unbound socket does by itself", () => {
  const any = { host: "0.0.0.0", port: 0 };
  expect(grants({}).bindAnywhere(any, true)).toBeUndefined();
  expect(grants({ udp: ["192.0.2.1:1"] }).bindAnywhere(any, true)).toEqual(any);
  expect(grants({ udp: ["192.0.2.1:1"] }).bindAnywhere(any, false)).toBeUndefined();
  expect(grants({ connect: ["192.0.2.1:1"] }).bindAnywhere(any, false)).toEqual(any);
  expect(grants({ connect: ["192.0.2.1:1"] }).bindAnywhere({ ...any, port: 1 }, false)).toBeUndefined();
  expect(grants({ connect: ["192.0.2.1:1"] }).bindAnywhere({ host: "127.0.0.1", port: 0 }, false)).toBeUndefined();
  expect(grants({ connect: ["192.0.2.1:1"] }).bind(any)).toBeUndefined();
});

describe("against a model", () => {
  const byte = fc.integer({ min: 0, max: 255 });
  /** Few values, so that addresses and networks meet. */
  const part = fc.oneof(fc.constantFrom(0, 1, 10, 127, 255), byte);
  const four = fc.tuple(part, part, part, part);
  const port = fc.oneof(fc.constantFrom(0, 79, 80, 81, 443, 65535), fc.integer({ min: 0, max: 65535 }));
  const rule = fc.record({
    base: four,
    prefix: fc.integer({ min: 0, max: 32 }),
    from: port,
    size: fc.integer({ min: 0, max: 100 }),
  });
  const target = fc.record({ address: four, port, form: fc.constantFrom("plain", "mapped", "groups", "capitals") });

  const numberOf = (bytes: readonly number[]): number => bytes.reduce((value, each) => value * 256 + each, 0);
  const networkOf = (bytes: readonly number[], prefix: number): number =>
    Math.floor(numberOf(bytes) / 2 ** (32 - prefix)) * 2 ** (32 - prefix);
  const dotted = (value: number): string =>
    [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");

  function written(bytes: readonly number[], form: string): string {
    const [a = 0, b = 0, c = 0, d = 0] = bytes;
    if (form === "plain") return bytes.join(".");
    if (form === "mapped") return `::ffff:${bytes.join(".")}`;
    const groups = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
    return form === "groups" ? `0:0:0:0:0:ffff:${groups}` : `::FFFF:${groups.toUpperCase()}`;
  }

  test("an IPv4 address is granted, in whatever form, exactly where a rule has it", () => {
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 4 }),
        fc.array(target, { minLength: 1, maxLength: 8 }),
        (rules, targets) => {
          const made = grants({
            connect: rules
              .map(({ base, prefix, from, size }) => ({
                host: `${dotted(networkOf(base, prefix))}/${prefix}`,
                ports: { from, to: Math.min(65535, from + size) },
              }))
              .filter(({ host }) => host !== "0.0.0.0/32"),
          });
          for (const { address, port, form } of targets) {
            const meant = numberOf(address) === 0 ? [127, 0, 0, 1] : address;
            const expected = rules.some(
              ({ base, prefix, from, size }) =>
                !(prefix === 32 && numberOf(base) === 0) &&
                networkOf(meant, prefix) === networkOf(base, prefix) &&
                port >= from &&
                port <= from + size,
            );
            const found = made.connect({ host: written(address, form), port });
            expect([written(address, form), port, found !== undefined]).toEqual([
              written(address, form),
              port,
              expected,
            ]);
            if (found !== undefined) {
              expect(found).toEqual({ host: form === "plain" ? meant.join(".") : `::ffff:${meant.join(".")}`, port });
            }
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("no text that is no address is granted by rules of addresses", () => {
    const made = grants({ connect: ["0.0.0.0/0:*", "[::/0]:*"] });
    fc.assert(
      fc.property(
        fc.oneof(fc.domain(), fc.string(), fc.integer().map(String), fc.webAuthority()),
        port,
        (host, port) => {
          if (host.includes(":") || /^(\d+\.){3}\d+$/.test(host)) return;
          expect(made.connect({ host, port })).toBeUndefined();
        },
      ),
    );
  });
});

/** A resolver that gives every name the same addresses. */
function named(answers: () => readonly string[]) {
  const addresses = () => {
    const [first, ...others] = answers();
    if (first === undefined) throw new Error("no addresses");
    return [first, ...others] as const;
  };
  return { isNumeric: host.isNumeric.bind(host), lookupSync: addresses, lookup: async () => addresses() };
}
