/** What NODE_DEBUG has a program print of its loop. */

import { describe, expect, test } from "vitest";
import { ROOT, requireBuild, start as startProcess } from "../support/processes.js";

describe("NODE_DEBUG", () => {
  const script = `
    import { Dispatcher, loop, socketMap } from "wasyncore";
    class Server extends Dispatcher {
      handleAccepted(socket) { new Client(socket); this.close(); }
    }
    class Client extends Dispatcher {
      handleConnect() { this.send(new Uint8Array(3)); this.close(); }
      handleRead() { if (this.recv(10).length > 0) throw new TypeError("no"); }
    }
    const server = new Server();
    server.createSocket();
    server.bind({ host: "127.0.0.1", port: 0 });
    server.listen(1);
    const client = new Client();
    client.createSocket();
    client.connect(server.socket.localAddress());
    socketMap.callLater(0, function tick() {});
    await loop();`;

  async function lines(sections: string): Promise<string[]> {
    requireBuild("dist/index.js");
    const command = ['NODE_DEBUG="$1" exec "$0" --input-type=module --eval "$2"', process.execPath, sections, script];
    const { code, stderr } = await startProcess("sh", ["-c", ...command], ROOT).ended;
    expect(code).toBe(0);
    return stderr
      .replaceAll(/127\.0\.0\.1:\d+/g, "ADDRESS")
      .split("\n")
      .slice(0, -1);
  }

  test("wasyncore prints the life of channels", async () => {
    const printed = (await lines("wasyncore")).map((line) =>
      line.replace(/^WASYNCORE \d+: /, "").replaceAll(/fd=\d+/g, "fd=N"),
    );
    expect(printed).toEqual(
      expect.arrayContaining([
        "accept <Server listening ADDRESS> from ADDRESS fd=N",
        "connect <Client ADDRESS> fd=N",
        expect.stringMatching(/^close <Server.*> fd=N in=0 out=0$/),
        expect.stringMatching(/^close <Client.*> fd=N in=0 out=3$/),
        expect.stringMatching(/^error <Client.*> TypeError: no$/),
        expect.stringMatching(/^close <Client.*> fd=N in=3 out=0$/),
      ]),
    );
    expect(printed).toHaveLength(6);
  });

  test("prints names, addresses and messages without the control characters that they hold", async () => {
    requireBuild("dist/index.js");
    const odd = `
      import { Dispatcher, loop } from "wasyncore";
      const made = { ["A\\u001b[2J\\u0007"]: class extends Dispatcher {} }["A\\u001b[2J\\u0007"];
      Object.defineProperty(made, "name", { value: "A\\u001b[2J\\n" });
      made.prototype.handleTimer = function () {};
      const channel = new made();
      channel.createSocket();
      channel.bind({ host: "127.0.0.1", port: 0 });
      channel.listen(1);
      const other = new Dispatcher();
      other.handleConnect = () => { throw new TypeError("\\u009b31m\\r\\nFAKE"); };
      other.handleError = () => { other.close(); channel.close(); };
      other.createSocket();
      other.connect(channel.socket.localAddress());
      await loop();`;
    const command = ['NODE_DEBUG=wasyncore exec "$0" --input-type=module --eval "$1"', process.execPath, odd];
    const { code, stderr } = await startProcess("sh", ["-c", ...command], ROOT).ended;
    expect(code).toBe(0);
    const printed = stderr.split("\n").slice(0, -1);
    expect(printed.length).toBeGreaterThan(2);
    for (const line of printed) {
      expect(line).toMatch(/^WASYNCORE \d+: /);
      // oxlint-disable-next-line no-control-regex
      expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    }
    expect(stderr).toContain("A?[2J?");
    expect(stderr).toContain("TypeError: ?31m??FAKE");
  });

  test("its sections print turns, polls and handlers; a wildcard all of them", async () => {
    expect(await lines("wasyncore:turn")).toContainEqual(
      expect.stringMatching(/^WASYNCORE:TURN \d+: turn ready=\d+ callbacks=\d+ \d+\.\d+ ms$/),
    );
    expect(await lines("wasyncore:poll")).toContainEqual(
      expect.stringMatching(/^WASYNCORE:POLL \d+: poll \d+\.\d+ ms$/),
    );
    const handlers = await lines("wasyncore:handlers");
    expect(handlers).toContainEqual(
      expect.stringMatching(/^WASYNCORE:HANDLERS \d+: handleRead <Client.*> \d+\.\d+ ms$/),
    );
    expect(handlers).toContainEqual(expect.stringMatching(/^WASYNCORE:HANDLERS \d+: timer tick \d+\.\d+ ms$/));
    const all = (await lines("wasyncore*")).map((line) => /^([A-Z:]+) /.exec(line)?.[1]);
    expect(new Set(all)).toEqual(new Set(["WASYNCORE", "WASYNCORE:TURN", "WASYNCORE:POLL", "WASYNCORE:HANDLERS"]));
    expect(await lines("http")).toEqual([]);
  });
});
