/**
 * Owns the newest wasmtime as a runtime among the others, and guests that are built for each of them: a module of preview 1
 * and a component, from one source. Knows no scenario.
 */

import { buildComponent, command, missing } from "../assembly/component-support.js";
import { buildGuest, type Runtime, RUNTIMES } from "./support.js";

export const COMPONENTS: Runtime = {
  name: "wasmtime 50, component",
  missing,
  command: (component, port) => command(component, port === undefined ? {} : { LISTEN: `127.0.0.1:${port}` }),
};

export const ALL_RUNTIMES: readonly Runtime[] = [...RUNTIMES, COMPONENTS];

/** Compiles a guest for all of them, by a name of its own as `buildGuest` has it. @returns what tells which is a runtime's */
export async function buildForAll(source: string, name: string): Promise<(runtime: Runtime) => string> {
  const [module, component] = await Promise.all([
    buildGuest(source, name),
    missing === "" ? buildComponent(source, `runtimes-${name}`) : "",
  ]);
  return (runtime) => (runtime === COMPONENTS ? component : module);
}
