/**
 * Owns running a component for WASI 0.2 or 0.3: gives it the interfaces of the host, runs it to its end, and reports how that ended.
 * Knows the backend seam; knows no command line and no policy.
 */

import type { Backend } from "../backend/backend.js";
import { exitOf, type GuestExit } from "../guest/exit.js";
import { framesOf } from "../guest/frames.js";
import { GuestError, guestFailure, GuestTrap } from "../guest/instance.js";
import type { GuestDirectory } from "../guest/preview1.js";
import { printable } from "../backend/printable.js";
import type { Interface } from "./calls.js";
import type { CompiledComponent } from "./compile.js";
import { instantiateCommand } from "./instantiate.js";
import { fileInterfaces } from "./interfaces/filesystem.js";
import { ioInterfaces } from "./interfaces/io.js";
import { socketInterfaces } from "./interfaces/sockets.js";
import { cliInterfaces, clockInterfaces, type ComponentProcess, randomInterfaces } from "./interfaces/system.js";
import type { AsyncParts, Packages } from "./async/index.js";
import { systemRandom } from "../guest/random.js";
import { Poller } from "./polling.js";
import { Watch } from "./watch.js";
import { HandleTable, type HostBytes, UNCOUNTED } from "./resources.js";
import { type SocketGrants, SocketWorld } from "./socket-world.js";
import { trapMessage } from "./trap.js";

export { type CompiledComponent, compileComponent } from "./compile.js";
export { withListeners } from "./listen-variable.js";

/** What a component of the asynchronous ABI needs in addition; undefined for another one. */
export async function partsFor({ isAsync }: CompiledComponent): Promise<typeof AsyncParts | undefined> {
  return isAsync ? (await import("./async/index.js")).AsyncParts : undefined;
}

/** What a component is given. */
export interface ComponentOptions extends Omit<ComponentProcess, "onExit"> {
  /** Its sockets. The listening ones stay the host's. */
  readonly sockets: SocketGrants;
  /** The component's, to be closed with it. */
  readonly directories: readonly GuestDirectory[];
  /** Default: its memory of the host's is not counted. */
  readonly hostBytes?: HostBytes | undefined;
  /** May a poll have so many pollables, or a set so many waitables? Default: a million. */
  readonly mayPoll?: ((count: number) => boolean) | undefined;
}

/** Output that a component has written and not waited for is sent when it has ended; for so long. */
const FLUSH_TIMEOUT_MS = 60_000;
const MESSAGE_MAX = 300;
/** As many handles as it may have: a list may name one of them again and again. */
const POLLED_MAX = 1_000_000;

/** What answers a component's calls, and what they hold. */
export class ComponentHost {
  readonly #handles: HandleTable;
  readonly #poller: Poller;
  readonly #packages: Packages;
  readonly #async: AsyncParts | undefined;
  /** Several instances may export the same one. */
  readonly #memories = new Set<{ readonly buffer: ArrayBuffer }>();
  readonly #close: () => void;
  #exit: GuestExit | undefined;

  /** @param parts what {@link partsFor} has returned for the component */
  constructor(backend: Backend, options: ComponentOptions, parts?: typeof AsyncParts) {
    const poller = new Poller(backend);
    const files = fileInterfaces(backend, options.directories);
    const { hostBytes = UNCOUNTED, mayPoll = (count) => count <= POLLED_MAX } = options;
    const onExit = (exit: GuestExit): void => void (this.#exit ??= exit);
    const world = new SocketWorld(backend, poller, hostBytes, options.sockets);
    const stdio = options.stdio.map(({ fd }) => new Watch(fd)) as [Watch, Watch, Watch];
    const handles = new HandleTable(hostBytes);
    this.#handles = handles;
    this.#poller = poller;
    this.#close = files.close;
    this.#packages = {
      io: ioInterfaces(poller, mayPoll),
      cli: cliInterfaces(backend, poller, { ...options, onExit }, stdio),
      clocks: clockInterfaces(backend.clock),
      random: randomInterfaces(options.random),
      sockets: socketInterfaces(world),
      filesystem: files.interfaces,
    };
    if (parts === undefined) return;
    const { random = systemRandom } = options;
    this.#async = new parts({
      backend,
      poller,
      handles,
      world,
      stdio,
      packages: this.#packages,
      mayWait: mayPoll,
      random,
    });
  }

  get memoryBytes(): number {
    let sum = 0;
    for (const { buffer } of this.#memories) sum += buffer.byteLength;
    return sum;
  }

  /**
   * Runs a command to its end.
   * @returns its exit status: 0 or 1, or what it gave exit-with-code
   * @throws GuestError for a component that cannot be run, GuestTrap when it traps
   */
  run(compiled: CompiledComponent): number {
    try {
      const link = (name: string): Interface | undefined => this.#interfaceOf(name);
      const onMemory = (memory: { readonly buffer: ArrayBuffer }): unknown => this.#memories.add(memory);
      const run = instantiateCommand(compiled, link, this.#handles, onMemory, this.#async);
      const hasSucceeded = run();
      if (this.#exit === undefined) return hasSucceeded ? 0 : 1;
    } catch (error) {
      const exit = exitOf(error) ?? this.#exit;
      if (exit === undefined) throw failureOf(error);
      return exit.code;
    } finally {
      this.#async?.close();
      this.#handles.close();
    }
    return this.#exit.code;
  }

  /** Waits until what was written is sent. */
  flush(): void {
    this.#poller.flush(FLUSH_TIMEOUT_MS);
  }

  close(): void {
    this.#handles.close();
    this.#poller.close();
    this.#close();
  }

  #interfaceOf(name: string): Interface | undefined {
    const [, group = "", part = "", version] = /^wasi:([a-z-]+)\/([a-z0-9-]+)@0\.([23])\.\d+$/.exec(name) ?? [];
    const packages = (version === "3" ? this.#async?.packages : this.#packages) ?? {};
    const found = Object.hasOwn(packages, group) ? packages[group] : undefined;
    return found !== undefined && Object.hasOwn(found, part) ? found[part] : undefined;
  }
}

function failureOf(error: unknown): unknown {
  const message = trapMessage(error);
  if (message !== undefined)
    return new GuestTrap(printable(message, MESSAGE_MAX), framesOf(error as Error, 0).slice(1), { cause: error });
  const failure = guestFailure(error, 0);
  if (failure instanceof GuestTrap || failure instanceof GuestError) return failure;
  // Whatever a call into it throws is its own failure.
  const text = error instanceof Error ? error.message : "a value that is no error was thrown";
  return new GuestTrap(printable(text, MESSAGE_MAX), [], { cause: error });
}
