/**
 * Owns an instance of a component: takes the steps of its definition, and links what it imports with the interfaces of the host.
 * Knows the canonical ABI; knows no interface.
 */

import { GuestError, withoutPrefix } from "../guest/module.js";
import { withRoom } from "../guest/stack.js";
import { printable } from "../backend/printable.js";
import { CallMemory } from "./call-memory.js";
import type { AsyncParts } from "./async/index.js";
import type { Element } from "./async/streams.js";
import type { Canon, CanonOptions, Named, Sort, Step } from "./steps.js";
import { tooLarge } from "./bytes.js";
import type { HostFunction, Interface } from "./calls.js";
import type { CompiledComponent, CompiledModule } from "./compile.js";
import type { HandleTable, ResourceClass } from "./resources.js";
import { Trap, trapOf } from "./trap.js";

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: {
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
  Memory: abstract new (...parameters: never[]) => object;
  Table: abstract new (...parameters: never[]) => object;
  LinkError: abstract new (...parameters: never[]) => Error;
};

/** A component's steps, those of the components in it for each of their instances: they can be in one another. */
const STEPS_MAX = 1_000_000;
const CORE_INSTANCES_MAX = 1000;

/** An interface of the host's as an instance, by the name that the component gives it. */
class HostInstance {
  readonly name: string;
  readonly interface: Interface;

  constructor(name: string, served: Interface) {
    this.name = name;
    this.interface = served;
  }
}

interface Defined {
  readonly sort: Sort;
  readonly value: unknown;
}

type Exports = Map<string, Defined>;
type CoreFunction = (...values: unknown[]) => unknown;

/** A function of the component. */
interface Lifted {
  readonly call: CoreFunction;
  readonly postReturn: CoreFunction | undefined;
  readonly isAsync: boolean;
  readonly callback: CoreFunction | undefined;
}

/** A function of the host's that there is not. */
interface Missing {
  readonly missing: string;
}

/** Interfaces of the host's, by the names in imports; undefined for one that is not served. */
export type Linker = (name: string) => Interface | undefined;

interface Shared {
  readonly compiled: CompiledComponent;
  readonly handles: HandleTable;
  readonly onMemory: (memory: { readonly buffer: ArrayBuffer }) => void;
  readonly parts: AsyncParts | undefined;
  /** What was taken, and is defined so far. */
  readonly used: { steps: number; coreInstances: number; memoryBytes: number; memories: number; tables: number };
}

/**
 * Instantiates a command.
 * @param onMemory is given each memory of its core modules
 * @param parts for a component of the asynchronous ABI
 * @returns its `run`, which returns whether it has succeeded
 * @throws GuestError ERR_GUEST_IMPORTS, ERR_GUEST_EXPORTS, ERR_GUEST_FORMAT; and what its start functions throw
 */
export function instantiateCommand(
  compiled: CompiledComponent,
  linker: Linker,
  handles: HandleTable,
  onMemory: (memory: { readonly buffer: ArrayBuffer }) => void,
  parts: AsyncParts | undefined,
): () => boolean {
  const missing: string[] = [];
  const imported: Exports = new Map();
  for (const step of compiled.steps) {
    if (step.kind !== "import") continue;
    const served = step.sort === "instance" ? linker(step.name) : undefined;
    if (served === undefined) missing.push(step.name);
    else imported.set(step.name, { sort: "instance", value: new HostInstance(step.name, served) });
  }
  if (missing.length > 0) throw missingImports(missing);
  const used = { steps: 0, coreInstances: 0, memoryBytes: 0, memories: 0, tables: 0 };
  const scope = new Scope({ compiled, handles, onMemory, parts, used }, undefined, imported);
  const exports = scope.run(compiled.steps);
  const run = commandOf(exports);
  if ("missing" in run) throw missingImports([run.missing]);
  return () => {
    if (run.isAsync) return partsOf(parts).run(run) === 0;
    const failed = run.call();
    handles.mayCall = false;
    run.postReturn?.(failed);
    return failed === 0;
  };
}

/** `run` of the newest version. */
function commandOf(exports: Exports): Lifted | Missing {
  for (const version of [/^wasi:cli\/run@0\.3\.\d+$/, /^wasi:cli\/run@0\.2\.\d+/]) {
    for (const [name, { value: instance }] of exports) {
      if (!version.test(name) || !(instance instanceof Map)) continue;
      const found = (instance as Exports).get("run");
      // A function of the host's is no lifted one.
      if (found?.sort === "func" && typeof found.value !== "function") return found.value as Lifted | Missing;
    }
  }
  throw new GuestError("ERR_GUEST_EXPORTS", "it exports no wasi:cli/run@0.2 or 0.3: it is no command");
}

function partsOf(parts: AsyncParts | undefined): AsyncParts {
  if (parts === undefined) throw new Error("a component of the asynchronous ABI is run without what it needs");
  return parts;
}

const NAMED_MAX = 10;

