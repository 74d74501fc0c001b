/**
 * Owns what the tests of statistics share: a directory of their own for sockets, and a connection to a server of statistics. Knows
 * nothing of what is tested.
 */

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { onTestFinished, vi } from "vitest";
import type { StatsServer } from "wasyncore";
import type { Report } from "../../host/stats/report.js";

/** The directory in which this process serves its statistics until the test ends. */
export function ownRuntime(): string {
  const runtime = mkdtempSync(join(tmpdir(), "wasyncore-stats-"));
  vi.stubEnv("XDG_RUNTIME_DIR", runtime);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(runtime, { recursive: true, force: true });
  });
  return runtime;
}

/** A connection to a server of statistics. */
export class Asking {
  readonly socket: Socket;
  readonly #lines: AsyncIterator<string>;

  private constructor(path: string) {
    this.socket = connect(path);
    this.socket.on("error", () => undefined);
    this.#lines = createInterface({ input: this.socket })[Symbol.asyncIterator]();
    onTestFinished(() => void this.socket.destroy());
  }

  static async to({ path }: StatsServer): Promise<Asking> {
    const asking = new Asking(path);
    await once(asking.socket, "connect");
    return asking;
  }

  async report(): Promise<Report> {
    this.socket.write("\n");
    const { value } = (await this.#lines.next()) as { value: string };
    return JSON.parse(value) as Report;
  }
}
