/** Numeric addresses as bytes, held to inet_pton's forms, and networks, held to the bits of their addresses. */

import * as fc from "fast-check";
import { BlockList, isIP } from "node:net";
import { describe, expect, test } from "vitest";
import {
  destinationOf,
  hasBitsBeyond,
  isWithin,
  type Network,
  parseAddress,
  parseNetwork,
  textOf,
} from "../../../host/plugin/policy/ip.js";

const byte = fc.integer({ min: 0, max: 255 });
const ipv4 = fc.array(byte, { minLength: 4, maxLength: 4 });

describe("parseAddress", () => {
  test.each<[string, string]>([
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "0:0:0:0:0:0:0:1"],
    ["::", "0:0:0:0:0:0:0:0"],
    ["1::", "1:0:0:0:0:0:0:0"],
    ["2001:DB8::a:b", "2001:db8:0:0:0:0:a:b"],
    ["fe80::1%eth0", "fe80:0:0:0:0:0:0:1%eth0"],
    ["::ffff:127.0.0.1", "::ffff:127.0.0.1"],
    ["::ffff:7f00:1", "::ffff:127.0.0.1"],
    ["0:0:0:0:0:ffff:7f00:0001", "::ffff:127.0.0.1"],
    ["::127.0.0.1", "0:0:0:0:0:0:7f00:1"],
    ["64:ff9b::127.0.0.1", "64:ff9b:0:0:0:0:7f00:1"],
  ])("%s is %s", (text, canonical) => {
    const address = parseAddress(text);
    expect(address && textOf(address)).toBe(canonical);
  });

  test.each([
    "",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "127.0.0.1.",
    " 127.0.0.1",
    "1:2:3",
    "::1/128",
    "[::1]",
  ])("%j is none", (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  test("takes what isIP takes, and its canonical text has the same bytes", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV4Extended(), fc.ipV6(), fc.string()), (text) => {
        const address = parseAddress(text);
        expect(address !== undefined).toBe(isIP(text) !== 0);
        if (address !== undefined) expect(parseAddress(textOf(address))).toEqual(address);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a network", () => {
  /** Node's own answer. It takes a mapped address for both families; here it is IPv4 alone. */
  function nodeSays(network: Network, address: Uint8Array): boolean {
    const list = new BlockList();
    list.addSubnet([...network.bytes].join("."), network.prefixBits, "ipv4");
    return list.check([...address].join("."), "ipv4");
  }

  test("has the addresses that Node's BlockList says", () => {
    fc.assert(
      fc.property(ipv4, ipv4, fc.integer({ min: 1, max: 32 }), fc.boolean(), (base, other, prefix, near) => {
        const network = parseNetwork(`${base.join(".")}/${prefix}`);
        if (network === undefined) throw new Error("no network");
        const address = Uint8Array.from(
          near ? base.map((each, index) => (index < 2 ? each : (other[index] ?? 0))) : other,
        );
        expect(isWithin({ bytes: address, scope: "", isMapped: false }, network)).toBe(nodeSays(network, address));
      }),
      { numRuns: 2000 },
    );
  });

  test("in IPv6 compares as many bits as its prefix says", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.integer({ min: 0, max: 128 }),
        fc.integer({ min: 0, max: 127 }),
        (bytes, prefixBits, changed) => {
          const other = bytes.slice();
          other[changed >> 3] = (other[changed >> 3] ?? 0) ^ (0x80 >> (changed & 7));
          const network = { bytes, prefixBits, scope: "", isMapped: false };
          expect(isWithin({ bytes: other, scope: "", isMapped: false }, network)).toBe(changed >= prefixBits);
        },
      ),
    );
  });

  test("that is mapped into IPv6 is the IPv4 network", () => {
    expect(parseNetwork("::ffff:10.0.0.0/104")).toMatchObject({ prefixBits: 8, isMapped: true });
    expect(parseNetwork("::ffff:10.0.0.0/90")).toBeUndefined();
  });

  test("has no bits beyond its prefix, or says so", () => {
    const beyond = (text: string) => hasBitsBeyond(parseNetwork(text) as Network);
    expect(["10.0.0.0/8", "0.0.0.0/0", "1.2.3.4", "fd00::/8", "::/0"].map(beyond)).toEqual(Array(5).fill(false));
    expect(["10.0.0.1/8", "0.0.0.1/0", "10.128.0.0/8", "fd00::1/8"].map(beyond)).toEqual(Array(4).fill(true));
  });
});

test("what connects to this machine is a loopback address", () => {
  const canonical = (text: string) => {
    const address = parseAddress(text);
    return address && textOf(destinationOf(address));
  };
  expect(["0.0.0.0", "::", "::ffff:0.0.0.0", "0.0.0.1"].map(canonical)).toEqual([
    "127.0.0.1",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "0.0.0.1",
  ]);
});
