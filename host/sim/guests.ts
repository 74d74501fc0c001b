/**
 * Owns WASI guests as programs of simulated hosts: their listening sockets, their standard streams as files, and their
 * random bytes, all by the host's own means. Knows how a guest is run by the public API of host/guest.
 */

import { checkArray, checkBytes, checkMs, checkObject, checkOptions } from "../backend/check.js";
import { compileGuest } from "../guest/module.js";
import type { GuestOptions } from "../guest/run.js";
import { GuestTurns } from "./guest-turns.js";
import type { SimHost } from "./public-host.js";

/** What a guest on a simulated host is given; the rest is the host's. */
export interface SimGuestOptions extends Pick<
  GuestOptions,
  "args" | "env" | "socketExtension" | "maxDescriptors" | "unixPaths"
> {
  /** Addresses that it listens on, its descriptors from 3 on in this order. `name` goes into LISTEN_FDNAMES. */
  readonly listen?: readonly { readonly host: string; readonly port: number; readonly name?: string }[];
  /** Milliseconds of real time that it may compute without a call, while the world stands still. Default: 60,000. */
  readonly patienceMs?: number;
}

/** A guest on a simulated host. */
export interface SimGuest {
  /** Its exit statuses: one for each time that it has ended by itself. */
  readonly exits: readonly number[];
  /** What it has written to its standard output, since the world began. */
  readonly stdout: string;
  readonly stderr: string;
}

const OPTIONS = ["args", "env", "socketExtension", "maxDescriptors", "unixPaths", "listen", "patienceMs"] as const;
const STREAMS = ["stdin", "stdout", "stderr"] as const;
const PATIENCE_MS = 60_000;
/** Linux's O_WRONLY and O_APPEND, as everywhere in a world. */
const APPEND = 0o2001;

/** What a host has for its guests. */
export interface GuestGround {
  readonly host: SimHost;
  readonly seed: number;
  /** Numbers the guests of the world. */
  readonly stream: number;
  /** A thread that ends with this life of the host. */
  began(turns: GuestTurns): void;
}

/** Starts a guest now, and again when its host is back after a crash. @throws TypeError, GuestError for what is no module */
export function startGuest(ground: GuestGround, module: Uint8Array, options: SimGuestOptions = {}): SimGuest {
  checkBytes("module", module);
  checkOptions("options", options as unknown, OPTIONS);
  const { listen = [], patienceMs = PATIENCE_MS, ...given } = options;
  checkMs("options.patienceMs", patienceMs);
  checkArray("options.listen", listen);
  compileGuest(module);
  for (const [index, each] of listen.entries()) checkObject(`options.listen[${index}]`, each);
  const { host, seed, stream } = ground;
  const exits: number[] = [];
  const pathOf = (name: (typeof STREAMS)[number]): string => `/dev/guest${stream}/${name}`;
  for (const name of STREAMS) host.writeFile(pathOf(name), "");

  host.start(async () => {
    const { backend } = host;
    const fds = STREAMS.map((name) => host.open(pathOf(name), name === "stdin" ? 0 : APPEND));
    try {
      exits.push(await run(fds));
    } finally {
      for (const fd of fds) backend.close(fd);
    }
  });

  async function run(stdio: readonly number[]): Promise<number> {
    const { backend } = host;
    const turns = new GuestTurns(backend, { module, options: given, listen, stdio, seed, stream }, patienceMs);
    ground.began(turns);
    await backend.clock.turnTaker?.take(turns, undefined);
    return turns.exitCode ?? 0;
  }

  const textOf = (name: (typeof STREAMS)[number]): string => new TextDecoder().decode(host.readFile(pathOf(name)));
  return {
    exits,
    get stdout() {
      return textOf("stdout");
    },
    get stderr() {
      return textOf("stderr");
    },
  };
}
