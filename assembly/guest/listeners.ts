/**
 * Owns the search for the sockets that the host has opened for the guest: by looking at each descriptor, and by
 * LISTEN_FDS and LISTEN_FDNAMES, as sd_listen_fds(3) has them. Knows the host's calls; knows no channel.
 */

import { State } from "../engine/channels";
import { ERRNO_AGAIN } from "../shared/errno";
import { Filetype } from "../wasi/preview1";
import { PROFILE, Profile } from "../wasi/profile";
import { acceptConnection, closeDescriptor, descriptorType, findVariable } from "../wasi/system";
import { ascii, asciiAt } from "./ascii";
import { newStaticArray } from "./memory";
import { decimal, exitWith } from "./messages";
import { openListener } from "./open-listener";
import { Socket } from "./socket";

/** The first descriptor that is not standard input, output or error. */
const FIRST: i32 = 3;
/** How many descriptors are looked at. */
const DESCRIPTORS: i32 = 64;

/** The sockets that the host has opened, by descriptor, with their names; null where there is none. */
const found = newStaticArray<Socket | null>(DESCRIPTORS);
let searched: bool = false;

/** The sockets that the host has opened, in order of descriptors, with their names; not those taken already. */
export function listeners(): Socket[] {
  search();
  const sockets = new Array<Socket>();
  for (let fd = 0; fd < DESCRIPTORS; fd++) {
    const socket = unchecked(found[fd]);
    if (socket !== null) sockets.push(socket);
  }
  return sockets;
}

/**
 * Takes one of {@link listeners}: the one with this name, or the first. Where there is none, says which descriptors were
 * looked at and how each runtime passes one, and ends the program with status 1.
 *
 * @param address where a program that is to open its own (a component, or preview1+sockets) listens, unless the
 * environment variable LISTEN says something else: "HOST:PORT", "[HOST]:PORT"; "" is nowhere
 */
export function takeListener(name: string = "", address: string = ""): Socket {
  search();
  for (let fd = 0; fd < DESCRIPTORS; fd++) {
    const socket = unchecked(found[fd]);
    if (socket === null || (name.length > 0 && socket.name != name)) continue;
    unchecked((found[fd] = null));
    return socket;
  }
  if (PROFILE != Profile.PREVIEW1) {
    const opened = openListener(name, address);
    if (opened !== null) return opened;
  }
  exitWith(explain(name));
  return new Socket(-1, "", "", State.IDLE);
}

function search(): void {
  if (searched) return;
  searched = true;
  let count = 0;
  for (let fd = FIRST; fd < DESCRIPTORS; fd++) {
    if (!isSocket(fd)) continue;
    unchecked((found[fd] = Socket.fromDescriptor(fd)));
    count += 1;
  }
  if (count == 0) searchStandardInput();
  nameThem();
}

/** Some runtimes pass the listener as descriptor 0. Others have a plain socket there, which does not accept. */
function searchStandardInput(): void {
  if (!isSocket(0)) return;
  const socket = Socket.fromDescriptor(0);
  const accepted = acceptConnection(0);
  if (accepted >= 0) closeDescriptor(accepted);
  if (accepted >= 0 || accepted == -ERRNO_AGAIN) unchecked((found[0] = socket));
}

function isSocket(fd: i32): bool {
  const type = descriptorType(fd);
  return type == Filetype.SOCKET_STREAM || type == Filetype.SOCKET_DGRAM;
}

const ZERO: u8 = 48;
const COLON: u8 = 58;

/** LISTEN_FDS says of how many sockets it speaks, LISTEN_FDNAMES how they are called: "web:admin". */
function nameThem(): void {
  let count = DESCRIPTORS;
  let at = findVariable(ascii("LISTEN_FDS"));
  if (at != 0) {
    count = 0;
    for (; load<u8>(at) != 0; at++) count = count * 10 + i32(load<u8>(at) - ZERO);
  }
  at = findVariable(ascii("LISTEN_FDNAMES"));
  for (let fd = 0; fd < DESCRIPTORS; fd++) {
    const socket = unchecked(found[fd]);
    if (socket === null) continue;
    if (count-- <= 0) unchecked((found[fd] = null));
    if (at == 0) continue;
    const start = at;
    while (load<u8>(at) != 0 && load<u8>(at) != COLON) at += 1;
    socket.name = asciiAt(start, i32(at - start));
    if (load<u8>(at) == COLON) at += 1;
  }
}

function explain(name: string): string {
  if (PROFILE == Profile.COMPONENT) return explainToComponent(name);
  let text = ascii("no listening socket");
  if (name.length > 0) text += ascii(" named ") + name;
  text += ascii(" among descriptors 0 to 63; open are");
  for (let fd = 0; fd < DESCRIPTORS; fd++) {
    const type = descriptorType(fd);
    if (type < 0) continue;
    text += " " + decimal(fd);
    if (isSocket(fd)) text += ascii(" (socket)");
    if (type == Filetype.DIRECTORY) text += ascii(" (directory)");
  }
  text += ascii(
    ". Pass:\nwasyncore run APP --listen ADDR\nwasmtime run -S preview2=n -S tcplisten=ADDR APP (36-46)\nwazero run -listen=ADDR APP\nwasmi APP --tcplisten ADDR\n",
  );
  if (PROFILE == Profile.PREVIEW1) {
    return text + ascii("Or --profile component (wasmtime 47), preview1+sockets (WasmEdge)");
  } else {
    return text + ascii("or open one in the program: createSocket, bind, listen");
  }
}

function explainToComponent(name: string): string {
  let text = ascii("no address to listen on");
  if (name.length > 0) text += ascii(" for ") + name;
  return (
    text +
    ascii(
      ". Give one:\n  wasmtime run -S inherit-network --env LISTEN=127.0.0.1:8080 app.wasm\n(of several, --env LISTEN=web=127.0.0.1:8080,admin=[::1]:8081)",
    )
  );
}
