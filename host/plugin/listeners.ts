/**
 * Owns the listening sockets of a plugin: opened before it starts, kept open over its restarts and replacements, so that no
 * connection is refused meanwhile. Each run is lent duplicates. Knows sockets; knows no run.
 */

import { rmSync } from "node:fs";
import type { Backend, SocketAddress } from "../backend/backend.js";
import { OSError } from "../backend/errors.js";
import { addressText, openListener } from "../net/listen.js";
import type { Socket } from "../net/socket.js";
import type { ListenGrant } from "./policy/types.js";

/** Duplicates that are lent to a run. */
export type LentListeners = readonly { readonly fd: number; readonly name: string | undefined }[];

interface Open {
  readonly key: string;
  readonly socket: Socket;
  readonly name: string | undefined;
  /** The file of a Unix socket, which is removed with it. */
  readonly path: string | undefined;
}

/** A listening socket, as a snapshot shows it. */
export interface ListenerSnapshot {
  readonly name: string | undefined;
  /** The address that it has got: with the port, where 0 was requested. */
  readonly address: SocketAddress;
}

/** @internal */
export class Listeners {
  readonly #backend: Backend;
  #open: readonly Open[] = [];

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  get addresses(): readonly ListenerSnapshot[] {
    return this.#open.map(({ socket, name }) => ({ name, address: socket.localAddress() }));
  }

  /**
   * Opens those that are not open yet, and keeps those with the same address.
   * @returns what makes them the plugin's, or closes those that were opened
   * @throws OSError: EADDRINUSE, EACCES, ...; then nothing has changed
   */
  prepare(grants: readonly ListenGrant[]): { commit: () => void; rollBack: () => void; lend: () => LentListeners } {
    const kept = [...this.#open];
    const opened: Open[] = [];
    const next: Open[] = [];
    const rollBack = (): void => {
      for (const each of opened) close(each);
    };
    try {
      for (const { address, name, backlog } of grants) {
        const key = addressText(address);
        // Port 0 is kept by what was requested, and can be named by what it has become.
        const index = kept.findIndex((each) => each.key === key || addressText(each.socket.localAddress()) === key);
        const [before] = index < 0 ? [] : kept.splice(index, 1);
        const socket = before?.socket ?? openListener(address, this.#backend);
        const { path } = address;
        const each = { key, socket, name, path: path?.startsWith("\0") === true ? undefined : path };
        if (before === undefined) opened.push(each);
        next.push(each);
        socket.listen(backlog);
      }
    } catch (error) {
      rollBack();
      throw error;
    }
    return {
      rollBack,
      lend: () => this.#lend(next),
      commit: () => {
        this.#open = next;
        for (const each of kept) close(each);
      },
    };
  }

  /** Duplicates for a run. @throws OSError where there is no descriptor left */
  lend(): LentListeners {
    return this.#lend(this.#open);
  }

  /** The run that they were lent to has ended. */
  giveBack(lent: LentListeners): void {
    for (const { fd } of lent) this.#backend.close(fd);
  }

  close(): void {
    for (const each of this.#open) close(each);
    this.#open = [];
  }

  #lend(open: readonly Open[]): LentListeners {
    const lent: { fd: number; name: string | undefined }[] = [];
    for (const { socket, name } of open) {
      const fd = this.#backend.duplicate(socket.fd);
      if (fd < 0) {
        this.giveBack(lent);
        throw new OSError(this.#backend.errorCode(fd), { errno: fd, syscall: "fcntl" });
      }
      lent.push({ fd, name });
    }
    return lent;
  }
}

function close({ socket, path }: Open): void {
  socket.close();
  if (path !== undefined) rmSync(path, { force: true });
}
