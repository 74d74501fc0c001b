/**
 * Owns what each call of preview 1 takes out of a guest's memory and what it writes there, in terms of its parameters: what a
 * recording has to hold, and where a replay puts it. Knows the layouts; makes no call.
 */

import { Fdstat, Filestat, Prestat } from "../../wasi/layout.js";

/** Bytes at one parameter, their number in another; `max` bounds them. */
interface Extent {
  readonly at: number;
  readonly length: number;
}

/** What a call takes out of memory. Numbers are those of parameters. */
export type Input =
  /** The bytes of a path: recorded. */
  | ({ readonly kind: "bytes"; readonly max: number } & Extent)
  /** What WasmEdge's address structure refers to: recorded. */
  | { readonly kind: "address"; readonly at: number }
  /** Subscriptions: their hash is recorded. The user data in them is not in it. */
  | { readonly kind: "subscriptions"; readonly at: number; readonly count: number };

/** What a call writes into memory, besides values of a fixed size. Numbers are those of parameters. */
export type Output =
  /** Buffers of a vector, as many bytes as are stored at `used`. */
  | { readonly kind: "vector"; readonly used: number }
  /** A buffer, as many bytes as are stored at `used`. One with `length` may be written by a call that fails. */
  | { readonly kind: "used"; readonly at: number; readonly used: number; readonly length?: number }
  /** All of a buffer. */
  | ({ readonly kind: "filled" } & Extent)
  /** Events: `subscribed` is how many there may be, and at `count` is stored how many there are. */
  | {
      readonly kind: "events";
      readonly subscriptions: number;
      readonly events: number;
      readonly subscribed: number;
      readonly count: number;
    }
  /** Strings that end with a NUL, and their addresses. */
  | { readonly kind: "strings"; readonly of: "args" | "environ"; readonly addresses: number; readonly strings: number };

export interface CallLayout {
  /** Values of a fixed size that it writes: the parameter with their address, and their bytes. */
  readonly values: readonly (readonly [parameter: number, bytes: number])[];
  readonly inputs: readonly Input[];
  readonly output: Output | undefined;
  /** The parameters with a vector of buffers. */
  readonly vector: readonly [at: number, count: number] | undefined;
  /** The parameter with the address of how many bytes of the vector were sent: these are hashed. */
  readonly sent: number | undefined;
  /** The parameter of a structure that refers to a buffer for an address, which the call writes. */
  readonly address: number | undefined;
  /** Bit by bit: is the parameter an address in memory? Another build of the same source has others. */
  readonly pointers: number;
}

/** PATH_MAX; longer ones are refused by the call. */
const PATH_MAX = 4096;
const OPTION_MAX = 8;

type Parts = Partial<Omit<CallLayout, "pointers">>;

const path = (at: number): Input => ({ kind: "bytes", at, length: at + 1, max: PATH_MAX });

const NOTHING: CallLayout = layout({});

