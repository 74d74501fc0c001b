/**
 * Owns the newest wasmtime as two runtimes among the others, and guests that are built for each of them: a module of preview 1,
 * and components of WASI 0.2 and of 0.3, from one source. Knows no scenario.
 */

import { buildComponent, command, missing } from "../assembly/component-support.js";
import { buildGuest, type Runtime, RUNTIMES } from "./support.js";

export const COMPONENTS: Runtime = {
  name: "wasmtime 50, component",
  missing,
  command: (component, port) => command(component, port === undefined ? {} : { LISTEN: `127.0.0.1:${port}` }),
};

export const ASYNC_COMPONENTS: Runtime = { ...COMPONENTS, name: "wasmtime 50, component of WASI 0.3" };

export const ALL_RUNTIMES: readonly Runtime[] = [...RUNTIMES, COMPONENTS, ASYNC_COMPONENTS];

/** Compiles a guest for all of them, by a name of its own as `buildGuest` has it. @returns what tells which is a runtime's */
export async function buildForAll(source: string, name: string): Promise<(runtime: Runtime) => string> {
  const [module, component, asyncComponent] = await Promise.all([
    buildGuest(source, name),
    missing === "" ? buildComponent(source, `runtimes-${name}`, "component") : "",
    missing === "" ? buildComponent(source, `runtimes-${name}`, "wasi-0.3") : "",
  ]);
  return (runtime) => (runtime === COMPONENTS ? component : runtime === ASYNC_COMPONENTS ? asyncComponent : module);
}