function missingImports(missing: readonly string[]): GuestError {
  const named = missing.slice(0, NAMED_MAX).map((name) => printable(name));
  const rest = missing.length - named.length;
  const text = rest > 0 ? `${named.join(", ")} and ${rest} more` : named.join(", ");
  return new GuestError("ERR_GUEST_IMPORTS", `it imports what is not there: ${text}`, missing);
}

/** One component while its steps are taken: its index spaces. */
class Scope {
  readonly #shared: Shared;
  readonly #outer: Scope | undefined;
  readonly #imports: Exports;
  readonly #spaces = new Map<Sort, unknown[]>();
  readonly #exports: Exports = new Map();

  constructor(shared: Shared, outer: Scope | undefined, imports: Exports) {
    this.#shared = shared;
    this.#outer = outer;
    this.#imports = imports;
  }

  run(steps: readonly Step[]): Exports {
    for (const step of steps) this.#take(step);
    return this.#exports;
  }

  #take(step: Step): void {
    if (++this.#shared.used.steps > STEPS_MAX) throw tooLarge(`more than ${STEPS_MAX} definitions`);
    switch (step.kind) {
      case "module":
        return this.#define("core module", this.#shared.compiled.modules[step.module]);
      case "core-instance":
        return this.#define("core instance", this.#coreInstance(step.module, step.parameters));
      case "core-exports":
        return this.#define(
          "core instance",
          Object.fromEntries(step.exports.map(({ name, sort, index }) => [name, this.#get(sort, index)])),
        );
      case "component":
        return this.#define("component", { steps: step.steps, scope: this });
      case "instance":
        return this.#define("instance", this.#instance(step.component, step.parameters));
      case "exports":
        return this.#define("instance", this.#named(step.exports));
      case "alias":
        return this.#define(step.sort, this.#exported(step.instance, step.name, step.sort));
      case "core-alias":
        return this.#define(step.sort, this.#coreExport(step.instance, step.name, step.sort));
      case "outer":
        return this.#define(step.sort, this.#outerOf(step.levels).#get(step.sort, step.index));
      case "types":
        this.#shared.used.steps += step.count;
        return this.#defineTypes(step.count, step.section);
      case "lift":
        return this.#define("func", this.#lift(step.func, step.options));
      case "lower":
        return this.#define("core func", withRoom(this.#lower(step.func, step.options)));
      case "drop":
        return this.#define("core func", withRoom(this.#drop(step.type)));
      case "canon":
        return this.#define("core func", withRoom(this.#builtIn(step)));
      case "import":
        return this.#define(step.sort, ofSort(step.sort, step.name, this.#imports.get(step.name)));
      case "export": {
        const { name, sort, index } = step.exported;
        const value = this.#get(sort, index);
        this.#exports.set(name, { sort, value });
        return this.#define(sort, value);
      }
    }
  }

  #defineTypes(count: number, section: Uint8Array): void {
    const elements = this.#shared.parts?.elementsIn(section) ?? [];
    for (let index = 0; index < count; index++) this.#define("type", elements[index] ?? NO_RESOURCE);
  }

  #define(sort: Sort, value: unknown): void {
    const space = this.#spaces.get(sort);
    if (space === undefined) this.#spaces.set(sort, [value]);
    else space.push(value);
  }

