/**
 * Owns listening sockets that were open when the process started, as systemd passes them: sd_listen_fds(3). Plugins take them
 * in place of opening their own, and give them back. Knows sockets; knows no plugin.
 */

import type { Backend, SocketAddress } from "../backend/backend.js";
import { OSError } from "../backend/errors.js";
import { defaultBackend } from "../net/default-backend.js";
import { addressText } from "../net/listen.js";
import { Socket } from "../net/socket.js";

const FIRST_FD = 3;
const FDS_MAX = 4096;
/** SOL_SOCKET and SO_ACCEPTCONN of Linux, the only system that has systemd. */
const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;

/** A socket that the process was started with. */
export interface InheritedSocketInfo {
  readonly fd: number;
  /** From LISTEN_FDNAMES. */
  readonly name: string;
  /** Undefined for what is no listening socket. */
  readonly address: SocketAddress | undefined;
  /** Has a plugin taken it? */
  readonly isTaken: boolean;
}

interface Inherited {
  readonly fd: number;
  readonly name: string;
  readonly address: SocketAddress | undefined;
  readonly socket: Socket | undefined;
  isTaken: boolean;
}

/**
 * The listening sockets that the process was started with: systemd's socket activation, LISTEN_FDS. A plugin gets the one that
 * has the address of its `listen` entry, or else the name. It is never closed while the process runs, so that connections
 * wait for the next process where this one ends.
 *
 * ```ts
 * import { InheritedSockets, PluginHost } from "wasyncore/plugin";
 *
 * await using host = new PluginHost({ inherited: InheritedSockets.take() });
 * await host.start("./echo.wasm", { listen: ["web=0.0.0.0:8080"] });
 * ```
 */
export class InheritedSockets {
  readonly #sockets: readonly Inherited[];

  private constructor(sockets: readonly Inherited[]) {
    this.#sockets = sockets;
  }

  /**
   * Takes them over. They are the descriptors from 3 on, as many as LISTEN_FDS says, if LISTEN_PID is this process. The
   * variables are removed: the descriptors are not those of another process that this one starts.
   */
  static take(env: NodeJS.ProcessEnv = process.env): InheritedSockets {
    const count = Number(env["LISTEN_FDS"]);
    const names = (env["LISTEN_FDNAMES"] ?? "").split(":");
    const isForThis = env["LISTEN_PID"] === String(process.pid);
    for (const name of ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]) delete env[name];
    if (!isForThis || !Number.isInteger(count) || count < 1 || count > FDS_MAX) return new InheritedSockets([]);
    const backend = defaultBackend();
    const sockets = Array.from({ length: count }, (_, index): Inherited => {
      const fd = FIRST_FD + index;
      const socket = listening(fd, backend);
      const address = socket?.localAddress();
      return { fd, name: names[index] || "unknown", address, socket, isTaken: false };
    });
    return new InheritedSockets(sockets);
  }

  /** All of them. */
  get list(): readonly InheritedSocketInfo[] {
    return this.#sockets.map(({ fd, name, address, isTaken }) => ({ fd, name, address, isTaken }));
  }

  /** The one for a `listen` entry. @internal */
  lend(address: SocketAddress, name: string | undefined): Socket | undefined {
    const text = addressText(address);
    const free = this.#sockets.filter((each) => !each.isTaken && each.address !== undefined);
    const found =
      free.find((each) => each.address !== undefined && addressText(each.address) === text) ??
      free.find((each) => name !== undefined && each.name === name);
    if (found === undefined) return undefined;
    found.isTaken = true;
    return found.socket;
  }

  /** @internal */
  giveBack(socket: Socket): void {
    for (const each of this.#sockets) if (each.socket === socket) each.isTaken = false;
  }
}

/** The descriptor as a socket, if it is one that listens. */
function listening(fd: number, backend: Backend): Socket | undefined {
  let socket: Socket;
  try {
    socket = Socket.fromDescriptor(fd, backend);
  } catch (error) {
    if (error instanceof OSError) return undefined;
    throw error;
  }
  const isListening = socket.type === "stream" && socket.getRawOption(SOL_SOCKET, SO_ACCEPTCONN)[0] === 1;
  if (isListening) return socket;
  // It stays open: whose it is, is not known.
  socket.detach();
  return undefined;
}
