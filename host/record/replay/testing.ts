/** Owns a recording as a test: the program is replayed, and a difference fails. Knows the replay; knows no test runner. */

import type { Backend } from "../../backend/backend.js";
import { checkFunction } from "../../backend/check.js";
import { ReplayDifference, ReplayOver } from "./difference.js";
import { type Replay, replay, type ReplayOptions } from "./replay.js";

/**
 * Runs a program on a recording, and fails with the first difference. The program makes its map with the backend that it is
 * given, and returns the promise of its `loop`; or it runs `loopSync`.
 * @returns how much was replayed
 * @throws ReplayDifference; what the program throws; RecordingError
 * @example
 * test("the session of bug 12", () => replayTest("bug-12.wrec", (backend) => {
 *   const map = new ChannelMap({ backend });
 *   new Server(map);
 *   return loop({ map });
 * }));
 */
export async function replayTest(
  recording: string | Uint8Array,
  program: (backend: Backend) => unknown,
  options: ReplayOptions = {},
): Promise<string> {
  checkFunction("program", program);
  const played = replay(recording, options);
  try {
    await program(played.backend);
  } catch (error) {
    played.rethrow();
    if (!(error instanceof ReplayOver)) throw error;
  }
  played.rethrow();
  if (!played.isComplete) throw endedEarly(played);
  return played.summary();
}

/** The program has ended, and the recording has more. */
export function endedEarly(played: Replay): ReplayDifference {
  return new ReplayDifference({
    turn: played.turns,
    fd: undefined,
    call: "end",
    expected: played.expected,
    found: "the program has ended",
  });
}
