/**
 * Owns what callers give a plugin host and get from it: its events, its options and those of a plugin, and the check of all of
 * them. Knows the policy's schema; knows no plugin.
 */

import { checkBoolean, checkInteger, checkObject, checkOneOf } from "../backend/check.js";
import { DEFAULT_HOST_LINES, HOST_RATE_MAX, type HostLineLimits } from "./host-lines.js";
import type { InheritedSockets } from "./inherited.js";
import type { PolicyEvent } from "./policy/account.js";
import { PolicyError, type PolicyProblem } from "./policy/errors.js";
import { parsePolicy } from "./policy/schema.js";
import type { Policy, PolicyInput } from "./policy/types.js";
import type { OutputStream, PluginEnding } from "./run.js";
import type { TlsEvent } from "./tls/use.js";

/** What a `PluginHost` emits. Each event has the name of the plugin. */
export interface PluginHostEvents {
  /** A run of it has come up: after its start, a restart or a replacement. */
  up: [event: { readonly plugin: string }];
  /** A run of it has ended, and nothing of that run is left. */
  exit: [event: { readonly plugin: string; readonly ending: PluginEnding }];
  /** It is started again after `delayMs`, for the `restarts`th time. */
  restart: [event: { readonly plugin: string; readonly delayMs: number; readonly restarts: number }];
  /** It has ended and is not started again. Its listening sockets are closed. */
  down: [event: { readonly plugin: string; readonly ending: PluginEnding }];
  /** A new run serves in the place of the old one, which ends with its connections. */
  replaced: [event: { readonly plugin: string }];
  /** The file of its module has changed, and could not be put in its place: the old one goes on. */
  notReplaced: [event: { readonly plugin: string; readonly error: Error }];
  /** A call of it was refused by its policy, or it was above a limit. At most once a second for each limit. */
  limit: [event: PolicyEvent];
  /** Handshakes that have failed, certificates that were reloaded: see {@link TlsEvent}. At most once a second for each kind. */
  tls: [event: TlsEvent];
  /** It has written a line to a stream that its policy grants as "lines". */
  line: [event: { readonly plugin: string; readonly stream: OutputStream; readonly line: string }];
  /** The host is closed, and nothing of its plugins is left. */
  close: [];
}

/** A policy, and how the host treats the plugin. */
export type PluginOptions = PolicyInput & {
  /** Default: the file name of its module. */
  readonly name?: string | undefined;
  /**
   * What becomes of a plugin that does not come up, because of its sockets, its names, its module, or because it ends before
   * it waits for something. "throw": `start` rejects, and nothing is left of it. "restart": `start` resolves, and the plugin
   * is started again as its `restart` says. Default "throw".
   */
  readonly onStartFailure?: "throw" | "restart" | undefined;
  /** Is the plugin replaced when the file of its module changes? The module must be a path then. Default: false. */
  readonly watch?: boolean | undefined;
};

/** What all plugins of a host may write together. */
export interface LineLimits {
  /**
   * How many lines all plugins may write a second together, because each costs the host's thread: those that write have equal
   * shares, and further lines are dropped and counted. Default: 50,000.
   */
  readonly linesPerSecond?: number | "unlimited" | undefined;
  /** The same in bytes. Default: 16 MiB. */
  readonly lineBytesPerSecond?: number | "unlimited" | undefined;
}

/** Options of `PluginHost`. */
export interface PluginHostOptions extends LineLimits {
  /** Listening sockets that plugins get in place of opening their own. Default: none. */
  readonly inherited?: InheritedSockets | undefined;
}

/** @throws TypeError, RangeError for a rate that is none */
export function lineLimitsOf(limits: LineLimits, argument = "options"): HostLineLimits {
  const rateOf = (name: keyof HostLineLimits): number => {
    const rate = limits[name];
    if (rate === undefined) return DEFAULT_HOST_LINES[name];
    if (rate === "unlimited" || rate === Infinity) return Infinity;
    checkInteger(`${argument}.${name}`, rate, 1, HOST_RATE_MAX);
    return rate;
  };
  return { linesPerSecond: rateOf("linesPerSecond"), lineBytesPerSecond: rateOf("lineBytesPerSecond") };
}

/** @throws TypeError where the options of `stop` or `close` are something else */
export function stopTimeoutOf(options: unknown): number | undefined {
  checkObject("options", options);
  const { timeoutMs } = options;
  if (timeoutMs === undefined || (typeof timeoutMs === "number" && !Number.isNaN(timeoutMs))) return timeoutMs;
  throw Object.assign(new TypeError(`"options.timeoutMs" must be a number`), { code: "ERR_INVALID_ARG_TYPE" });
}

/** Fields that a policy has, and that are not served yet. @throws PolicyError @internal */
export function checkServed(policy: Policy): Policy {
  const problems: PolicyProblem[] = [];
  if (policy.run === "shared" && policy.stdio.stdin === "inherit") {
    problems.push({
      field: "stdio.stdin",
      message: `must be "none" where "run" is "shared": a read would block the others`,
    });
  }
  if (problems.length > 0) throw new PolicyError(problems);
  return policy;
}

function isPlain(options: unknown): boolean {
  return typeof options === "object" && options !== null && !Array.isArray(options) && !(options instanceof Date);
}

export interface ReadOptions {
  readonly name: string | undefined;
  readonly onStartFailure: "throw" | "restart";
  readonly watch: boolean;
  readonly policy: Policy;
}

export function readOptions(options: PluginOptions): ReadOptions {
  // A copy of an array or a date would be an object without fields.
  if (!isPlain(options))
    return { name: undefined, onStartFailure: "throw", watch: false, policy: parsePolicy(options) };
  const { name, onStartFailure = "throw", watch = false, ...policy } = options;
  if (name !== undefined && (typeof name !== "string" || name === "")) {
    throw Object.assign(new TypeError(`"name" must be a string, and not empty`), { code: "ERR_INVALID_ARG_TYPE" });
  }
  checkOneOf("onStartFailure", onStartFailure, ["throw", "restart"]);
  checkBoolean("watch", watch);
  return { name, onStartFailure, watch, policy: checkServed(parsePolicy(policy)) };
}
