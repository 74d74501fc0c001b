/**
 * Owns the listening sockets of a plugin: opened before it starts, kept open over its restarts and replacements, so that no
 * connection is refused meanwhile. Runs are lent the descriptors, and never close them. Knows sockets; knows no run.
 */

import { lstatSync, rmSync, type Stats } from "node:fs";
import { resolve } from "node:path";
import type { Backend, SocketAddress } from "../backend/backend.js";
import { addressText, openListener } from "../net/listen.js";
import type { Socket } from "../net/socket.js";
import type { InheritedSockets } from "./inherited.js";
import type { ListenGrant } from "./policy/types.js";
import type { LentTls } from "./tls/guest-sockets.js";
import { TlsListener, TlsSettings } from "./tls/listener.js";
import type { TlsUse } from "./tls/use.js";

/** What a run is lent. With TLS it is not the socket itself, but the queue of connections after their handshake. */
export type LentListeners = readonly {
  readonly fd: number;
  readonly name: string | undefined;
  readonly tls?: LentTls | undefined;
}[];

interface Open {
  readonly key: string;
  readonly socket: Socket;
  readonly name: string | undefined;
  /** The file of a Unix socket, which is removed with it: if it is still the same one. */
  readonly path: string | undefined;
  readonly file: Stats | undefined;
  readonly backlog: number;
  readonly tls: { readonly listener: TlsListener; readonly settings: TlsSettings } | undefined;
  /** Was it open when the process started? It is given back then, and not closed. */
  readonly isInherited: boolean;
}

/** A listening socket, as a snapshot shows it. */
export interface ListenerSnapshot {
  readonly name: string | undefined;
  /** The address that it has got: with the port, where 0 was requested. */
  readonly address: SocketAddress;
  /** Does the host terminate TLS on it? */
  readonly tls: boolean;
}

/** @internal */
export class Listeners {
  readonly #backend: Backend;
  readonly #use: TlsUse;
  readonly #inherited: InheritedSockets | undefined;
  #open: readonly Open[] = [];

  constructor(backend: Backend, use: TlsUse, inherited?: InheritedSockets) {
    this.#backend = backend;
    this.#use = use;
    this.#inherited = inherited;
  }

  get addresses(): readonly ListenerSnapshot[] {
    return this.#open.map(({ socket, name, tls }) => ({
      name,
      address: socket.localAddress(),
      tls: tls !== undefined,
    }));
  }

  /**
   * Opens those that are not open yet, and keeps those with the same address.
   * @returns what makes them the plugin's, or closes those that were opened. `commit` returns what closes those that the plugin
   *   does not have any more: to be called when no run has them.
   * @throws OSError: EADDRINUSE, EACCES, ...; PluginError ERR_PLUGIN_TLS; then nothing has changed
   */
  prepare(grants: readonly ListenGrant[]): {
    commit: () => () => void;
    rollBack: () => void;
    lend: () => LentListeners;
  } {
    const kept = [...this.#open];
    const opened: Open[] = [];
    const next: Open[] = [];
    /** TLS that a socket has in the place of what it had before. */
    const changed: (() => void)[] = [];
    const obsolete: TlsListener[] = [];
    const rollBack = (): void => {
      for (const each of opened) this.#close(each);
      for (const undo of changed) undo();
    };
    try {
      for (const [number, { address, name, backlog, tls: grant }] of grants.entries()) {
        const key = addressText(address);
        // Port 0 is kept by what was requested, and can be named by what it has become.
        const same = kept.findIndex((each) => each.key === key || addressText(each.socket.localAddress()) === key);
        // An inherited one is found by its name as well.
        const isNamesake = (each: Open): boolean => each.isInherited && name !== undefined && each.name === name;
        const index = same < 0 ? kept.findIndex(isNamesake) : same;
        const [before] = index < 0 ? [] : kept.splice(index, 1);
        const settings = grant === undefined ? undefined : new TlsSettings(`listen[${number}].tls`, grant, this.#use);
        if (settings !== undefined) changed.push(() => settings.close());
        const given = before === undefined ? this.#inherited?.lend(address, name) : undefined;
        const socket = before?.socket ?? given ?? openListener(address, this.#backend);
        const isInherited = before?.isInherited ?? given !== undefined;
        const isFile = !isInherited && address.path !== undefined && !address.path.startsWith("\0");
        // The working directory may change before the file is removed.
        const path = isFile ? resolve(address.path) : undefined;
        const file = before?.file ?? (path === undefined ? undefined : lstatSync(path, { throwIfNoEntry: false }));
        const plain: Open = { key, socket, name, path, file, backlog, isInherited, tls: undefined };
        if (before === undefined) opened.push(plain);
        let listener = settings === undefined ? undefined : before?.tls?.listener;
        if (settings !== undefined && listener === undefined) {
          const made = new TlsListener(this.#backend, socket, settings, this.#use);
          changed.push(() => made.close());
          listener = made;
        } else if (before?.tls !== undefined && listener === undefined) {
          obsolete.push(before.tls.listener);
        }
        next.push(settings === undefined || listener === undefined ? plain : { ...plain, tls: { settings, listener } });
        // Whoever has opened it has chosen its backlog.
        if (!isInherited) socket.listen(backlog);
      }
    } catch (error) {
      rollBack();
      throw error;
    }
    return {
      rollBack,
      lend: () => lent(next),
      commit: () => {
        this.#open = next;
        for (const each of obsolete) each.pause();
        for (const { tls, socket, backlog } of next) tls?.listener.open(socket, tls.settings, backlog);
        return () => {
          for (const each of kept) this.#close(each);
          for (const each of obsolete) each.close();
        };
      },
    };
  }

  /** For a run. */
  lend(): LentListeners {
    return lent(this.#open);
  }

  close(): void {
    for (const each of this.#open) this.#close(each);
    this.#open = [];
  }

  #close({ socket, path, file, isInherited, tls }: Open): void {
    tls?.listener.close();
    if (isInherited) return this.#inherited?.giveBack(socket);
    socket.close();
    if (path === undefined || file === undefined) return;
    // Somebody may have put another file there, or another directory on the way.
    const now = lstatSync(path, { throwIfNoEntry: false });
    if (now?.ino === file.ino && now.dev === file.dev) rmSync(path, { force: true });
  }
}

function lent(open: readonly Open[]): LentListeners {
  return open.map(({ socket, name, tls }) => ({ fd: socket.fd, name, ...tls?.listener.lent }));
}
