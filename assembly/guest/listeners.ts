/**
 * Owns the search for the sockets that the host has opened for the guest: by looking at each descriptor, and by
 * LISTEN_FDS and LISTEN_FDNAMES, as sd_listen_fds(3) has them. Knows the host's calls; knows no channel.
 */

import { State } from "../engine/channels";
import { ERRNO_AGAIN } from "../wasi/errno";
import { FileType } from "../wasi/preview1";
import { PROFILE, Profile } from "../wasi/profile";
import { acceptConnection, closeDescriptor, descriptorType } from "../wasi/system";
import { environmentVariable } from "./environment";
import { exitWith } from "./messages";
import { Socket } from "./socket";

/** The first descriptor that is not standard input, output or error. */
const FIRST: i32 = 3;
/** How many descriptors are looked at. */
const DESCRIPTORS: i32 = 64;

/** The sockets that the host has opened, in order of descriptors, with their names; not those taken already. */
export function listeners(): Socket[] {
  if (found === null) found = search();
  return found!;
}

/**
 * Takes one of {@link listeners}: the one with this name, or the first. Where there is none, says which descriptors were
 * looked at and how each runtime passes one, and ends the program with status 1.
 */
export function takeListener(name: string = ""): Socket {
  const all = listeners();
  for (let i = 0; i < all.length; i++) {
    if (name.length == 0 || all[i].name == name) return all.splice(i, 1)[0];
  }
  exitWith(explain(name));
  return new Socket(-1, "", "", State.IDLE);
}

let found: Socket[] | null = null;

function search(): Socket[] {
  const sockets = new Array<Socket>();
  for (let fd = FIRST; fd < DESCRIPTORS; fd++) {
    if (isSocket(fd)) sockets.push(Socket.fromDescriptor(fd));
  }
  // Some runtimes pass the listener as descriptor 0. Others have a plain socket there, which does not accept.
  if (sockets.length == 0 && isSocket(0)) {
    const socket = Socket.fromDescriptor(0);
    const accepted = acceptConnection(0);
    if (accepted >= 0) closeDescriptor(accepted);
    if (accepted >= 0 || accepted == -ERRNO_AGAIN) sockets.push(socket);
  }
  nameThem(sockets);
  return sockets;
}

function isSocket(fd: i32): bool {
  const type = descriptorType(fd);
  return type == FileType.SOCKET_STREAM || type == FileType.SOCKET_DGRAM;
}

/** The names are those of the first so many sockets; without a count, of as many as there are names. */
function nameThem(sockets: Socket[]): void {
  const names = environmentVariable("LISTEN_FDNAMES");
  const count = environmentVariable("LISTEN_FDS");
  if (count !== null) {
    const given = i32(parseInt(count));
    if (given > 0 && given < sockets.length) sockets.length = given;
  }
  if (names === null) return;
  const list = names.split(":");
  for (let i = 0; i < sockets.length && i < list.length; i++) sockets[i].name = list[i];
}

function explain(name: string): string {
  let text = "no listening socket" + (name.length > 0 ? ` named "${name}"` : "");
  text += `: looked at the descriptors 0 to ${DESCRIPTORS - 1}, of which`;
  let open = "";
  for (let fd = 0; fd < DESCRIPTORS; fd++) {
    const type = descriptorType(fd);
    if (type < 0) continue;
    if (open.length > 0) open += ", ";
    open += fd.toString();
    if (type == FileType.SOCKET_STREAM || type == FileType.SOCKET_DGRAM) open += " (socket)";
    if (type == FileType.DIRECTORY) open += " (directory)";
  }
  text += open.length > 0 ? ` these are open: ${open}.` : " none is open.";
  text += " Pass one with:\n";
  text += "  wasyncore run app.wasm --listen 127.0.0.1:8080\n";
  text += "  wasmtime run -S preview2=n -S tcplisten=127.0.0.1:8080 app.wasm    (wasmtime 36 to 46)\n";
  text += "  wazero run -listen=127.0.0.1:8080 app.wasm\n";
  text += "  wasmi app.wasm --tcplisten 127.0.0.1:8080\n";
  if (PROFILE == Profile.PREVIEW1) {
    text += "WasmEdge and WAMR have the program open its own: wasyncore build --profile preview1+sockets";
  } else {
    text += "or open one in the program: createSocket, bind, listen";
  }
  return text;
}
