/** Owns addresses: their public form, and the bytes of numeric ones. Knows no socket. */

/** `{ host, port }`. Where the host of the guest does not tell an address, `host` is "". */
export class SocketAddress {
  host: string = "";
  /** 0 to 65535. */
  port: i32 = 0;
  /** Of Unix sockets, which guests do not have: always "". */
  path: string = "";
}

/** Where the host does not tell one: shared, not to be changed. */
export const NO_ADDRESS = new SocketAddress();

/** Where {@link parseHost} leaves 4 or 16 bytes, in network order. */
export const hostBytes: usize = memory.data(16);

const DOT: i32 = 46;
const COLON: i32 = 58;

/** Reads a numeric address; "" is every address of the machine. @returns 4 or 16, or 0 for what is none */
export function parseHost(host: string, isIPv6: bool): i32 {
  if (host.length == 0) {
    memory.fill(hostBytes, 0, 16);
    return isIPv6 ? 16 : 4;
  }
  if (host == "localhost") return isIPv6 ? parseIPv6("::1") : parseIPv4("127.0.0.1", 0, hostBytes);
  return host.indexOf(":") >= 0 ? parseIPv6(host) : parseIPv4(host, 0, hostBytes);
}

function parseIPv4(text: string, from: i32, at: usize): i32 {
  let position = from;
  for (let part = 0; part < 4; part++) {
    let value = 0;
    let digits = 0;
    while (position < text.length && digits < 3 && isDigit(text.charCodeAt(position))) {
      value = value * 10 + text.charCodeAt(position) - 48;
      position += 1;
      digits += 1;
    }
    if (digits == 0 || value > 255) return 0;
    store<u8>(at + part, u8(value));
    if (part == 3) break;
    if (position >= text.length || text.charCodeAt(position) != DOT) return 0;
    position += 1;
  }
  return position == text.length ? 4 : 0;
}

/** Groups of hexadecimal digits, at most one "::", perhaps IPv4 at the end. RFC 4291, 2.2. */
function parseIPv6(text: string): i32 {
  let length = 0;
  let gap = -1;
  let position = 0;
  memory.fill(hostBytes, 0, 16);
  if (text.startsWith("::")) {
    gap = 0;
    position = 2;
  }
  while (position < text.length) {
    if (length > 14) return 0;
    const start = position;
    let value = 0;
    while (position < text.length && position - start < 4 && hexValue(text.charCodeAt(position)) >= 0) {
      value = value * 16 + hexValue(text.charCodeAt(position));
      position += 1;
    }
    if (position < text.length && text.charCodeAt(position) == DOT) {
      if (length > 12 || parseIPv4(text, start, hostBytes + length) == 0) return 0;
      length += 4;
      break;
    }
    if (position == start) return 0;
    store<u8>(hostBytes + length, u8(value >> 8));
    store<u8>(hostBytes + length, u8(value), 1);
    length += 2;
    if (position == text.length) break;
    if (text.charCodeAt(position) != COLON) return 0;
    position += 1;
    if (position == text.length) return 0;
    if (text.charCodeAt(position) == COLON) {
      if (gap >= 0) return 0;
      gap = length;
      position += 1;
    }
  }
  if (gap < 0) return length == 16 ? 16 : 0;
  if (length > 14) return 0;
  const tail = length - gap;
  memory.copy(hostBytes + 16 - tail, hostBytes + gap, tail);
  memory.fill(hostBytes + gap, 0, 16 - length);
  return 16;
}

function isDigit(unit: i32): bool {
  return unit >= 48 && unit <= 57;
}

function hexValue(unit: i32): i32 {
  if (isDigit(unit)) return unit - 48;
  const letter = unit | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
