/**
 * Guests that open their own sockets, and others, on a scripted host that behaves as WasmEdge does: what a run there by
 * hand has shown.
 */

import { expect, test } from "vitest";
import { BUILD_TIMEOUT_MS, buildGuest, TRACER } from "./programs.js";
import { Connection, Exit, ScriptedHost } from "./scripted-host.js";

test(
  "with the socket extension a program opens, binds, listens and connects by itself",
  async () => {
    const module = await buildGuest(
      `
      import { Dispatcher } from "wasyncore";
      const server = new Dispatcher();
      server.createSocket({ family: "IPv6" });
      server.setReuseAddr();
      server.bind({ host: "::1", port: 8080 });
      server.listen(5);
      const client = new Dispatcher();
      client.createSocket();
      client.connect({ host: "127.0.0.1", port: 8080 });
      `,
      "--profile",
      "preview1+sockets",
    );
    const host = new ScriptedHost(module);
    host.run();
    expect(
      host.calls.filter((call) => call.startsWith("sock_")).map((call) => call.replaceAll(/ \d{3,}\b(?<!8080)/g, " *")),
    ).toEqual([
      "sock_open 2 2 *",
      "sock_setsockopt 10 0 0 * 4",
      "sock_bind 10 * 8080",
      "sock_listen 10 5",
      "sock_open 1 2 *",
      "sock_connect 11 * 8080",
    ]);
  },
  BUILD_TIMEOUT_MS,
);

test(
  "a descriptor may have any number below 2^31: those of WasmEdge are random",
  async () => {
    const module = await buildGuest(
      `
      import { Dispatcher, socketMap } from "wasyncore";
      const channels = new Array<Dispatcher>();
      function tell(): void {
        let text = socketMap.size.toString() + ":";
        for (let i = 0; i < channels.length; i++) {
          const fd = channels[i].fd;
          text += fd < 0 ? " closed" : socketMap.get(fd) === channels[i] ? " there" : " lost";
        }
        console.log(text + " " + socketMap.has(191).toString());
      }
      function open(count: i32): void {
        for (let i = 0; i < count; i++) {
          const channel = new Dispatcher();
          channel.createSocket();
          channels.push(channel);
        }
      }
      open(4);
      tell();
      channels[1].close();
      tell();
      channels[3].close();
      channels[0].close();
      tell();
      open(1);
      tell();
      channels.length = 0;
      open(200);
      let found = 0;
      for (let i = 0; i < 200; i++) if (socketMap.get(channels[i].fd) === channels[i]) found += 1;
      console.log(found.toString() + " of " + socketMap.size.toString());
      console.log((memory.size() < 32).toString());
      `,
      "--profile",
      "preview1+sockets",
    );
    const host = new ScriptedHost(module, []);
    host.numbers.push(0x7fff_ffff, 63, 127, 0x4000_003f, 0x7fff_ffff);
    // Numbers that have their lowest bits in common, and others.
    for (let i = 0; i < 200; i++) host.numbers.push(i % 2 === 0 ? 0x10_0000 + 0x1_0000 * i : 0x7000_0000 + 7 * i);
    expect(host.run()).toBe(0);
    expect(host.lines()).toEqual([
      "4: there there there there false",
      "3: there closed there there false",
      "1: closed closed there closed false",
      "2: closed closed there closed there false",
      "200 of 202",
      "true",
    ]);
  },
  BUILD_TIMEOUT_MS,
);

test(
  "a connection that the poll reports as ready, and that has failed, is reported as an error, found by SO_ERROR",
  async () => {
    const module = await buildGuest(
      `
      import { Dispatcher, loop, OSError } from "wasyncore";
      class Client extends Dispatcher {
        constructor(port: i32) {
          super();
          this.createSocket();
          this.connect({ host: "127.0.0.1", port: port });
        }
        override handleConnect(): void { console.log("connected"); this.close(); }
        override handleRead(): void { console.log("read"); }
        override handleError(error: OSError): void {
          console.log(error.syscall + " " + error.code + " " + this.connecting.toString());
        }
      }
      new Client(80);
      loop({ count: 3 });
      `,
      "--profile",
      "preview1+sockets",
    );
    const trace = (errno: number): string[] => {
      const host = new ScriptedHost(module, []);
      host.connectErrno = 6;
      host.socketErrno = errno;
      host.run();
      return host.lines();
    };
    expect(trace(14)).toEqual(["connect ECONNREFUSED false"]);
    expect(trace(0)).toEqual(["connected"]);
  },
  BUILD_TIMEOUT_MS,
);

test(
  "a host that wakes and tells of nothing is left alone for a while, and trusted again",
  async () => {
    const module = await buildGuest(`${TRACER}\nnew Server(takeListener());`, "--reactor");
    const host = new ScriptedHost(module);
    host.call("_initialize");
    host.turn();
    host.polling = "silent";
    const before = host.sleepsMs.length;
    for (let turn = 0; turn < 40; turn++) host.call("turn", 1_000_000_000n);
    expect(host.sleepsMs.slice(before)).toEqual(Array.from({ length: 8 }, () => 16));
    host.polling = "honest";
    host.turn();
    host.call("turn", 1_000_000_000n);
    expect(host.polls.at(-1)?.timeoutNs).toBe(1_000_000_000n);
  },
  BUILD_TIMEOUT_MS,
);

const STDIO = `
import { FileDispatcher, loop } from "wasyncore";
class Input extends FileDispatcher {
  override writable(): boolean { return false; }
  override handleRead(): void {
    const data = this.recv(100);
    if (data.length > 0) console.log(String.UTF8.decode(data.buffer));
  }
  override handleClose(): void { console.log("end of input"); this.close(); }
}
new Input(0);
loop();
`;

test(
  "a file that the host cannot wait for is read at once",
  async () => {
    const host = new ScriptedHost(await buildGuest(STDIO), []);
    const input = new Connection("a line", "another");
    input.ended = true;
    host.connections.set(0, input);
    host.files.add(0);
    expect(host.run()).toBe(0);
    expect(host.lines()).toEqual(["a line", "another", "end of input"]);
    expect(host.polls.every(({ timeoutNs }) => timeoutNs === 1n)).toBe(true);
  },
  BUILD_TIMEOUT_MS,
);

test(
  "standard input is closed when the host has been asked for something else, and idle input costs little",
  async () => {
    const host = new ScriptedHost(await buildGuest(STDIO), []);
    const input = new Connection();
    host.connections.set(0, input);
    host.onPoll = (count) => {
      if (count === 20) input.ended = true;
      if (count > 30) throw new Exit(9);
    };
    expect(host.run()).toBe(0);
    expect(host.lines()).toEqual(["end of input"]);
    expect(host.sleepsMs.slice(0, 7)).toEqual([1, 2, 4, 8, 16, 16, 16]);
    expect(host.lastAskedAtClose).toEqual([]);
  },
  BUILD_TIMEOUT_MS,
);
