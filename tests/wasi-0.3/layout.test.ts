/** Holds the offsets that guests use in memory shared with WASI 0.3 against the rules of the canonical ABI. */

import { expect, test } from "vitest";
import { globalsOf, readModule } from "../engine/wasm.js";

/** The size and the alignment of a type in memory, and where its parts are. */
interface Layout {
  readonly size: number;
  readonly alignment: number;
  readonly at: readonly number[];
}

const scalar = (size: number): Layout => ({ size, alignment: size, at: [0] });
const aligned = (at: number, alignment: number) => Math.ceil(at / alignment) * alignment;

/** Its fields one after another, each aligned. */
function record(...fields: readonly Layout[]): Layout {
  let end = 0;
  const at = fields.map((field) => {
    const start = aligned(end, field.alignment);
    end = start + field.size;
    return start;
  });
  const alignment = Math.max(1, ...fields.map((field) => field.alignment));
  return { size: aligned(end, alignment), alignment, at };
}

/** A number for the case, of one byte for up to 256 of them, then room for the largest payload. */
function variant(...cases: readonly (Layout | undefined)[]): Layout {
  const payloads = cases.filter((one) => one !== undefined);
  const alignment = Math.max(1, ...payloads.map((one) => one.alignment));
  const payloadAt = aligned(1, alignment);
  return {
    size: aligned(payloadAt + Math.max(0, ...payloads.map((one) => one.size)), alignment),
    alignment,
    at: [0, payloadAt],
  };
}

const [u8, u16, u32, s64] = [scalar(1), scalar(2), scalar(4), scalar(8)];
const handle = u32;
/** Of strings, too: a pointer and a length. */
const list = record(u32, u32);
const option = (type: Layout) => variant(undefined, type);
const ipv4 = record(u8, u8, u8, u8);
const ipv6 = record(u16, u16, u16, u16, u16, u16, u16, u16);
const ipAddress = variant(ipv4, ipv6);
const socketAddress = variant(record(u16, ipv4), record(u16, u32, ipv6, u32));
const errorCode = variant(...Array.from({ length: 14 }, () => undefined), option(list));

const result = (type?: Layout) => variant(type, errorCode);
const connect = record(handle, socketAddress);
const send = record(handle, list, option(socketAddress));
const received = record(list, socketAddress);
const streams = record(handle, handle);
const instant = record(s64, u32);
const event = record(u32, u32);

/** Where the second part is inside the first. */
const within = (outer: number | undefined, inner: number | undefined) => (outer ?? Number.NaN) + (inner ?? Number.NaN);

const EXPECTED: Readonly<Record<string, number | undefined>> = {
  event_handle: event.at[0],
  event_code: event.at[1],
  event_size: event.size,
  result_is_error: result().at[0],
  result_value: result().at[1],
  result_size: result().size,
  error_code: errorCode.at[0],
  error_has_text: errorCode.at[1],
  error_text: within(errorCode.at[1], within(option(list).at[1], list.at[0])),
  error_text_length: within(errorCode.at[1], within(option(list).at[1], list.at[1])),
  stream_stream: streams.at[0],
  stream_future: streams.at[1],
  connect_socket: connect.at[0],
  connect_address: connect.at[1],
  connect_size: connect.size,
  send_socket: send.at[0],
  send_data: send.at[1],
  send_length: within(send.at[1], list.at[1]),
  send_has_address: send.at[2],
  send_address: within(send.at[2], option(socketAddress).at[1]),
  send_size: send.size,
  received_data: result(received).at[1],
  received_length: within(result(received).at[1], list.at[1]),
  received_address: within(result(received).at[1], received.at[1]),
  received_size: result(received).size,
  lookup_list: result(list).at[1],
  lookup_count: within(result(list).at[1], list.at[1]),
  lookup_family: ipAddress.at[0],
  lookup_bytes: ipAddress.at[1],
  lookup_address_size: ipAddress.size,
  instant_seconds: instant.at[0],
  instant_nanoseconds: instant.at[1],
  instant_size: instant.size,
};

const PREFIX = "wasi03_";
const probe = globalsOf(readModule("layout-probe.wasm"));

test("offsets and sizes are those of the canonical ABI", () => {
  const used = [...probe].filter(([name]) => name.startsWith(PREFIX) && name !== `${PREFIX}area_size`);
  expect(Object.fromEntries(used.map(([name, value]) => [name.slice(PREFIX.length), value]))).toEqual(EXPECTED);
});

test("an area has room for whatever a call reads or writes", () => {
  const largest = Math.max(result().size, result(socketAddress).size, result(received).size, send.size, connect.size);
  expect(probe.get(`${PREFIX}area_size`)).toBeGreaterThanOrEqual(largest);
});

test("an address with a port is 32 bytes, a family, a port, then an address", () => {
  expect([socketAddress.size, socketAddress.at[1]]).toEqual([32, 4]);
});