  #get(sort: Sort, index: number): unknown {
    const value = this.#spaces.get(sort)?.[index];
    if (value === undefined) throw new GuestError("ERR_GUEST_FORMAT", `the component has no ${sort} ${index}`);
    return value;
  }

  #outerOf(levels: number): Scope {
    if (levels === 0) return this;
    if (this.#outer === undefined) throw new GuestError("ERR_GUEST_FORMAT", "an alias leads out of the component");
    return this.#outer.#outerOf(levels - 1);
  }

  #named(list: readonly Named[]): Exports {
    return new Map(list.map(({ name, sort, index }) => [name, { sort, value: this.#get(sort, index) }]));
  }

  #coreInstance(module: number, parameters: readonly Named[]): Record<string, unknown> {
    const imports = Object.fromEntries(parameters.map(({ name, index }) => [name, this.#get("core instance", index)]));
    try {
      const compiled = this.#get("core module", module) as CompiledModule;
      this.#count(compiled);
      const { exports } = new WebAssembly.Instance(compiled.module, imports);
      for (const value of Object.values(exports)) if (isMemory(value)) this.#shared.onMemory(value);
      if (compiled.start !== undefined) (exports[compiled.start] as () => void)();
      return exports;
    } catch (error) {
      if (error instanceof WebAssembly.LinkError || error instanceof TypeError)
        throw new GuestError("ERR_GUEST_FORMAT", `its modules do not fit together: ${withoutPrefix(error)}`);
      throw error;
    }
  }

  #count({ memoryBytes, memories, tables }: CompiledModule): void {
    const { used, compiled } = this.#shared;
    const { limits } = compiled;
    if (++used.coreInstances > CORE_INSTANCES_MAX) throw tooLarge(`more than ${CORE_INSTANCES_MAX} instances`);
    used.memoryBytes += memoryBytes;
    used.memories += memories;
    used.tables += tables;
    if (used.memoryBytes > limits.memoryBytes)
      throw tooLarge(`memories that may grow to ${used.memoryBytes} bytes, and is allowed ${limits.memoryBytes}`);
    if (used.memories > limits.memories) throw tooLarge(`${used.memories} memories, and is allowed ${limits.memories}`);
    if (used.tables > limits.tables) throw tooLarge(`${used.tables} tables, and is allowed ${limits.tables}`);
  }

  #instance(component: number, parameters: readonly Named[]): Exports {
    const given = this.#named(parameters);
    const { steps, scope } = this.#get("component", component) as { steps: readonly Step[]; scope: Scope };
    return new Scope(this.#shared, scope, given).run(steps);
  }

  #exported(instance: number, name: string, sort: Sort): unknown {
    const from = this.#get("instance", instance);
    if (!(from instanceof HostInstance)) return ofSort(sort, name, (from as Exports).get(name));
    if (sort !== "type" && sort !== "func") return undefined;
    const { functions, resources } = from.interface;
    if (sort === "type") return Object.hasOwn(resources, name) ? resources[name] : NO_RESOURCE;
    if (Object.hasOwn(functions, name)) return functions[name];
    return { missing: `${from.name}.${name}` } satisfies Missing;
  }

  #coreExport(instance: number, name: string, sort: Sort): unknown {
    const from = this.#get("core instance", instance) as Record<string, unknown>;
    const value = Object.hasOwn(from, name) ? from[name] : undefined;
    if (isOfCoreSort(value, sort)) return value;
    throw new GuestError("ERR_GUEST_FORMAT", `its modules have no ${sort} ${printable(name)}`);
  }

  #lift(func: number, { postReturn, isAsync, callback }: CanonOptions): Lifted {
    const optional = (index: number | undefined): CoreFunction | undefined =>
      index === undefined ? undefined : (this.#get("core func", index) as CoreFunction);
    const call = this.#get("core func", func) as CoreFunction;
    return { call, postReturn: optional(postReturn), isAsync, callback: optional(callback) };
  }

  #lower(func: number, options: CanonOptions): CoreFunction {
    const target = this.#get("func", func) as HostFunction | Lifted | Missing;
    if (typeof target !== "function") {
      if ("missing" in target) throw missingImports([target.missing]);
      // Some tools add a component that is used while theirs is built, and never afterwards.
      return () => {
        throw trapOf(new Trap("a component in it calls another one, which is not known here"));
      };
    }
    return target(this.#memory(options), options.isAsync) as CoreFunction;
  }

  #memory({ encoding, memory, realloc }: CanonOptions): CallMemory {
    return new CallMemory(
      this.#shared.handles,
      memory === undefined ? undefined : (this.#get("core memory", memory) as { readonly buffer: ArrayBuffer }),
      realloc === undefined ? undefined : (this.#get("core func", realloc) as () => number),
      encoding,
    );
  }

  #builtIn(canon: Canon): CoreFunction {
    const type = canon.type === undefined ? undefined : this.#get("type", canon.type);
    if (type === NO_RESOURCE || typeof type === "function")
      throw new GuestError("ERR_GUEST_FORMAT", `its type ${canon.type} is no stream and no future`);
    return partsOf(this.#shared.parts).builtIn(
      canon,
      type as Element | undefined,
      this.#memory(canon.options),
    ) as CoreFunction;
  }

  #drop(type: number): CoreFunction {
    const resource = this.#get("type", type);
    const { handles } = this.#shared;
    if (typeof resource !== "function")
      throw new GuestError("ERR_GUEST_FORMAT", `its type ${type} is no resource of the host's`);
    return (handle) => {
      try {
        handles.checkCall();
        handles.drop(Number(handle) >>> 0, resource as ResourceClass);
      } catch (error) {
        throw trapOf(error);
      }
    };
  }
}

function ofSort(sort: Sort, name: string, found: Defined | undefined): unknown {
  if (found?.sort === sort) return found.value;
  throw new GuestError("ERR_GUEST_FORMAT", `the component has no ${sort} ${printable(name)}`);
}

/** A memory that threads share is none: there are no threads, and the host's buffers are not shared. */
function isOfCoreSort(value: unknown, sort: Sort): boolean {
  if (sort === "core func") return typeof value === "function";
  if (sort === "core memory") return value instanceof WebAssembly.Memory && isMemory(value);
  return sort === "core table" ? value instanceof WebAssembly.Table : typeof value === "object";
}

/** A type that is no resource. */
const NO_RESOURCE = Symbol("no resource");

function isMemory(value: unknown): value is { readonly buffer: ArrayBuffer } {
  return (value as { buffer?: unknown } | undefined)?.buffer instanceof ArrayBuffer;
}
