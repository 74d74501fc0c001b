/** Guests that run their loop themselves, on a scripted host: listeners, timers, the end of the loop, memory. */

import { beforeAll, describe, expect, test } from "vitest";
import { BUILD_TIMEOUT_MS, buildGuest, TRACING_COMMAND } from "./programs.js";
import { Connection, Exit, ScriptedHost, importsOf } from "./scripted-host.js";

let tracer: Uint8Array;

beforeAll(async () => {
  tracer = await buildGuest(TRACING_COMMAND);
}, BUILD_TIMEOUT_MS);

/** The calls that every host of preview 1 with sockets has. */
const STANDARD =
  /^wasi_snapshot_preview1\.(args_(sizes_)?get|environ_(sizes_)?get|clock_time_get|fd_(read|write|close|fdstat_(get|set_flags))|poll_oneoff|proc_exit|random_get|sock_(accept|recv|send|shutdown))$/;

test("imports standard calls alone", () => {
  for (const name of importsOf(tracer)) expect(name).toMatch(STANDARD);
});

describe("the listener", () => {
  test("is found wherever it is", () => {
    const host = new ScriptedHost(tracer, [17]);
    host.connect(new Connection("exit"), 17);
    expect(host.run()).toBe(0);
    expect(host.lines()).toEqual(["accept a", "read a exit", "the loop has ended"]);
  });

  test("that is missing is an error that says where it was looked for and how to give one; exit status 1", () => {
    const host = new ScriptedHost(tracer, []);
    expect(host.run()).toBe(1);
    expect(host.stderr).toMatch(/^no listening socket among descriptors 0 to 63; open are 0 1 2\./);
    expect(host.stderr).toContain("--profile component (wasmtime 47)");
    for (const runtime of [
      "wasyncore run",
      "wasmtime run -S preview2=n -S tcplisten",
      "wazero run -listen",
      "wasmi",
      "WasmEdge",
    ]) {
      expect(host.stderr).toContain(runtime);
    }
  });

  test(
    "is taken by its name in LISTEN_FDNAMES, and one beyond LISTEN_FDS is none",
    async () => {
      const module = await buildGuest(`
        import { listeners, takeListener } from "wasyncore/guest";
        const all = listeners();
        for (let i = 0; i < all.length; i++) console.log(all[i].fd.toString() + " " + all[i].name);
        console.log(takeListener("admin").fd.toString() + " " + takeListener().fd.toString());
        takeListener("admin");
      `);
      const host = new ScriptedHost(module, [3, 4, 6]);
      host.environment = ["A=B", "LISTEN_FDS=2", "LISTEN_FDNAMES=web:admin"];
      expect(host.run()).toBe(1);
      expect(host.lines()).toEqual(["3 web", "4 admin", "4 3"]);
      expect(host.stderr).toMatch(/^no listening socket named admin/);
    },
    BUILD_TIMEOUT_MS,
  );
});

test(
  "a listener that closes while it takes a connection is asked nothing more",
  async () => {
    const module = await buildGuest(`
      import { Dispatcher, loop, Socket, SocketAddress } from "wasyncore";
      import { takeListener } from "wasyncore/guest";
      class Once extends Dispatcher {
        override readable(): bool {
          if (this.fd < 0) console.log("asked");
          return true;
        }
        override handleAccepted(socket: Socket, _address: SocketAddress): void {
          console.log("accepted");
          socket.close();
          this.close();
        }
      }
      new Once(takeListener());
      loop();
    `);
    const host = new ScriptedHost(module);
    host.connect(new Connection("one"));
    host.connect(new Connection("two"));
    expect(host.run()).toBe(0);
    expect(host.lines()).toEqual(["accepted"]);
  },
  BUILD_TIMEOUT_MS,
);

