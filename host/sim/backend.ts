/** Owns the backend of one simulated host: composes its calls, polls, and looks names up. Knows no socket and no file. */

import type { Backend, Clock } from "../backend/backend.js";
import { OSError } from "../backend/errors.js";
import type { Descriptors } from "./descriptors.js";
import { E } from "./file.js";
import { createFileCalls } from "./file-calls.js";
import { type Names, numericKind } from "./names.js";
import { createPathCalls } from "./path-calls.js";
import { SimPollSet, type Waiting } from "./poll-set.js";
import { createSocketCalls } from "./socket-calls.js";
import type { Surroundings } from "./surroundings.js";
import { Trace } from "./trace.js";
import type { FileTree } from "./tree.js";
import type { UnixNames } from "./unix-names.js";

const PIPE_BYTES = 65_536;

/** What the backend of a host is made of. */
export interface Parts {
  readonly around: Surroundings;
  readonly descriptors: Descriptors;
  readonly tree: FileTree;
  readonly unixNames: UnixNames;
  readonly names: Names;
  readonly waiting: Waiting;
  readonly clock: Clock;
  /** Calls back in so many milliseconds of the world's time. */
  later(delayMs: number, call: () => void): void;
  readonly pid: number;
}

const CODES = new Map(Object.entries(E).map(([code, errno]) => [errno, code]));

function errorCode(errno: number): string {
  // Linux has two names for some numbers: these are the ones in Node's own errors.
  if (errno === -E.EAGAIN) return "EAGAIN";
  if (errno === -E.ENOTSUP) return "ENOTSUP";
  return CODES.get(-errno) ?? `E${-errno}`;
}

export function createBackend(parts: Parts): Backend {
  const { around, descriptors, tree, unixNames, names, waiting, clock } = parts;
  const { faults, trace } = around;
  const small = faults.setting("small-buffers");
  const smallBytes = small === undefined ? 0 : (small.bytes ?? 1);

  function answer<T>(result: T | OSError): T {
    if (result instanceof OSError) throw result;
    return result;
  }

  return {
    name: "simulated",
    clock,
    errorCode,
    ...createSocketCalls(descriptors, around, unixNames, smallBytes, parts.pid),
    ...createFileCalls(descriptors, around, tree.volume, smallBytes || PIPE_BYTES),
    ...createPathCalls(descriptors, tree),

    createPollSet() {
      const set = new SimPollSet(waiting);
      descriptors.sets.add(set);
      return set;
    },

    isNumeric: numericKind,
    lookupSync(host, family) {
      const { result, delayMs } = names.ask(host, family, around.address);
      if (delayMs > 0) waiting.block(delayMs, () => false);
      trace.add(Trace.NAME, around.nowNs, around.index, host.length);
      return answer(result);
    },
    lookup(host, family) {
      const { result, delayMs } = names.ask(host, family, around.address);
      return new Promise((resolve, reject) => {
        const settle = (): void => {
          trace.add(Trace.NAME, around.nowNs, around.index, host.length);
          if (result instanceof OSError) reject(result);
          else resolve(result);
        };
        if (delayMs === 0) settle();
        else parts.later(delayMs, settle);
      });
    },
  };
}