/** By name; a call that is not listed here takes and writes nothing but numbers. */
const LAYOUTS: Readonly<Record<string, CallLayout>> = {
  args_get: layout({ output: { kind: "strings", of: "args", addresses: 0, strings: 1 } }),
  args_sizes_get: layout({
    values: [
      [0, 4],
      [1, 4],
    ],
  }),
  clock_res_get: layout({ values: [[1, 8]] }),
  clock_time_get: layout({ values: [[2, 8]] }),
  environ_get: layout({ output: { kind: "strings", of: "environ", addresses: 0, strings: 1 } }),
  environ_sizes_get: layout({
    values: [
      [0, 4],
      [1, 4],
    ],
  }),
  fd_fdstat_get: layout({ values: [[1, Fdstat.SIZE]] }),
  fd_filestat_get: layout({ values: [[1, Filestat.SIZE]] }),
  fd_pread: layout({ values: [[4, 4]], vector: [1, 2], output: { kind: "vector", used: 4 } }),
  fd_prestat_dir_name: layout({ output: { kind: "filled", at: 1, length: 2 } }),
  fd_prestat_get: layout({ values: [[1, Prestat.SIZE]] }),
  fd_pwrite: layout({ values: [[4, 4]], vector: [1, 2], sent: 4 }),
  fd_read: layout({ values: [[3, 4]], vector: [1, 2], output: { kind: "vector", used: 3 } }),
  fd_readdir: layout({ values: [[4, 4]], output: { kind: "used", at: 1, used: 4, length: 2 } }),
  fd_seek: layout({ values: [[3, 8]] }),
  fd_tell: layout({ values: [[1, 8]] }),
  fd_write: layout({ values: [[3, 4]], vector: [1, 2], sent: 3 }),
  path_create_directory: layout({ inputs: [path(1)] }),
  path_filestat_get: layout({ values: [[4, Filestat.SIZE]], inputs: [path(2)] }),
  path_filestat_set_times: layout({ inputs: [path(2)] }),
  path_link: layout({ inputs: [path(2), path(5)] }),
  path_open: layout({ values: [[8, 4]], inputs: [path(2)] }),
  path_readlink: layout({ values: [[5, 4]], inputs: [path(1)], output: { kind: "used", at: 3, used: 5 } }),
  path_remove_directory: layout({ inputs: [path(1)] }),
  path_rename: layout({ inputs: [path(1), path(4)] }),
  path_symlink: layout({ inputs: [path(0), path(3)] }),
  path_unlink_file: layout({ inputs: [path(1)] }),
  poll_oneoff: layout({
    values: [[3, 4]],
    inputs: [{ kind: "subscriptions", at: 0, count: 2 }],
    output: { kind: "events", subscriptions: 0, events: 1, subscribed: 2, count: 3 },
  }),
  random_get: layout({ output: { kind: "filled", at: 0, length: 1 } }),
  sock_accept: layout({ values: [[2, 4]] }),
  sock_bind: layout({ inputs: [{ kind: "address", at: 1 }] }),
  sock_connect: layout({ inputs: [{ kind: "address", at: 1 }] }),
  sock_getlocaladdr: layout({
    values: [
      [2, 4],
      [3, 4],
    ],
    address: 1,
  }),
  sock_getpeeraddr: layout({
    values: [
      [2, 4],
      [3, 4],
    ],
    address: 1,
  }),
  sock_getsockopt: layout({ values: [[4, 4]], output: { kind: "used", at: 3, used: 4 } }),
  sock_open: layout({ values: [[2, 4]] }),
  sock_recv: layout({
    values: [
      [4, 4],
      [5, 2],
    ],
    vector: [1, 2],
    output: { kind: "vector", used: 4 },
  }),
  sock_recv_from: layout({
    values: [
      [5, 4],
      [6, 4],
      [7, 2],
    ],
    vector: [1, 2],
    output: { kind: "vector", used: 6 },
    address: 3,
  }),
  sock_send: layout({ values: [[4, 4]], vector: [1, 2], sent: 4 }),
  sock_send_to: layout({ values: [[6, 4]], inputs: [{ kind: "address", at: 3 }], vector: [1, 2], sent: 6 }),
  sock_setsockopt: layout({ inputs: [{ kind: "bytes", at: 3, length: 4, max: OPTION_MAX }] }),
};

/** WasmEdge's first signatures, which have a parameter less: by name and number of parameters. */
const SHORTER: Readonly<Record<string, CallLayout>> = {
  "sock_accept 2": layout({ values: [[1, 4]] }),
  "sock_getlocaladdr 3": layout({ values: [[2, 4]], address: 1 }),
  "sock_getpeeraddr 3": layout({ values: [[2, 4]], address: 1 }),
  "sock_recv_from 7": layout({
    values: [
      [5, 4],
      [6, 2],
    ],
    vector: [1, 2],
    output: { kind: "vector", used: 5 },
    address: 3,
  }),
};

/** The layout of a call with so many parameters. */
export function layoutOf(name: string, parameters: number): CallLayout {
  return SHORTER[`${name} ${parameters}`] ?? LAYOUTS[name] ?? NOTHING;
}

/** Calls with a second signature, whose layout depends on the number of parameters. */
export const VARIED: ReadonlySet<string> = new Set(Object.keys(SHORTER).map((key) => key.split(" ")[0] ?? ""));

function layout(parts: Parts): CallLayout {
  const { values = [], inputs = [], output, vector, sent, address } = parts;
  const addresses = [...values.map(([parameter]) => parameter), ...inputs.map(({ at }) => at)];
  if (vector !== undefined) addresses.push(vector[0]);
  if (address !== undefined) addresses.push(address);
  if (output?.kind === "used" || output?.kind === "filled") addresses.push(output.at);
  if (output?.kind === "events") addresses.push(output.events);
  if (output?.kind === "strings") addresses.push(output.addresses, output.strings);
  const pointers = addresses.reduce((bits, parameter) => bits | (1 << parameter), 0);
  return { values, inputs, output, vector, sent, address, pointers };
}