test(
  "after the end of input: joining the map anew is no reason to read for ever, and closeWhenDone closes in handleClose as well",
  async () => {
    const module = await buildGuest(`
      import { AsyncChat, Dispatcher, loop, Socket, SocketAddress, socketMap } from "wasyncore";
      import { exitNow, takeListener } from "wasyncore/guest";
      let reads = 0;
      let chat: Chat | null = null;
      class Chat extends AsyncChat {
        override collectIncomingData(_data: Uint8Array): void {}
        override handleRead(): void {
          reads += 1;
          if (reads > 5) exitNow();
          super.handleRead();
        }
        override handleEof(): void {
          this.addChannel();
          chat = this;
          socketMap.callLater(10, () => {
            console.log("reads " + reads.toString());
            chat!.handleCloseEvent();
          });
        }
        override handleClose(): void {
          this.push("goodbye");
          this.closeWhenDone();
        }
        override close(): void {
          super.close();
          console.log("closed");
        }
      }
      class Once extends Dispatcher {
        override handleAccepted(socket: Socket, _address: SocketAddress): void {
          new Chat(socket);
          this.close();
        }
      }
      new Once(takeListener());
      loop();
    `);
    const host = new ScriptedHost(module);
    const connection = new Connection("hello");
    connection.ended = true;
    host.connect(connection);
    expect(host.run()).toBe(0);
    expect(host.lines()).toEqual(["reads 3", "closed"]);
    expect(connection.sent).toBe("goodbye");
  },
  BUILD_TIMEOUT_MS,
);

describe("the two orders of events", () => {
  function trace(...environment: string[]): string[] {
    const host = new ScriptedHost(tracer);
    host.environment = environment;
    const connections = [new Connection("x".repeat(10)), new Connection("y".repeat(10))];
    for (const connection of connections) {
      connection.room = 5;
      host.connect(connection);
    }
    host.onPoll = (poll) => {
      if (poll === 3) {
        for (const connection of connections) {
          connection.room = Infinity;
          connection.input.push(Buffer.from("quiet"));
        }
        host.stdout = "";
      }
      if (poll === 4) throw new Exit(0);
    };
    host.run();
    return host.lines();
  }

  test("are all reads, then all writes", () => {
    expect(trace()).toEqual(["read a quiet", "read b quiet", "write a", "write b"]);
  });

  test("with usePoll, channel by channel", () => {
    expect(trace("USE_POLL=1")).toEqual(["read a quiet", "write a", "read b quiet", "write b"]);
  });
});

test(
  "timers call functions and objects, in order of deadline, until they are cancelled",
  async () => {
    const module = await buildGuest(`
      import { loop, socketMap, Timer, TimerHandler } from "wasyncore";
      class Ticker implements TimerHandler {
        count: i32 = 0;
        timer: Timer | null = null;
        handleTimer(): void {
          this.count += 1;
          console.log("tick " + this.count.toString());
          if (this.count == 3) this.timer!.cancel();
        }
      }
      const start = socketMap.now();
      const ticker = new Ticker();
      ticker.timer = socketMap.callEvery(20, ticker);
      socketMap.callLater(30, () => { console.log("later"); });
      socketMap.callAt(start + 50, () => { console.log("at " + (socketMap.now() - start).toString()); });
      const never = socketMap.callLater(10, () => { console.log("never"); });
      console.log(never.active.toString() + never.cancel().toString() + never.active.toString() + never.cancel().toString());
      loop();
      console.log("ended at " + (socketMap.now() - start).toString());
    `);
    const host = new ScriptedHost(module);
    expect(host.run()).toBe(0);
    expect(host.lines()).toEqual([
      "truetruefalsefalse",
      "tick 1",
      "later",
      "tick 2",
      "at 50.0",
      "tick 3",
      "ended at 60.0",
    ]);
  },
  BUILD_TIMEOUT_MS,
);

