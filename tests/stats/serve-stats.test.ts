/** Statistics that a program serves: what they say, where, to whom, and what clients of any kind can do to it. */

import { chmodSync, existsSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { loop, loopSync, serveStats } from "wasyncore";
import { Recorder } from "../support/handlers.js";
import { captureLog } from "../support/log.js";
import { startScript } from "../support/processes.js";
import { newMap } from "../support/runs.js";
import { bytes, connectedPair } from "../support/sockets.js";
import { Asking, ownRuntime } from "./support.js";

let runtime = "";

beforeEach(() => {
  runtime = ownRuntime();
});

describe("serveStats", () => {
  test("answers with the map's counters, its busiest channels and its slowest callback", async () => {
    const map = newMap();
    const server = serveStats({ map });
    const [ours, theirs] = connectedPair();
    const [quietSocket] = connectedPair();
    const quiet = new Recorder(quietSocket, map);
    const channel = new Recorder(ours, map);
    const ended = loop({ map });
    const asking = await Asking.to(server);
    await asking.report();
    theirs.send(bytes("hello"));
    await expect.poll(() => channel.text).toBe("hello");
    await expect
      .poll(async () => (await asking.report()).maps[0])
      .toMatchObject({ bytesIn: 5, bytesOut: 0, channels: [{ bytesIn: 5, state: "connected" }, { bytesIn: 0 }] });
    const report = await asking.report();
    expect(report).toMatchObject({ version: 1, pid: process.pid, node: process.version });
    expect(report.maps[0]?.stats).toEqual(expect.objectContaining({ timersNow: 0, channelsNow: 4 }));
    expect(report.maps[0]?.channels.map(({ name }) => name)).toEqual(["Recorder", "Recorder"]);
    // The statistics' own channels do not keep the loop going.
    channel.close();
    quiet.close();
    await ended;
    server.close();
  });

  test("the socket is for the user alone, and is gone after close", () => {
    const map = newMap();
    const server = serveStats({ map });
    expect(server.path).toBe(join(runtime, "wasyncore", `${process.pid}.sock`));
    expect(statSync(server.path).mode & 0o777).toBe(0o600);
    expect(statSync(join(runtime, "wasyncore")).mode & 0o777).toBe(0o700);
    expect(() => serveStats({ map })).toThrow(expect.objectContaining({ code: "EADDRINUSE" }));
    server.close();
    server.close();
    expect(existsSync(server.path)).toBe(false);
    serveStats({ map }).close();
    loopSync({ map });
  });

  test("refuses a directory that others may enter, and options that it does not know", () => {
    const map = newMap();
    mkdirSync(join(runtime, "wasyncore"));
    chmodSync(join(runtime, "wasyncore"), 0o755);
    const directory = join(runtime, "wasyncore");
    const advice = "remove it, set XDG_RUNTIME_DIR, or choose another path";
    const refuse = (problem: string, place = directory): void => {
      const message = `${place} ${problem}: ${advice}`;
      expect(() => serveStats({ map })).toThrow(expect.objectContaining({ code: "ERR_STATS_DIRECTORY", message }));
    };
    refuse("can be entered by other users");
    rmSync(directory, { recursive: true });
    writeFileSync(directory, "a file");
    refuse("cannot be made (EEXIST)");
    rmSync(directory);
    writeFileSync(join(runtime, "elsewhere"), "a file");
    symlinkSync(runtime, directory);
    refuse("is not a directory");
    vi.stubEnv("XDG_RUNTIME_DIR", join(runtime, "elsewhere"));
    refuse("cannot be made (ENOTDIR)", join(runtime, "elsewhere", "wasyncore"));
    vi.stubEnv("XDG_RUNTIME_DIR", runtime);
    expect(() => serveStats({ port: 80 } as object)).toThrow(/port/);
    expect(() => serveStats({ maps: [{}] as never, path: join(runtime, "s") })).toThrow(/"options.maps"/);
    expect(() => serveStats({ map, path: 5 as never })).toThrow(/"options.path"/);
    expect(map.size).toBe(0);
  });

  test("a relative path stays that of the directory at the time of the call", () => {
    const map = newMap();
    const other = join(runtime, "other");
    mkdirSync(other);
    writeFileSync(join(other, "s.sock"), "a file of the program's");
    // Worker threads cannot change the directory.
    const cwd = vi.spyOn(process, "cwd").mockReturnValue(runtime);
    onTestFinished(() => cwd.mockRestore());
    const server = serveStats({ map, path: "s.sock" });
    expect(server.path).toBe(join(runtime, "s.sock"));
    cwd.mockReturnValue(other);
    server.close();
    expect([existsSync(join(other, "s.sock")), existsSync(join(runtime, "s.sock"))]).toEqual([true, false]);
    for (const path of ["", "a\0b"])
      expect(() => serveStats({ map, path })).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARG_VALUE" }));
  });

  test("a flood of requests without a reader costs one report at a time, and others are served", async () => {
    const map = newMap();
    const server = serveStats({ map });
    // Keeps the loop going, which a server of statistics does not.
    const timer = map.callEvery(1, () => {});
    const ended = loop({ map });
    const flooder = await Asking.to(server);
    flooder.socket.pause();
    for (let i = 0; i < 200; i++) flooder.socket.write("\n".repeat(10_000));
    const asking = await Asking.to(server);
    const first = await asking.report();
    const second = await asking.report();
    expect(second.pid).toBe(first.pid);
    const pending = [...map.values()].map((channel) => (channel as { outBufferLength?: number }).outBufferLength ?? 0);
    expect(Math.max(...pending)).toBeLessThan(100_000);
    // More peers than are served.
    const many = await Promise.all(Array.from({ length: 10 }, () => Asking.to(server)));
    await expect.poll(() => many.filter(({ socket }) => socket.readableEnded || socket.closed).length).toBe(4);
    for (const { socket } of [flooder, asking, ...many]) socket.destroy();
    await expect.poll(() => map.size).toBe(1);
    timer.cancel();
    await ended;
    server.close();
  });

  test("clients that send anything, and that leave in the middle of an answer, disturb nobody", async () => {
    const map = newMap();
    const server = serveStats({ map });
    const timer = map.callEvery(1, () => {});
    const log = captureLog();
    const ended = loop({ map });
    for (const data of [
      Buffer.alloc(200_000, 0xff),
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      Buffer.from([10, 10, 0, 10]),
    ]) {
      const { socket } = await Asking.to(server);
      socket.write(data);
      await new Promise(setImmediate);
      // What was not read of the answer makes it a reset.
      socket.destroy();
    }
    const asking = await Asking.to(server);
    expect(await asking.report()).toMatchObject({ version: 1, pid: process.pid });
    asking.socket.destroy();
    await expect.poll(() => map.size).toBe(1);
    timer.cancel();
    await ended;
    expect(log).toEqual([]);
    server.close();
  });

  test("a channel whose class cannot describe it is left out of the report", async () => {
    class Odd extends Recorder {
      override describe(): never {
        throw new Error("no");
      }
    }
    const map = newMap();
    const server = serveStats({ map });
    const [ours] = connectedPair();
    const [others] = connectedPair();
    const channels = [new Odd(ours, map), new Recorder(others, map)];
    const ended = loop({ map });
    const asking = await Asking.to(server);
    expect((await asking.report()).maps[0]?.channels.map(({ name }) => name)).toEqual(["Recorder"]);
    asking.socket.destroy();
    for (const channel of channels) channel.close();
    await ended;
    server.close();
  });

  test("a socket that a killed process has left is used again", async () => {
    const path = join(runtime, "stats.sock");
    const script = `
      import { serveStats } from "wasyncore";
      serveStats({ path: ${JSON.stringify(path)} });
      process.kill(process.pid, "SIGKILL");`;
    expect(await startScript(script).ended).toMatchObject({ signal: "SIGKILL" });
    expect(existsSync(path)).toBe(true);
    const map = newMap();
    const server = serveStats({ map, path });
    const timer = map.callEvery(1, () => {});
    const ended = loop({ map });
    expect(await (await Asking.to(server)).report()).toMatchObject({ pid: process.pid });
    timer.cancel();
    await ended;
    server.close();
    expect(existsSync(path)).toBe(false);
  });
});
