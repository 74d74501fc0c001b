/**
 * Owns where things are in what WASI 0.3 reads and writes in memory: offsets and sizes in bytes. Imports nothing; drawn in
 * docs/wasi-0.3.md, and held against the rules of the canonical ABI by a test. Addresses with a port are laid out as in
 * WASI 0.2: see ../component/addresses.ts.
 */

/** What an event writes. */
export namespace EventLayout {
  export const HANDLE: i32 = 0;
  export const CODE: i32 = 4;
  export const SIZE: i32 = 8;
}

/** `result<T, error-code>`: 0 or 1, then the value or the error. */
export namespace ResultLayout {
  export const IS_ERROR: i32 = 0;
  export const VALUE: i32 = 4;
  /** Of `result<_, error-code>`. */
  export const SIZE: i32 = 20;
}

/** `error-code`: a number and, of the last one, perhaps a text. */
export namespace ErrorLayout {
  export const CODE: i32 = 0;
  export const HAS_TEXT: i32 = 4;
  export const TEXT: i32 = 8;
  export const TEXT_LENGTH: i32 = 12;
}

/** `tuple<stream<u8>, future<...>>`. */
export namespace StreamLayout {
  export const STREAM: i32 = 0;
  export const FUTURE: i32 = 4;
}

/** The parameters of `tcp-socket.connect`. */
export namespace ConnectLayout {
  export const SOCKET: i32 = 0;
  export const ADDRESS: i32 = 4;
  export const SIZE: i32 = 36;
}

/** The parameters of `udp-socket.send`. */
export namespace SendLayout {
  export const SOCKET: i32 = 0;
  export const DATA: i32 = 4;
  export const LENGTH: i32 = 8;
  export const HAS_ADDRESS: i32 = 12;
  export const ADDRESS: i32 = 16;
  export const SIZE: i32 = 48;
}

/** The result of `udp-socket.receive`. */
export namespace ReceivedLayout {
  export const DATA: i32 = 4;
  export const LENGTH: i32 = 8;
  export const ADDRESS: i32 = 12;
  export const SIZE: i32 = 44;
}

/** The result of `resolve-addresses`, and one address of its list. */
export namespace LookupLayout {
  export const LIST: i32 = 4;
  export const COUNT: i32 = 8;
  export const FAMILY: i32 = 0;
  export const BYTES: i32 = 2;
  export const ADDRESS_SIZE: i32 = 18;
}

/** `instant` of the system clock. */
export namespace InstantLayout {
  export const SECONDS: i32 = 0;
  export const NANOSECONDS: i32 = 8;
  export const SIZE: i32 = 16;
}

/** Room for any of these. */
export const AREA_SIZE: i32 = 48;
