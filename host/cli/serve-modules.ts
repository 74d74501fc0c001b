/**
 * Owns what a file of `wasyncore serve` names: reads and compiles the modules, looks whether the certificates and directories are
 * there. Reports every mistake at once; starts nothing and opens no socket.
 */

import { access, constants, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { addressText } from "../net/listen.js";
import { checkCode } from "../plugin/check.js";
import { compilePlugin, type PluginCode } from "../plugin/code.js";
import type { Policy } from "../plugin/policy/types.js";
import { type FileProblem, type PluginEntry, type ServeFile, ServeFileError, troubleOf } from "./serve-file.js";

/** A plugin that can be started. */
export interface LoadedPlugin {
  readonly name: string;
  readonly module: string;
  readonly code: PluginCode;
  readonly policy: Policy;
}

/** @throws ServeFileError */
export async function loadModules({ plugins }: ServeFile): Promise<readonly LoadedPlugin[]> {
  const problems: FileProblem[] = [...sharedAddresses(plugins)];
  const loaded: LoadedPlugin[] = [];
  // A module that many plugins have is read once.
  const codes = new Map<string, Promise<PluginCode>>();
  for (const { name, module, policy, problem } of plugins) {
    let code = codes.get(module);
    if (code === undefined) {
      code = compilePlugin(module);
      code.catch(() => undefined);
      codes.set(module, code);
    }
    try {
      const read = await code;
      await checkCode(read, policy);
      loaded.push({ name, module, code: read, policy });
    } catch (error) {
      problems.push(problem("module", `${module} cannot be run: ${troubleOf(error)}`));
    }
    for (const { field, path, trouble } of await missingFiles(policy)) {
      problems.push(problem(field, `${path}: ${trouble}`));
    }
  }
  if (problems.length > 0) throw new ServeFileError(problems);
  return loaded;
}

/** The absolute path of a module that `ctl replace` names. @throws Error with a sentence for the user */
export async function loadModule(module: string, policy: Policy): Promise<{ module: string; code: PluginCode }> {
  const path = resolve(module);
  try {
    const code = await compilePlugin(path);
    await checkCode(code, policy);
    return { module: path, code };
  } catch (error) {
    throw new Error(`${path} cannot be run: ${troubleOf(error)}`, { cause: error });
  }
}

interface MissingFile {
  readonly field: string;
  readonly path: string;
  readonly trouble: string;
}

async function missingFiles({ listen, dirs }: Policy): Promise<readonly MissingFile[]> {
  const missing: MissingFile[] = [];
  const look = async (field: string, path: string, find: () => Promise<string | undefined>): Promise<void> => {
    const trouble = await find().catch(troubleOf);
    if (trouble !== undefined) missing.push({ field, path, trouble });
  };
  for (const [index, { tls }] of listen.entries()) {
    for (const part of ["cert", "key"] as const) {
      const path = tls?.[part];
      if (path === undefined || path.includes("-----BEGIN ")) continue;
      await look(`listen[${index}].tls.${part}`, path, async () => {
        await access(path, constants.R_OK);
        return (await stat(path)).isDirectory() ? "it is a directory" : undefined;
      });
    }
  }
  for (const [index, { host }] of dirs.entries()) {
    await look(`dirs[${index}]`, host, async () =>
      (await stat(host)).isDirectory() ? undefined : "it is no directory",
    );
  }
  return missing;
}

/** Two plugins cannot listen on one address. */
function* sharedAddresses(plugins: readonly PluginEntry[]): Generator<FileProblem> {
  const owners = new Map<string, string>();
  for (const { name, policy, problem } of plugins) {
    for (const [index, { address }] of policy.listen.entries()) {
      if (address.port === 0) continue;
      const text = addressText(address);
      const owner = owners.get(text);
      if (owner === undefined) owners.set(text, name);
      else
        yield problem(`listen[${index}]`, `is an address that ${owner} listens on already: ${text.replace("\0", "@")}`);
    }
  }
}
