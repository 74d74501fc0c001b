/**
 * Owns the last step of building a component: a core module becomes one. Loads the tools for it,
 * which only this step needs, from the project; knows no compiler.
 */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ComponentWasi } from "./build-options.js";

/** The packages that have them: jco, or the smaller part of it that it uses itself. Both export the same functions. */
const PACKAGES = ["@bytecodealliance/jco", "@bytecodealliance/jco-transpile/wasm-tools"] as const;

/** This file is in `dist/cli` or `host/cli`. */
const WASI = new URL("../../assembly/wasi/", import.meta.url);
const WORLD_NAME = "guest";

/** What is used of them. */
export interface ComponentTools {
  componentEmbed(options: { binary: Uint8Array; witSource: string; worldName: string }): Promise<Uint8Array>;
  componentNew(binary: Uint8Array, adapters: readonly never[]): Promise<Uint8Array>;
}

/** What could not be done, in a sentence for the user. */
export class ComponentError extends Error {}

/** @throws ComponentError where they are not installed */
export async function loadComponentTools(): Promise<ComponentTools> {
  // Where the project is, then where this package is: a command that is installed globally has no project above it.
  const requires = [createRequire(join(process.cwd(), "package.json")), createRequire(import.meta.url)];
  for (const name of PACKAGES) {
    for (const require of requires) {
      const path = resolved(require, name);
      if (path !== undefined) return (await import(pathToFileURL(path).href)) as ComponentTools;
    }
  }
  throw new ComponentError(
    "a component is made with jco, which is not installed: npm install --save-dev @bytecodealliance/jco@1.34.0",
  );
}

/** @throws ComponentError where the module is none for the guest's world */
export async function makeComponent(
  tools: ComponentTools,
  module: Uint8Array,
  wasi: ComponentWasi,
): Promise<Uint8Array> {
  const witSource = await readFile(new URL(`${wasi}/world.wit`, WASI), "utf8");
  try {
    const embedded = await tools.componentEmbed({ binary: module, witSource, worldName: WORLD_NAME });
    return await tools.componentNew(embedded, []);
  } catch (error) {
    const { message = String(error), payload } = error as { message?: string; payload?: unknown };
    throw new ComponentError(`no component can be made of the module: ${String(payload ?? message)}`);
  }
}

function resolved(require: NodeJS.Require, name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    return undefined;
  }
}
