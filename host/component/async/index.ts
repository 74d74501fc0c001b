/**
 * Owns what components of the asynchronous ABI need in addition to those of WASI 0.2: interfaces of 0.3, built-in functions, and
 * running an export. Loaded for them alone.
 */

import type { Backend } from "../../backend/backend.js";
import type { CallMemory } from "../call-memory.js";
import type { Canon } from "../steps.js";
import type { CoreFunction, Interface } from "../calls.js";
import type { Poller } from "../polling.js";
import type { Watch } from "../watch.js";
import type { HandleTable } from "../resources.js";
import type { SocketWorld } from "../socket-world.js";
import { builtIn, type MayWait } from "./builtins.js";
import { asyncFileInterfaces } from "./filesystem.js";
import { type AsyncExport, Runtime } from "./runtime.js";
import { asyncSocketInterfaces } from "./sockets.js";
import type { Element } from "./streams.js";
import { asyncCliInterfaces, asyncClockInterfaces, asyncRandomInterfaces } from "./system.js";
import { elementsIn } from "./types.js";

/** Packages of interfaces, by their names. */
export type Packages = Readonly<Record<string, Readonly<Record<string, Interface>>>>;

/** What the host has for both. */
export interface AsyncBase {
  readonly backend: Backend;
  readonly poller: Poller;
  readonly handles: HandleTable;
  readonly world: SocketWorld;
  readonly stdio: readonly [Watch, Watch, Watch];
  /** Of WASI 0.2. */
  readonly packages: Packages;
  readonly mayWait: MayWait;
  readonly random: (target: Uint8Array) => void;
}

export class AsyncParts {
  /** Of WASI 0.3. */
  readonly packages: Packages;
  readonly #runtime: Runtime;
  readonly #mayWait: MayWait;

  constructor({ backend, poller, handles, world, stdio, packages, mayWait, random }: AsyncBase) {
    const runtime = new Runtime(poller, handles);
    const seed = new BigUint64Array(2);
    random(new Uint8Array(seed.buffer));
    this.#runtime = runtime;
    this.#mayWait = mayWait;
    this.packages = {
      cli: asyncCliInterfaces(packages["cli"] ?? {}, backend, runtime, stdio),
      clocks: asyncClockInterfaces(packages["clocks"] ?? {}, backend.clock, runtime),
      random: asyncRandomInterfaces(packages["random"] ?? {}, [seed[0] ?? 0n, seed[1] ?? 0n]),
      sockets: asyncSocketInterfaces(world, runtime),
      filesystem: asyncFileInterfaces(packages["filesystem"] ?? {}, backend, runtime),
    };
  }

  /** What goes through the streams and futures among the types of a section; undefined for its other types. */
  elementsIn(section: Uint8Array): (Element | undefined)[] {
    return elementsIn(section);
  }

  builtIn(canon: Canon, element: Element | undefined, memory: CallMemory): CoreFunction {
    return builtIn(this.#runtime, canon, element, memory, this.#mayWait);
  }

  /** Runs an export to its end. @returns what it has returned */
  run(exported: AsyncExport): number {
    return this.#runtime.run(exported);
  }

  close(): void {
    for (const each of this.#runtime.owned) each.close();
  }
}