test(
  "an error that nobody takes ends the program before the loop runs, with status 1 and its reason",
  async () => {
    const module = await buildGuest(`
      import { Dispatcher, loop } from "wasyncore";
      const server = new Dispatcher();
      server.createSocket();
      server.bind({ host: "127.0.0.1", port: 80 });
      loop();
    `);
    const host = new ScriptedHost(module);
    expect(host.run()).toBe(1);
    expect(host.stderr).toMatch(
      /^uncaught OSError: socket ENOTSUP: the host of this program has no such call; .*takeListener.*--profile preview1\+sockets\n$/,
    );
  },
  BUILD_TIMEOUT_MS,
);

test.each(["minimal", "incremental"])(
  "what functions hold that wait for the loop is not collected, what nobody holds is: %s runtime",
  async (runtime) => {
    const module = await buildGuest(
      `
      import { loop, socketMap, TimerHandler } from "wasyncore";
      let total: i64 = 0;
      class Waster implements TimerHandler {
        handleTimer(): void {
          for (let i = 0; i < 100; i++) total += new Array<i32>(1000).fill(7).length;
        }
      }
      function main(): void {
        const held = new Map<string, string>();
        for (let i = 0; i < 1000; i++) held.set("key " + i.toString(), "value " + i.toString());
        const waster = socketMap.callEvery(1, new Waster());
        loop({ count: 2000 });
        waster.cancel();
        let right = 0;
        for (let i = 0; i < 1000; i++) if (held.get("key " + i.toString()) == "value " + i.toString()) right += 1;
        console.log(right.toString() + " of 1000 " + (total > 1000000).toString() + " " + (memory.size() < 64).toString());
      }
      main();
      `,
      "--runtime",
      runtime,
    );
    const host = new ScriptedHost(module);
    expect(host.run()).toBe(0);
    expect(host.lines()).toEqual(["1000 of 1000 true true"]);
  },
  BUILD_TIMEOUT_MS,
);

/** What #private is on Node: a field of the same name and type would take the place of the library's. */
test(
  "a handler's own fields and methods may have any name that a handler's may have on Node",
  async () => {
    const module = await buildGuest(`
      import { AsyncChat, Dispatcher, loop, Socket, SocketAddress } from "wasyncore";
      import { exitNow, takeListener } from "wasyncore/guest";
      class Chat extends AsyncChat {
        slot: i32 = 1000;
        private generation: u32 = 1000;
        private state: u8 = 9;
        private interest: i32 = 0;
        private paused: bool = true;
        private blocked: bool = true;
        private writing: u8 = 9;
        queue: string = "queue";
        input: string = "input";
        out: string = "out";
        endpoint: string = "endpoint";
        constructor(socket: Socket) {
          super(socket);
          this.setTerminator("\\n");
        }
        lost(): string { return "lost"; }
        ended(): string { return "ended"; }
        transmit(): string { return "transmit"; }
        override collectIncomingData(data: Uint8Array): void {
          this._collectIncomingData(data);
        }
        override foundTerminator(): void {
          this.push(this._getData());
          this.push([this.slot.toString(), this.queue, this.input, this.out, this.lost(), this.ended(), this.transmit()].join(" "));
        }
        override handleClose(): void {
          super.handleClose();
          exitNow();
        }
      }
      class Server extends Dispatcher {
        override handleAccepted(socket: Socket, _address: SocketAddress): void {
          new Chat(socket);
        }
      }
      new Server(takeListener());
      loop();
    `);
    const host = new ScriptedHost(module);
    const connection = host.connect(new Connection("hello\n"));
    connection.ended = true;
    expect(host.run()).toBe(0);
    expect(connection.sent).toBe("hello1000 queue input out lost ended transmit");
    expect(connection.closed).toBe(true);
  },
  BUILD_TIMEOUT_MS,
);

test(
  "messages of the program are UTF-8",
  async () => {
    const module = await buildGuest(
      `console.log("aé€𝄞."); console.error("x"); export { turn } from "wasyncore/guest";`,
    );
    const host = new ScriptedHost(module);
    host.run();
    expect([host.stdout, host.stderr]).toEqual(["aé€𝄞.\n", "x\n"]);
  },
  BUILD_TIMEOUT_MS,
);
