/**
 * Owns `wasyncore run` under a policy: the guest is the only plugin of a host, and its end that of the command. Leaves the policy
 * to run-policy, and all of the rest to host/plugin.
 */

import { withoutControls } from "../backend/log.js";
import { addressText } from "../net/listen.js";
import { GuestError, ModuleError, OSError, PluginError, PluginHost, type PluginEnding } from "../plugin/index.js";
import { PluginCode } from "../plugin/code.js";
import type { Policy } from "../plugin/policy/types.js";
import { memoryText } from "../plugin/trap-memory.js";
import { printable } from "../backend/printable.js";
import { RunError } from "./run-errors.js";
import { optionOfLimit } from "./run-policy-options.js";
import { addressTrouble, pathText, trapText } from "./run-troubles.js";

const EXIT_FAILED = 1;
const EXIT_TRAPPED = 134;
/** 128 and SIGKILL. */
const EXIT_LIMITED = 137;

const NAME = "guest";
const MEMORY_OPTION = "--max-memory";

/** Runs the module until it has ended for good. @returns the exit status */
export async function runUnderPolicy(
  path: string,
  bytes: Uint8Array,
  program: string,
  policy: Policy,
): Promise<number> {
  const host = new PluginHost();
  const say = (text: string): void => void process.stderr.write(`wasyncore: ${pathText(path)} ${text}\n`);
  let ending: PluginEnding | undefined;
  /** Of the limits of time that are not in the ending. */
  let isOutlived = false;
  let isAnnounced = false;
  const down = new Promise<void>((resolve) => host.once("down", () => resolve()));
  host.on("exit", (event) => (ending = event.ending));
  host.on("restart", ({ delayMs }) => say(`${endingText(ending)}; it is started again in ${delayMs} ms`));
  host.on("limit", ({ limit, value, count }) => {
    if (limit === "lifetimeMs") isOutlived = true;
    else say(`was refused by ${named(limit)}: ${printable(String(value))}${count > 1 ? ` (${count} times)` : ""}`);
  });
  host.on(
    "line",
    ({ stream, line }) => void process[stream].write(`${line.split("\t").map(withoutControls).join("\t")}\n`),
  );
  host.on("up", () => {
    if (isAnnounced) return;
    isAnnounced = true;
    announce(host, policy);
  });
  const release = onSignals(host);
  try {
    await host.start(new PluginCode(bytes, program), { ...policy, name: NAME });
    await down;
  } catch (error) {
    // One that has ended before it waited for anything has ended all the same.
    if (!(error instanceof PluginError) || error.code !== "ERR_PLUGIN_START" || !hasEnded(ending))
      throw new RunError(`cannot run ${pathText(path)}: ${problemOf(error)}`, { cause: error });
  } finally {
    await host.close({ timeoutMs: 0 });
    release();
  }
  if (isOutlived) {
    say(`was ended by ${named("lifetimeMs")}`);
    return EXIT_LIMITED;
  }
  return statusOf(ending, path, say);
}

function statusOf(ending: PluginEnding | undefined, path: string, say: (text: string) => void): number {
  switch (ending?.kind) {
    case "exit":
      return ending.code & 0xff;
    case "trap":
      process.stderr.write(`wasyncore: ${trapText(path, ending.error, memoryText(ending.memory, MEMORY_OPTION))}\n`);
      return EXIT_TRAPPED;
    case "limit":
      say(endingText(ending));
      return EXIT_LIMITED;
    default:
      say(endingText(ending));
      return EXIT_FAILED;
  }
}

function hasEnded(ending: PluginEnding | undefined): boolean {
  return ending !== undefined && (ending.kind === "exit" || ending.kind === "trap" || ending.kind === "limit");
}

function endingText(ending: PluginEnding | undefined): string {
  switch (ending?.kind) {
    case "exit":
      return `has exited with ${ending.code}`;
    case "trap":
      return `trapped: ${ending.error.message}${memoryText(ending.memory, MEMORY_OPTION)}`;
    case "limit":
      return `was ended by ${named(ending.limit)}, with ${ending.value}`;
    case "failed":
      return `has failed: ${printable(ending.error.message, MESSAGE_MAX)}`;
    default:
      return "was stopped";
  }
}

const MESSAGE_MAX = 300;

/** A field of the policy, and the option that sets it. */
function named(limit: string): string {
  const option = ["connect", "bind", "udp"].includes(limit) ? limit : limit === "dirs" ? "dir" : optionOfLimit(limit);
  return option === undefined ? `its policy (${limit})` : `its policy (--${option})`;
}

function problemOf(error: unknown): string {
  if (error instanceof OSError) {
    const { address: host, path, port } = error;
    const address = path ?? (host === undefined || port === undefined ? host : addressText({ host, port }));
    const whose = "an address of its policy";
    return `${address === undefined ? whose : `${printable(address)}, ${whose}`}: ${addressTrouble(error, path)}`;
  }
  if (error instanceof PluginError || error instanceof GuestError || error instanceof ModuleError) return error.message;
  throw error;
}

function announce(host: PluginHost, { listen }: Policy): void {
  const { listeners } = host.snapshot(NAME);
  for (const [index, { name, address }] of listeners.entries()) {
    if (listen[index]?.address.port !== 0) continue;
    process.stderr.write(`listening on ${addressText(address)}${name === undefined ? "" : ` (${name})`}\n`);
  }
}

/** The files of Unix sockets go with the host; the signal then ends the process as it would have. @returns what undoes it */
function onSignals(host: PluginHost): () => void {
  const end = (signal: NodeJS.Signals): void => {
    release();
    void host.close({ timeoutMs: 0 }).then(() => process.kill(process.pid, signal));
  };
  const release = (): void => void process.off("SIGINT", end).off("SIGTERM", end).off("SIGHUP", end);
  process.once("SIGINT", end).once("SIGTERM", end).once("SIGHUP", end);
  return release;
}
