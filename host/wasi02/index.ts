/**
 * Owns the start of a program in a component: the backend on WASI 0.2 becomes the default one, and the event loop runs the
 * program to its end. Knows the event loop by what is passed in: it is in a file of its own, which comes first.
 */

import { getArguments, getEnvironment } from "wasi:cli/environment@0.2.0";
import { exit } from "wasi:cli/exit@0.2.0";
import { getStderr } from "wasi:cli/stderr@0.2.0";
import { getStdout } from "wasi:cli/stdout@0.2.0";
import { now } from "wasi:clocks/monotonic-clock@0.2.0";
import type { OutputStream } from "wasi:io/streams@0.2.0";
import { runEverywhereOn } from "../backend/place.js";
import type { EventLoop } from "../typescript/event-loop.js";
import type { ProgramProcess } from "../typescript/process.js";
import { createWasi02 } from "./backend.js";
import { errnoOfStream } from "./errors.js";
import type { WasiPollSet } from "./poll-set.js";

/** What wasi:io writes in one call. */
const WRITE_BYTES_MAX = 4096;

/** Runs a program, from wasi:cli/run. @param script its path, as `process.argv[1]` has it */
export function start(loop: EventLoop, program: ProgramProcess, script: string, main: () => void): void {
  const { backend, poller, closeAll } = createWasi02(loop);
  runEverywhereOn(backend);
  program.start(
    {
      // The first is the name of the component.
      args: getArguments().slice(1),
      env: Object.fromEntries(getEnvironment()),
      monotonicNs: now,
      write: (fd, data) => writeAll(fd === 1 ? getStdout() : getStderr(), data),
    },
    script,
  );
  loop.run(
    {
      nowNs: now,
      wait: (sets, timeoutMs) => poller.wait(sets as readonly WasiPollSet[], timeoutMs),
      readyIn: (set) => (set as WasiPollSet).collected,
      get isExpecting() {
        return poller.isExpecting;
      },
      get hasPendingOutput() {
        return poller.hasPendingOutput;
      },
    },
    main,
    () => program.isOver,
    () => program.emitBeforeExit(),
  );
  program.emitExit();
  closeAll();
  loop.flush();
  // WASI 0.2.0 knows success and failure.
  if (program.status !== 0) exit({ tag: "err" });
}

/** Standard output that nobody reads any more is no reason to end. */
function writeAll(stream: OutputStream, data: Uint8Array): void {
  try {
    for (let at = 0; at < data.length; at += WRITE_BYTES_MAX) {
      stream.blockingWriteAndFlush(data.subarray(at, at + WRITE_BYTES_MAX));
    }
  } catch (thrown) {
    errnoOfStream(thrown);
  } finally {
    stream[Symbol.dispose]();
  }
}
