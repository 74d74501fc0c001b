/**
 * Owns what the compiler is made to export for a component. Knows the part of the compiler's module that it uses; knows
 * no file and no command line.
 *
 * AssemblyScript has no export with a colon in its name, and what it exports to start a program returns nothing. A component
 * is run by a function with both: it calls the program, then the library's `finish`, and returns what that does.
 */

import type { ComponentWasi } from "./build-options.js";
import { FINISH, RESUME } from "./guest-sources.js";

/** What asc exports to start the program: see `--exportStart`. */
const START = "_start";
/** How it calls these two itself. */
const PROGRAM = "~start";
const LIBRARY = "~lib/wasyncore/assembly/wasi";
/** The exports of the worlds in assembly/wasi. */
const RUN: Readonly<Record<ComponentWasi, string>> = {
  component: "wasi:cli/run@0.2.0#run",
  async: "[async-lift]wasi:cli/run@0.3.0#run",
};

/** Binaryen's numbers of types. */
const TYPE_NONE = 0;
const TYPE_I32 = 2;

type Expression = number;

interface ModuleBuilder {
  call(target: string, operands: readonly Expression[], type: number): Expression;
  block(label: string | null, children: readonly Expression[], type: number): Expression;
  addFunction(name: string, parameters: number, results: number, locals: readonly number[], body: Expression): number;
  addFunctionExport(internalName: string, externalName: string): number;
  removeExport(name: string): void;
}

/** A transform, as asc takes it. */
export type ComponentTransform = new () => { afterCompile(module: ModuleBuilder): void };

export function componentTransform(wasi: ComponentWasi): ComponentTransform {
  const program = `${LIBRARY}/${wasi}/program`;
  const run = RUN[wasi];
  return class {
    afterCompile(module: ModuleBuilder): void {
      const calls = [module.call(PROGRAM, [], TYPE_NONE), module.call(`${program}/${FINISH}`, [], TYPE_I32)];
      module.addFunction(run, TYPE_NONE, TYPE_I32, [], module.block(null, calls, TYPE_I32));
      module.addFunctionExport(run, run);
      if (wasi === "async") {
        module.addFunctionExport(`${program}/${RESUME}`, `[callback]${run}`);
        module.removeExport(RESUME);
      }
      module.removeExport(START);
      module.removeExport(FINISH);
    }
  };
}
