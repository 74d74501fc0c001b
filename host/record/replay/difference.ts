/** Owns what a replay has to say where the program does something else than it did. Knows no file. */

/** What differs, and where. */
export interface DifferenceDetails {
  /** The turn, counted from 1; 0 before the first. */
  readonly turn: number;
  /** The channel's descriptor, where the call is on one. */
  readonly fd: number | undefined;
  /** The call that the program made: "send"; or "turn", "wait", "end". */
  readonly call: string;
  /** What the recording has. */
  readonly expected: string;
  /** What the program did. */
  readonly found: string;
}

/** The program has done something else than it did when it was recorded. */
export class ReplayDifference extends Error implements DifferenceDetails {
  override name = "ReplayDifference";
  readonly code = "ERR_REPLAY_DIFFERENCE";
  readonly turn: number;
  readonly fd: number | undefined;
  readonly call: string;
  readonly expected: string;
  readonly found: string;

  constructor({ turn, fd, call, expected, found }: DifferenceDetails) {
    const channel = fd === undefined ? "" : `, channel on descriptor ${fd}`;
    super(`difference in turn ${turn}${channel}, at ${call}\n  expected: ${expected}\n  found:    ${found}`);
    this.turn = turn;
    this.fd = fd;
    this.call = call;
    this.expected = expected;
    this.found = found;
  }

  /** The program's own frames, the innermost first. */
  get programStack(): readonly string[] {
    const frames = (this.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
    return frames.filter((line) => !isOwn(line)).map((line) => line.trim());
  }
}

/** Of this package, or of Node. */
const OWN = packageRoot(import.meta.url);

function packageRoot(url: string): string {
  return url.replace(/(?:dist|host)\/(?:[^/]+\/)*[^/]*$/, "");
}

function isOwn(frame: string): boolean {
  if (/\(?(?:node:|wasm:)/.test(frame)) return true;
  const path = OWN.replace("file://", "");
  return ["dist/", "host/"].some((part) => frame.includes(`${path}${part}`) || frame.includes(`${OWN}${part}`));
}

/** The recording is over: nothing that follows is known. */
export class ReplayOver extends Error {
  override name = "ReplayOver";
  readonly code = "ERR_REPLAY_OVER";
}
