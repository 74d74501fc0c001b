/**
 * Owns finding out whether a module can be run under a policy, without running it. Knows what a policy gives a guest to import;
 * opens nothing that a policy names.
 */

import { ModuleBinary } from "../guest/binary.js";
import { checkImports } from "../guest/module.js";
import { Preview1 } from "../guest/preview1.js";
import { defaultBackend } from "../net/default-backend.js";
import type { CompiledCode, PluginCode } from "./code.js";
import { PluginError } from "./errors.js";
import { processOptions } from "./policy/process-options.js";
import type { Policy } from "./policy/types.js";

/** @throws ModuleError, GuestError, PluginError ERR_PLUGIN_BLOCKING */
export async function checkCode(code: PluginCode, policy: Policy): Promise<void> {
  const compiled = await code.compile(policy);
  checkBlocking(code.name, compiled, policy);
  if (compiled.component !== undefined) return;
  const preview1 = new Preview1(defaultBackend(), processOptions(policy));
  try {
    const binary = new ModuleBinary(code.bytes);
    checkImports({ module: compiled.module, binary, start: undefined, shift: 0 }, preview1.imports);
  } finally {
    preview1.close();
  }
}

/** @throws PluginError ERR_PLUGIN_BLOCKING */
export function checkBlocking(plugin: string, { component, isReactor }: CompiledCode, { run }: Policy): void {
  if (run !== "shared" || isReactor) return;
  if (component !== undefined) {
    const text = `${plugin} is a component, which would block the thread that it shares: run it isolated`;
    throw new PluginError("ERR_PLUGIN_BLOCKING", text);
  }
  const message = `${plugin} is a command, which would block the thread that it shares: run it isolated, or build it with --reactor`;
  throw new PluginError("ERR_PLUGIN_BLOCKING", message);
}
