/**
 * Owns what a policy is: {@link Policy}, with every default filled in, and {@link PolicyInput}, as people write it. Types
 * alone; the checks are in the schema.
 *
 * A policy is data: it can be written in a program, on a command line or in a file, and sent to a thread.
 */

import type { SocketAddress } from "../../backend/backend.js";

/** Ports from `from` to `to`, both included: 0 to 65535. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Internet addresses that are allowed. */
export interface HostRule {
  /**
   * A numeric address, a network such as "10.0.0.0/8" or "fd00::/8", a host name, or "*" for every address and every
   * name. A name allows the addresses that the host has found for it, see {@link addresses}.
   */
  readonly host: string;
  /** At least one. */
  readonly ports: readonly PortRange[];
  /** For a name: its numeric addresses. Absent until the host has looked them up; what is written here is not looked up. */
  readonly addresses?: readonly string[] | undefined;
  /** Only in `connect`: the host makes TLS of what is connected to by this rule. */
  readonly tls?: TlsClientGrant | undefined;
  readonly path?: undefined;
}

/** A Unix socket that is allowed: an absolute path, or an abstract name with a leading NUL (written "@name"). */
export interface PathRule {
  readonly path: string;
  readonly host?: undefined;
  readonly ports?: undefined;
  readonly addresses?: undefined;
  readonly tls?: undefined;
}

export type AddressRule = HostRule | PathRule;

/** TLS that the host terminates: the guest reads and writes plain text. */
export interface TlsGrant {
  /** Path of a PEM file with the certificate and its chain, or the PEM text itself. */
  readonly cert: string;
  /** Path of a PEM file with the private key, or the PEM text itself. */
  readonly key: string;
  /** Protocols for ALPN, the preferred one first. */
  readonly alpn: readonly string[];
  /** Path of a PEM file with the authorities of clients' certificates, or the PEM text itself. Default: the well-known ones. */
  readonly ca: string | undefined;
  /** Is a client without a certificate that `ca` has signed refused? */
  readonly requestCert: boolean;
  /** Time for a handshake. */
  readonly handshakeTimeoutMs: number;
}

/** TLS that the host puts on connections that the guest makes: the guest reads and writes plain text. */
export interface TlsClientGrant {
  /** Path of a PEM file with the authorities of the server's certificate, or the PEM text itself. Default: the well-known ones. */
  readonly ca: string | undefined;
  /** The name that the server's certificate has to be for, and that is sent to it (SNI). Default: the host of the rule. */
  readonly servername: string | undefined;
  /** Protocols for ALPN, the preferred one first. */
  readonly alpn: readonly string[];
  /** Is a server refused whose certificate is not trusted? */
  readonly rejectUnauthorized: boolean;
  /** The plugin's own certificate, where the server asks for one: path of a PEM file, or the PEM text itself. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Time to connect and for the handshake. */
  readonly handshakeTimeoutMs: number;
}

/** A listening socket that the host opens and hands over as a descriptor, from 3 on in the order of the list. */
export interface ListenGrant {
  readonly address: SocketAddress;
  /** For LISTEN_FDNAMES: 1 to 255 printable ASCII characters without a colon. */
  readonly name: string | undefined;
  /** How many connections may wait to be accepted. */
  readonly backlog: number;
  readonly tls: TlsGrant | undefined;
}

/** A directory of the host that the guest sees. */
export interface DirGrant {
  /** Its path on the host, absolute. */
  readonly host: string;
  /** Its path for the guest, absolute. */
  readonly guest: string;
  readonly readOnly: boolean;
}

/** What a plugin may use up. Infinity: no limit. */
export interface Limits {
  /** The module's linear memory. At most 4 GiB, which is all that a module can have. */
  readonly maxMemoryBytes: number;
  /**
   * Open descriptors, its listening sockets and directories included, its standard streams not. Above it calls that make
   * one fail with EMFILE, and listening sockets are not ready until one is closed.
   */
  readonly maxDescriptors: number;
  /**
   * Connections, accepted and made, that are open at a time. Above it accept fails with EMFILE and listening sockets are
   * not ready until a connection is closed; connect fails with ENOBUFS.
   */
  readonly maxConnections: number;
  /** Bytes a second that sockets receive. Above it they are not ready to read. */
  readonly bytesPerSecondIn: number;
  /** Bytes a second that sockets send. Above it they are not ready to write. */
  readonly bytesPerSecondOut: number;
  /** Lines a second that the plugin writes to standard streams which are granted as "lines". Further ones are dropped. */
  readonly linesPerSecond: number;
  /** Bytes a second of these lines. Further lines are dropped. */
  readonly lineBytesPerSecond: number;
  /**
   * CPU time that the plugin may use between two waits. Above it the plugin is ended. By default 1,000, and 100 where `run` is
   * "shared", because the others wait meanwhile.
   */
  readonly cpuMsPerTurn: number;
  /** CPU time that the plugin may use in all. Above it the plugin is ended. */
  readonly cpuMsTotal: number;
  /** Time after which the plugin is stopped, from its start on. */
  readonly lifetimeMs: number;
  /**
   * Memory that the host holds for the plugin: output not yet sent, poll tables, socket buffers that the plugin asks for.
   * Above it the call fails with ENOMEM or ENOBUFS.
   */
  readonly maxHostBytes: number;
}

/** When a plugin that has ended is started again. */
export interface RestartPolicy {
  /** "failure": after a trap, a limit or an exit status other than 0. */
  readonly when: "never" | "failure" | "always";
  /** The delay before the first restart; each further one waits `factor` times as long, up to `maxDelayMs`. */
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  readonly factor: number;
  /** So many restarts within `windowMs` are the last: the plugin stays down. */
  readonly maxRestarts: number;
  readonly windowMs: number;
}

