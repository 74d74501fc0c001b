/// <reference types="node" preserve="true" />

/** Owns the entry "wasyncore/plugin": re-exports only. */

export type { SocketAddress } from "../backend/backend.js";
export { OSError } from "../backend/errors.js";
export { GuestError, type GuestErrorCode, type GuestFrame, GuestTrap } from "../guest/run.js";
export { compilePlugin, type PluginCode, type PluginModule } from "./code.js";
export { PluginError, type PluginErrorCode } from "./errors.js";
export { PluginHost } from "./host.js";
export type { LineLimits, PluginHostEvents, PluginHostOptions, PluginOptions } from "./host-options.js";
export { InheritedSockets, type InheritedSocketInfo } from "./inherited.js";
export type { ListenerSnapshot } from "./listeners.js";
export { type MetricsAddress, type MetricsServer, serveMetrics } from "./metrics.js";
export { ModuleError, type ModuleErrorCode } from "./metering/errors.js";
export type { AccountSnapshot, LimitName, PolicyEvent } from "./policy/account.js";
export { PolicyError, type PolicyProblem } from "./policy/errors.js";
export { parsePolicy } from "./policy/schema.js";
export type * from "./policy/types.js";
export type { OutputStream, PluginEnding } from "./run.js";
export type { PluginSnapshot, PluginState } from "./snapshot.js";
export type { TlsEvent, TlsSnapshot } from "./tls/use.js";
export type { TrapMemory } from "./trap-memory.js";
