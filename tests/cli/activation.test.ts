/** `wasyncore serve` with listening sockets that its parent has opened, as systemd's socket activation passes them. */

import { join } from "node:path";
import { setImmediate as nextIteration } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { openListener } from "../../host/net/listen.js";
import { Socket } from "../../host/net/socket.js";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { ask, Client } from "../plugin/support.js";
import { leaveOut } from "../support/missing.js";
import { Directory, Serve } from "./serve-support.js";

const reason = leaveOut("Tests of socket activation", process.platform === "linux" ? "" : "systemd is for Linux");
const ECHO = { name: "echo", module: "one.wasm" };

/** What the parent holds: it outlives every process that serves. */
class Parent {
  readonly web: Socket;
  readonly admin: Socket;
  readonly port: number;
  readonly #directory: Directory;

  constructor(directory: Directory) {
    this.#directory = directory;
    this.web = openListener({ host: "127.0.0.1", port: 0 });
    this.admin = openListener({ path: join(directory.path, "admin.sock") });
    this.port = this.web.localAddress().port ?? 0;
    onTestFinished(() => {
      this.web.close();
      this.admin.close();
    });
  }

  start(env: NodeJS.ProcessEnv = {}): Serve {
    const descriptors = [this.web.fd, this.admin.fd];
    return new Serve(this.#directory.path, ["plugins.json"], {
      env: { ...process.env, LISTEN_FDS: "2", LISTEN_FDNAMES: "web:admin", ...env },
      descriptors,
    });
  }
}

describe.skipIf(reason)("socket activation", { timeout: BUILD_TIMEOUT_MS }, () => {
  test("gives plugins the sockets by address or by name, and says which are not used", async () => {
    const directory = await Directory.create();
    const parent = new Parent(directory);
    // By its name: the address is another one.
    directory.plugins({ ...ECHO, listen: ["web=[::1]:9"] });
    const serve = await parent.start().up();
    expect(await serve.pluginPort("echo")).toBe(parent.port);
    expect(await ask(parent.port, "who")).toBe("one");
    await serve.stderr(/no plugin listens on the socket admin \(.*admin\.sock\): who connects to it waits/);
    // By its address, from the next reload on.
    directory.plugins({ ...ECHO, listen: ["web=[::1]:9"] }, { ...ECHO, name: "admin", listen: ["./admin.sock"] });
    expect(await serve.ctl("reload")).toMatchObject({ stdout: "reloaded: 1 started, 1 unchanged\n" });
    await serve.stderr(/admin: up, listening on .*admin\.sock/);
    // It keeps the socket where the address that it does not have changes.
    directory.plugins({ ...ECHO, module: "two.wasm", listen: ["web=[::1]:10"] });
    expect(await serve.ctl("reload")).toMatchObject({ stdout: "reloaded: 1 stopped, 1 replaced\n" });
    expect(await ask(parent.port, "who")).toBe("two");
  });

  test("a restart of the process loses no connection", async () => {
    const directory = await Directory.create();
    const parent = new Parent(directory);
    directory.plugins({ ...ECHO, listen: [`127.0.0.1:${parent.port}`] });
    let serve = await parent.start().up();
    let isOver = false;
    let answered = 0;
    const client = (async () => {
      while (!isOver) {
        expect(await ask(parent.port, "hello")).toBe("hello");
        answered++;
      }
    })();
    for (let round = 0; round < 3; round++) {
      serve.child.kill("SIGTERM");
      expect(await serve.ended).toMatchObject({ code: 0 });
      // Whoever connects now waits.
      const waiting = await Client.connect(parent.port);
      const answer = waiting.ask("who");
      serve = await parent.start().up();
      expect(await answer).toBe("one");
      await waiting.end();
    }
    isOver = true;
    await client;
    expect(answered).toBeGreaterThan(0);
  });

  test("a reload does not close the socket of a plugin that is gone", async () => {
    const directory = await Directory.create();
    const parent = new Parent(directory);
    directory.plugins({ ...ECHO, listen: ["web=[::1]:9"] });
    const serve = await parent.start().up();
    expect(await ask(parent.port, "who")).toBe("one");
    directory.plugins();
    expect(await serve.ctl("reload")).toMatchObject({ stdout: "reloaded: 1 stopped\n" });
    const waiting = await Client.connect(parent.port);
    const answer = waiting.ask("who");
    directory.plugins({ ...ECHO, module: "two.wasm", listen: ["web=[::1]:9"] });
    expect(await serve.ctl("reload")).toMatchObject({ stdout: "reloaded: 1 started\n" });
    expect(await answer).toBe("two");
  });

  test("leaves descriptors alone that are for another process, and those that are no listening sockets", async () => {
    const directory = await Directory.create();
    const parent = new Parent(directory);
    directory.plugins({ ...ECHO, listen: ["web=127.0.0.1:0"] });
    const other = await parent.start({ LISTEN_FDS: "none" }).up();
    expect(await other.pluginPort("echo")).not.toBe(parent.port);
    other.child.kill("SIGTERM");
    await other.ended;
    const more = await parent.start({ LISTEN_FDS: "3", LISTEN_FDNAMES: "web:admin:more" }).up();
    await more.stderr(/descriptor 5 \(more\) is no listening socket: it is not used/);
  });

  test("notifies the service manager: sd_notify(3)", async () => {
    const directory = await Directory.create();
    const path = join(directory.path, "notify.sock");
    const manager = Socket.create({ family: "unix", type: "dgram" });
    onTestFinished(() => manager.close());
    manager.bind({ path });
    const next = async (): Promise<string> => {
      while (true) {
        try {
          return Buffer.from(manager.recvFrom(4096).data).toString();
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
          await nextIteration();
        }
      }
    };
    directory.plugins({ ...ECHO, listen: ["127.0.0.1:0"] });
    const serve = new Serve(directory.path, ["plugins.json"], { env: { ...process.env, NOTIFY_SOCKET: path } });
    expect(await next()).toBe("READY=1");
    expect(await ask(await serve.pluginPort("echo"), "who")).toBe("one");
    serve.child.kill("SIGHUP");
    expect(await next()).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+$/);
    expect(await next()).toBe("READY=1");
    serve.child.kill("SIGTERM");
    expect(await next()).toBe("STOPPING=1");
    expect(await serve.ended).toMatchObject({ code: 0 });
  });
});