/** A standard stream: closed, a line at a time to the host's events, or that of the host's own process. */
export type OutputGrant = "none" | "lines" | "inherit";

export interface StdioGrant {
  readonly stdin: "none" | "inherit";
  readonly stdout: OutputGrant;
  readonly stderr: OutputGrant;
}

export interface ClockPolicy {
  /** The clocks stand still for so long, and then advance by it. 0: as fine as the host's own. */
  readonly resolutionMs: number;
}

/** "system": the operating system's random numbers. With a seed they are the same at every start, and no secret. */
export type RandomPolicy = "system" | { readonly seed: number };

/** What a plugin is given, what it may reach and what it may use up. Made by `parsePolicy`: every default is filled in. */
export interface Policy {
  /** "isolated": a thread of its own, in which it may block. "shared": a turn at a time beside others on one thread. */
  readonly run: "isolated" | "shared";
  readonly listen: readonly ListenGrant[];
  /** Where it may connect to. */
  readonly connect: readonly AddressRule[];
  /** Where it may bind sockets that it makes itself, and so listen or receive datagrams from anybody. */
  readonly bind: readonly AddressRule[];
  /** Where it may send datagrams to, and so receive them from. */
  readonly udp: readonly HostRule[];
  readonly dirs: readonly DirGrant[];
  readonly limits: Limits;
  readonly env: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  readonly stdio: StdioGrant;
  readonly clocks: ClockPolicy;
  readonly random: RandomPolicy;
  readonly restart: RestartPolicy;
  /** How long a plugin that is to stop may go on, to end its connections, before it is ended. */
  readonly stopTimeoutMs: number;
}

/** The same fields, none of which has to be there. */
type Fields<T> = { readonly [F in keyof T]?: T[F] | undefined };

/** 80, "80", "8000-8099", "80,443", "*", or a list of these. */
export type PortsInput = number | string | PortRange | readonly (number | string | PortRange)[];

/**
 * "HOST:PORTS" or the path of a Unix socket: "10.0.0.0/8:5432", "db.example.com:5432,6432", "[fd00::/8]:8000-8099",
 * "192.0.2.1:*", "/run/db.sock", "@abstract". Or the same as an object.
 */
export type AddressRuleInput =
  | string
  | {
      readonly host: string;
      readonly ports: PortsInput;
      readonly addresses?: readonly string[] | undefined;
      /** Only in `connect`. */
      readonly tls?: Fields<TlsClientGrant> | undefined;
    }
  | { readonly path: string };

/** "HOST:PORT", "[IPV6]:PORT", a path with a slash in it, "@abstract"; or the same as an object. */
export type ListenAddressInput = string | { readonly host: string; readonly port: number } | { readonly path: string };

/** An address, or "NAME=ADDRESS", or an object. */
export type ListenInput =
  | string
  | {
      readonly address: ListenAddressInput;
      readonly name?: string | undefined;
      /** Default 511. */
      readonly backlog?: number | undefined;
      readonly tls?: (Pick<TlsGrant, "cert" | "key"> & Fields<Omit<TlsGrant, "cert" | "key">>) | undefined;
    };

/** "HOST::GUEST" or "HOST::GUEST:ro", or an object. `guest` is by default `host`, `readOnly` false. */
export type DirInput =
  string | { readonly host: string; readonly guest?: string | undefined; readonly readOnly?: boolean | undefined };

/** A number, or "unlimited". */
export type LimitInput = number | "unlimited";

/** A number of bytes, the same as text with K, M or G (1,024 times each), or "unlimited". */
export type SizeInput = LimitInput | `${number}${"" | "K" | "M" | "G" | "k" | "m" | "g"}`;

type SizeLimit = "maxMemoryBytes" | "maxHostBytes" | "bytesPerSecondIn" | "bytesPerSecondOut" | "lineBytesPerSecond";

/** A policy as people write it: every field has a default, and nothing is granted by default. */
export interface PolicyInput {
  /** Default "isolated". */
  readonly run?: Policy["run"] | undefined;
  readonly listen?: readonly ListenInput[] | undefined;
  readonly connect?: readonly AddressRuleInput[] | undefined;
  readonly bind?: readonly AddressRuleInput[] | undefined;
  readonly udp?: readonly AddressRuleInput[] | undefined;
  readonly dirs?: readonly DirInput[] | undefined;
  /**
   * Default: 256 MiB of memory, 1,024 descriptors, 1,000 connections, 1,000 ms of CPU time a turn, 16 MiB of host memory,
   * 10,000 lines and 4 MiB of them a second; no other limit.
   */
  readonly limits?:
    { readonly [L in keyof Limits]?: (L extends SizeLimit ? SizeInput : LimitInput) | undefined } | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly args?: readonly string[] | undefined;
  /** For all three, or one by one. "lines" for all three leaves standard input "none". Default "none". */
  readonly stdio?: OutputGrant | { readonly [S in keyof StdioGrant]?: StdioGrant[S] | undefined } | undefined;
  /** Default: 0. */
  readonly clocks?: { readonly resolutionMs?: number | undefined } | undefined;
  /** Default "system". */
  readonly random?: RandomPolicy | undefined;
  /** Default: on failure, after 100 ms to 30 s, doubling, 10 times within 5 minutes. */
  readonly restart?: RestartPolicy["when"] | { readonly [R in keyof RestartPolicy]?: RestartPolicy[R] | undefined };
  /** Default 5,000. */
  readonly stopTimeoutMs?: number | undefined;
}
