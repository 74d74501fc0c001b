/**
 * Owns what one run of a plugin is given, and makes the calls of preview 1 of it: the backend, under control, held to the
 * policy. The same for each way to run. Knows no thread and no supervisor.
 */

import { isatty } from "node:tty";
import type { Backend } from "../backend/backend.js";
import { openDirectories } from "../guest/directories.js";
import { type GuestDirectory, type GuestStdio, Preview1 } from "../guest/preview1.js";
import type { Control } from "./control.js";
import { Controlled, type ControlOptions, forwarding } from "./controlled-backend.js";
import { HostLinesShare, type LentHostLines } from "./host-lines.js";
import { LineSplitter } from "./lines.js";
import type { OutputStream } from "./run.js";
// One by one: a thread does not load the schema.
import type { LentListeners } from "./listeners.js";
import { Account, type PolicyEvent } from "./policy/account.js";
import { guardBackend } from "./policy/guard.js";
import { type ProcessOptions, processOptions } from "./policy/process-options.js";
import type { Policy } from "./policy/types.js";
import type { Announced, LentConnector } from "./tls/connector.js";
import { GuestSockets } from "./tls/guest-sockets.js";

/** Can be sent to a thread. The descriptors are lent: the supervisor closes them when the run has ended. */
export interface Grant {
  readonly plugin: string;
  /** The guest's first argument. */
  readonly program: string;
  /** With the addresses of its names. */
  readonly policy: Policy;
  readonly listeners: LentListeners;
  /** A descriptor of the null device for each standard stream, in place of one that is not granted. */
  readonly nullFds: readonly [stdin: number, stdout: number, stderr: number];
  /** What all plugins of the host may write as lines. */
  readonly hostLines: LentHostLines;
  readonly accountMemory: SharedArrayBuffer;
  /** Where rules of its policy have TLS. */
  readonly connector: LentConnector | undefined;
}

export interface GrantedHooks {
  readonly commandFd: number | undefined;
  readonly onWait: ControlOptions["onWait"];
  readonly onUp: () => void;
  readonly onDrained: () => void;
  readonly onPolicyEvent: (event: PolicyEvent) => void;
  readonly onConnect: (announced: Announced) => void;
  /** What a call has completed: at least one line. */
  readonly onLines: (stream: OutputStream, lines: readonly string[]) => void;
}

/** What answers a guest's calls, made of what it is granted. */
interface Answering {
  close(): void;
}

/** What it is made of. */
export interface GrantedParts {
  readonly backend: Backend;
  readonly process: ProcessOptions;
  readonly args: readonly string[];
  readonly stdio: readonly [GuestStdio, GuestStdio, GuestStdio];
  readonly listeners: LentListeners;
  readonly directories: readonly GuestDirectory[];
  readonly account: Account;
}

export interface Granted<T = Preview1> {
  readonly answering: T;
  readonly controlled: Controlled;
  readonly account: Account;
  /** Ends the run: closes what it has open, which resets its connections unless `isGraceful`. */
  close(isGraceful: boolean): void;
}

const STREAMS = ["stdin", "stdout", "stderr"] as const;

/** The sockets whose TLS the host has are the guest's without it. */
function withoutTls(backend: Backend, grant: Grant, { onConnect }: GrantedHooks): Backend {
  const { listeners, connector, policy } = grant;
  if (connector === undefined && !listeners.some(({ tls }) => tls !== undefined)) return backend;
  return new GuestSockets(backend, { listeners, connect: policy.connect, connector, onConnect });
}

/** For a module of preview 1. */
export function createGranted(system: Backend, grant: Grant, control: Control, hooks: GrantedHooks): Granted {
  return createGrantedWith(
    system,
    grant,
    control,
    hooks,
    ({ backend, process, args, stdio, listeners, directories }) =>
      new Preview1(backend, { ...process, args, stdio, listeners, directories }),
  );
}

export function createGrantedWith<T extends Answering>(
  system: Backend,
  grant: Grant,
  control: Control,
  hooks: GrantedHooks,
  make: (parts: GrantedParts) => T,
): Granted<T> {
  const { policy, nullFds } = grant;
  const { limits } = policy;
  const account = new Account({
    plugin: grant.plugin,
    limits,
    onEvent: hooks.onPolicyEvent,
    memory: grant.accountMemory,
  });
  const outputs = new Map<number, (data: Uint8Array) => void>();
  const hostLines = new HostLinesShare(grant.hostLines);
  const splitters: LineSplitter[] = [];
  const blocking = new Set<number>();
  const stdio = STREAMS.map((stream, fd) => {
    const how = policy.stdio[stream];
    if (how === "inherit") {
      blocking.add(fd);
      return { fd, kind: isatty(fd) ? "terminal" : "stream" } as const;
    }
    const nullFd = nullFds[fd] ?? -1;
    if (how === "lines" && stream !== "stdin") {
      const splitter = new LineSplitter(account, hostLines, (lines) => hooks.onLines(stream, lines));
      splitters.push(splitter);
      outputs.set(nullFd, (data) => splitter.push(data));
    } else {
      outputs.set(nullFd, () => undefined);
    }
    return { fd: nullFd, kind: "stream" } as const;
  });
  const [stdin, stdout, stderr] = stdio;
  if (stdin === undefined || stdout === undefined || stderr === undefined) throw new Error("there are three streams");

  const backend = withoutTls(system, grant, hooks);
  const listeners = new Set(grant.listeners.map(({ fd }) => fd));
  const { commandFd, onWait, onUp, onDrained } = hooks;
  const controlled = new Controlled(backend, {
    ...{ control, commandFd, listeners, outputs, blocking },
    ...{ onWait, onUp, onDrained },
  });
  // With members that can be called by themselves.
  const guarded = forwarding(guardBackend(controlled.backend, policy, account));
  for (const fd of listeners) guarded.adopt(fd);
  const options = processOptions(policy, account);
  const directories = openDirectories(
    backend,
    policy.dirs.map(({ host, guest, readOnly }) => ({ hostPath: host, guestPath: guest, readOnly })),
  );
  for (const { fd } of directories) guarded.adopt(fd);
  let answering: T;
  try {
    answering = make({
      backend: guarded,
      process: options,
      args: [grant.program, ...options.args],
      stdio: [stdin, stdout, stderr],
      listeners: grant.listeners,
      directories,
      account,
    });
  } catch (error) {
    for (const { fd } of directories) guarded.close(fd);
    throw error;
  }
  return {
    answering,
    controlled,
    account,
    close(isGraceful) {
      for (const splitter of splitters) splitter.end();
      if (!isGraceful) controlled.resetConnections();
      answering.close();
      controlled.close();
    },
  };
}
