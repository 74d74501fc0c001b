/**
 * Owns the listening sockets of a program on Node: those that its parent process has opened, listed in LISTEN_FDS as
 * sd_listen_fds(3) has it, and those that it opens where the environment variable LISTEN, or it itself, says. Knows
 * sockets; knows no channel.
 */

import { checkString } from "../backend/check.js";
import { OSError } from "../backend/errors.js";
import { writeLog } from "../backend/log.js";
import { addressText, openListener, parseAddress, splitName } from "../net/listen.js";
import { Socket } from "../net/socket.js";

/** SD_LISTEN_FDS_START. */
const FIRST = 3;

/** Errors of a descriptor that is no socket, or none of a kind that this package has. */
const NO_SOCKET: ReadonlySet<string> = new Set(["ENOTSOCK", "EAFNOSUPPORT"]);

/** A socket that a program was given, and what it is called: "" where it has no name. */
export type PassedSocket = Socket & { readonly name: string };

let passed: PassedSocket[] | undefined;

/** The sockets that were passed to this process, in order of descriptors; not those taken already. */
export function listeners(): PassedSocket[] {
  passed ??= adopt(process.env);
  return [...passed];
}

/**
 * Takes one of {@link listeners}: the one with this name, or the first. Where there is none, listens on an address, and
 * says on standard error where.
 * @param name what LISTEN_FDNAMES, or LISTEN, calls it
 * @param address where to listen unless the environment variable LISTEN says something else: "HOST:PORT", "[HOST]:PORT",
 * or a path with a slash in it. LISTEN may name several: "web=127.0.0.1:8080,admin=[::1]:8081"
 * @throws Error ERR_NO_LISTENER where there is neither; RangeError for what is no address; OSError where listening fails.
 * A guest says so, and ends with status 1
 */
export function takeListener(name = "", address = ""): PassedSocket {
  checkString("name", name);
  checkString("address", address);
  passed ??= adopt(process.env);
  const index = passed.findIndex((each) => name === "" || each.name === name);
  const [taken] = index < 0 ? [] : passed.splice(index, 1);
  return taken ?? open(name, address);
}

/** Takes over the descriptors that are meant for this process. */
function adopt({ LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: names }: NodeJS.ProcessEnv): PassedSocket[] {
  if (pid !== String(process.pid) || count === undefined || !/^\d+$/.test(count)) return [];
  const named = names?.split(":") ?? [];
  const sockets: PassedSocket[] = [];
  for (let index = 0; index < Number(count); index++) {
    const socket = socketOn(FIRST + index);
    if (socket !== undefined) sockets.push(Object.assign(socket, { name: named[index] ?? "" }));
  }
  return sockets;
}

/** Files may be passed as well. */
function socketOn(fd: number): Socket | undefined {
  try {
    return Socket.fromDescriptor(fd);
  } catch (error) {
    if (error instanceof OSError && NO_SOCKET.has(error.code)) return undefined;
    throw error;
  }
}

function open(name: string, fallback: string): PassedSocket {
  const listed = process.env["LISTEN"];
  const text = listed === undefined ? fallback : addressFor(name, listed);
  if (text === "") throw Object.assign(new Error(missing(name)), { code: "ERR_NO_LISTENER" });
  const address = parseAddress(text);
  if (address === undefined) {
    const source = listed === undefined ? `"address"` : "the environment variable LISTEN";
    throw Object.assign(new RangeError(`${source} must be HOST:PORT, [HOST]:PORT or a path, got ${text}`), {
      code: "ERR_OUT_OF_RANGE",
    });
  }
  const socket = openListener(address);
  const bound = addressText(socket.localAddress());
  // A host that listens there already says so itself.
  if (process.env["LISTEN_OPEN"] === undefined) writeLog("listening", bound, "stderr", `listening on ${bound}`);
  return Object.assign(socket, { name });
}

/** Of "web=127.0.0.1:80,admin=[::1]:81" the address with this name; of an entry without a name, any. "" is none. */
function addressFor(name: string, listed: string): string {
  for (const entry of listed.split(",")) {
    const [entryName, address] = splitName(entry);
    if (entryName === undefined || name === "" || entryName === name) return address;
  }
  return "";
}

function missing(name: string): string {
  const named = name === "" ? "" : ` named ${name}`;
  return `no listening socket${named}: none was passed by LISTEN_FDS, and no address was given. LISTEN=127.0.0.1:8080 in the environment gives one`;
}
