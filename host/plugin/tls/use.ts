/**
 * Owns what the TLS of one plugin amounts to: counts, the memory that its relays hold, and what its host is notified of, at
 * most once a second for each kind. Knows no socket.
 */

import { performance } from "node:perf_hooks";
import type { SocketAddress } from "../../backend/backend.js";
import type { PolicyEvent } from "../policy/account.js";
import { TIMER_MAX_MS } from "../policy/timer.js";
import type { Limits } from "../policy/types.js";
import type { MaterialHooks } from "./material.js";
import type { Relay } from "./relay.js";
import { RelayMemory } from "./relay-memory.js";

/** What has happened with the TLS of a plugin. */
export interface TlsEvent {
  readonly plugin: string;
  /** Of its policy: "listen[0].tls", "connect[1].tls". */
  readonly field: string;
  /**
   * "handshake": a peer's handshake has failed, or took too long. "connect": a connection of the plugin's could not be made,
   * or its server was not accepted. "accept": the process has no descriptor or memory left for a connection. "reload": changed
   * files are in use. "reload-failed": they cannot be used, and those before them stay in use.
   */
  readonly kind: "handshake" | "connect" | "accept" | "reload" | "reload-failed";
  /** Of Node or OpenSSL: "ERR_SSL_HTTP_REQUEST", "ERR_TLS_HANDSHAKE_TIMEOUT", "ECONNREFUSED". */
  readonly code: string | undefined;
  readonly message: string;
  /** The peer. */
  readonly address: SocketAddress | undefined;
  /** How many of this kind the event reports: those before were within a second of another event. */
  readonly count: number;
}

/** The TLS of a plugin at one moment. Counts are of all its runs since it was started. */
export interface TlsSnapshot {
  /** In the middle of their handshake. */
  readonly handshaking: number;
  /** Open after their handshake, both ways; those that wait to be accepted by the plugin included. */
  readonly connections: number;
  /** Handshakes that have succeeded. */
  readonly handshakes: number;
  /** Handshakes, and connections to be made, that have failed. */
  readonly failures: number;
  /** How often changed certificates were put in use. */
  readonly reloads: number;
  /** Bytes that the host holds for them; part of `hostBytes`. */
  readonly heldBytes: number;
}

type TlsLimits = Pick<Limits, "maxConnections" | "maxHostBytes">;

export interface TlsHooks {
  readonly onTls: (event: TlsEvent) => void;
  readonly onPolicyEvent: (event: PolicyEvent) => void;
}

/** Connections that wait to be accepted, of a listening socket. */
export const QUEUE_MAX = 128;
const EVENT_INTERVAL_MS = 1000;

export class TlsUse {
  readonly memory: RelayMemory;
  readonly relays = new Set<Relay>();
  /** Is nothing to follow? Then peers are not waited for once they have got everything. */
  isEnding = false;
  handshaking = 0;
  handshakes = 0;
  failures = 0;
  reloads = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #checks = new Set<() => void>();
  #relaysMax: number;
  readonly #byGuest = new Map<number, Relay>();
  readonly #plugin: string;
  readonly #hooks: TlsHooks;
  readonly #reports = new Map<string, { atMs: number; suppressed: number }>();

  constructor(plugin: string, limits: TlsLimits, hooks: TlsHooks) {
    this.#plugin = plugin;
    this.#hooks = hooks;
    this.#relaysMax = relaysMaxOf(limits);
    this.memory = new RelayMemory(limits.maxHostBytes, (value) => {
      const count = this.#due("maxHostBytes");
      if (count > 0) hooks.onPolicyEvent({ plugin, limit: "maxHostBytes", value, count });
    });
  }

  /** A connection whose guest's end is this descriptor of the process. */
  add(relay: Relay, guestFd: number): void {
    this.relays.add(relay);
    this.#byGuest.set(guestFd, relay);
  }

  remove(relay: Relay, guestFd: number): void {
    const hadRoom = this.hasRoom;
    this.relays.delete(relay);
    if (!hadRoom) this.#tellRoom();
    // The number may be that of another connection by now.
    if (this.#byGuest.get(guestFd) === relay) this.#byGuest.delete(guestFd);
    if (this.relays.size > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** A run has ended without closing this descriptor: the connection that it is an end of is reset. */
  reset(guestFd: number): void {
    this.#byGuest.get(guestFd)?.resetByGuest();
  }

  /** Resolves when no connection is left: when the guests have closed them, and what they have sent is with the peers. */
  async end(timeoutMs: number): Promise<void> {
    this.isEnding = true;
    const relays = [...this.relays];
    for (const relay of relays) {
      if (timeoutMs > 0) relay.endIfFlushed();
      else relay.end();
    }
    if (this.relays.size === 0) return;
    const timer = setTimeout(
      () => {
        for (const relay of [...this.relays]) relay.end();
      },
      Math.min(Math.max(0, timeoutMs), TIMER_MAX_MS),
    );
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    clearTimeout(timer);
  }

  set limits(limits: TlsLimits) {
    this.#relaysMax = relaysMaxOf(limits);
    this.memory.limit = limits.maxHostBytes;
    this.#tellRoom();
  }

  /** May there be one more connection? Those that a guest has closed are the host's until their peers have everything. */
  get hasRoom(): boolean {
    return this.relays.size < this.#relaysMax;
  }

  /** Calls `check` when there may be room again. @returns what ends that */
  onRoom(check: () => void): () => void {
    this.#checks.add(check);
    return () => this.#checks.delete(check);
  }

  get snapshot(): TlsSnapshot {
    const { handshaking, handshakes, failures, reloads, relays, memory } = this;
    return { handshaking, connections: relays.size, handshakes, failures, reloads, heldBytes: memory.held };
  }

  materialHooks(field: string): MaterialHooks {
    return {
      onReload: () => {
        this.reloads++;
        this.report(field, "reload", { message: "changed certificates are in use" });
      },
      onFailure: (error) => this.report(field, "reload-failed", error),
    };
  }

  /** A handshake, or a connection to be made, has failed. */
  failed(field: string, kind: "handshake" | "connect", error: unknown, address?: SocketAddress): void {
    this.failures++;
    this.report(field, kind, error, address);
  }

  report(field: string, kind: TlsEvent["kind"], error: unknown, address?: SocketAddress): void {
    const count = this.#due(`${kind} ${field}`);
    if (count === 0) return;
    const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
    this.#hooks.onTls({
      ...{ plugin: this.#plugin, field, kind, address, count },
      code: typeof code === "string" ? code : undefined,
      // OpenSSL's text ends with a newline.
      message: typeof message === "string" ? message.trim() : "",
    });
  }

  #tellRoom(): void {
    for (const check of this.#checks) check();
  }

  /** How many an event is to report now; 0 where there is to be none. */
  #due(key: string): number {
    const nowMs = performance.now();
    const report = this.#reports.get(key);
    if (report !== undefined && nowMs - report.atMs < EVENT_INTERVAL_MS) {
      report.suppressed++;
      return 0;
    }
    this.#reports.set(key, { atMs: nowMs, suppressed: 0 });
    return 1 + (report?.suppressed ?? 0);
  }
}

/** What the guest has open, as many that it has closed, and a queue of those that it is to accept. */
function relaysMaxOf({ maxConnections }: TlsLimits): number {
  return 2 * maxConnections + QUEUE_MAX;
}
