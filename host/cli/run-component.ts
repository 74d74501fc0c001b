/**
 * Owns `wasyncore run` for a component: what of the options it is given, and what is said of sockets that it may not
 * open. Leaves the component to host/component.
 */

import { basename } from "node:path";
import { compileComponent, ComponentHost, partsFor, withListeners } from "../component/index.js";
import { openDirectories } from "../guest/directories.js";
import type { GuestStdio } from "../guest/run.js";
import { defaultBackend } from "../net/default-backend.js";
import type { Listener } from "./run-listen.js";
import { UsageError } from "./run-errors.js";
import type { RunOptions } from "./run-options.js";
import { pathText } from "./run-troubles.js";

/** Runs the component to its end, and blocks the thread meanwhile. @returns its exit status */
export async function serveComponent(
  options: RunOptions,
  bytes: Uint8Array,
  listeners: readonly Listener[],
  stdio: readonly [GuestStdio, GuestStdio, GuestStdio],
): Promise<number> {
  const { path, args, env, sockets, record, unixPaths } = options;
  if (record !== undefined) throw new UsageError(`--record: ${path} is a component, of which no calls are recorded`);
  if (unixPaths.length > 0) throw new UsageError(`--unix: ${path} is a component, and WASI 0.2 has no Unix sockets`);
  const backend = defaultBackend();
  const compiled = await compileComponent(bytes);
  const parts = await partsFor(compiled);
  const granted = listeners.map(({ socket: { fd }, name }) => ({ fd, name }));
  const directories = openDirectories(backend, options.directories);
  let host: ComponentHost | undefined;
  try {
    const given = {
      args: [basename(path), ...args],
      env: Object.entries(withListeners(backend, env, granted)),
      stdio,
      sockets: {
        listeners: granted,
        mayOpen: sockets,
        onRefused: onceOnly((what, stream) => {
          const listen = stream === undefined ? "" : `--listen ${stream} opens one for it, `;
          const text = `${pathText(path)} may not ${what}: ${listen}--sockets lets it open sockets of its own`;
          process.stderr.write(`wasyncore: ${text}\n`);
        }),
      },
      directories,
    };
    host = new ComponentHost(backend, given, parts);
    const status = host.run(compiled);
    host.flush();
    return status;
  } finally {
    if (host === undefined) for (const { fd } of directories) backend.close(fd);
    else host.close();
  }
}

function onceOnly<A extends unknown[]>(say: (...args: A) => void): (...args: A) => void {
  let hasSaid = false;
  return (...args) => {
    if (!hasSaid) say(...args);
    hasSaid = true;
  };
}
