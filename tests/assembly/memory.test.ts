/**
 * What guests hold while memory is collected, by each runtime at its worst: at every allocation, between all turns, and
 * never. Of what is held by its address alone, or by nobody, the memory is given away, and something else stands in it.
 */

import { describe, expect, test } from "vitest";
import { BUILD_TIMEOUT_MS, buildGuest } from "./programs.js";
import { Connection, ScriptedHost } from "./scripted-host.js";

const PROGRAM = `
import { AsyncChat, Dispatcher, DispatcherWithSend, OSError, SimpleProducer, Socket, SocketAddress, socketMap, TimerHandler } from "wasyncore";
import { environmentVariable, takeListener } from "wasyncore/guest";

function textOf(data: Uint8Array): string {
  return String.UTF8.decodeUnsafe(data.dataStart, data.length);
}

/** Reads by threes, twice a callback, and leaves the rest. */
class Reader extends Dispatcher {
  override handleRead(): void {
    const first = this.recv(3);
    const second = this.recv(3);
    console.log("read " + textOf(first) + " " + textOf(second));
  }
  override handleClose(): void {
    console.log(this.toString() + " " + socketMap.values().length.toString());
    this.close();
  }
}

class Echo extends DispatcherWithSend {
  override handleRead(): void {
    const data = this.recv(65536);
    console.log("echo " + textOf(data));
    this.send(data);
  }
}

class Later implements TimerHandler {
  constructor(private chat: Chat, private text: string) {}
  handleTimer(): void {
    this.chat.push(this.text + " later\\n");
  }
}

class Chat extends AsyncChat {
  constructor(socket: Socket) {
    super(socket);
    this.setTerminator("\\r\\n");
    this.idleTimeoutMs = 60000;
  }
  override collectIncomingData(data: Uint8Array): void {
    this._collectIncomingData(data);
  }
  override foundTerminator(): void {
    const text = textOf(this._getData());
    console.log("chat " + text);
    if (text.startsWith("fail")) {
      this.bind({ host: text.substring(5), port: 1 });
      return;
    }
    this.push("[" + text + "]");
    const bytes = Uint8Array.wrap(String.UTF8.encode("<" + text + ">"));
    this.push(bytes);
    this.pushWithProducer(new SimpleProducer(bytes, 3));
    this.push(text.toUpperCase() + "\\n");
    socketMap.callLater(0, new Later(this, text));
    if (text == "bytes") this.setTerminator(Uint8Array.wrap(String.UTF8.encode("--")));
    if (text == "four" || text == "wxyz") this.setTerminator(4);
    if (text == "done") this.closeWhenDone();
  }
  override handleError(error: OSError): void {
    console.log(error.toString());
  }
}

class Readers extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    new Reader(socket);
  }
}
class Echoes extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    new Echo(socket);
  }
}
class Chats extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    new Chat(socket);
  }
}

new Chats(takeListener("chat"));
new Echoes(takeListener("echo"));
new Readers(takeListener("read"));
console.log((environmentVariable("GREETING") as string) + " " + socketMap.size.toString());
`;

/** In place of the incremental runtime's own: whatever can go when something is allocated goes. */
const COLLECTING = `
import { __new as newOnly, __collect as collectAll } from "rt/itcms";
function collectAndNew(size: usize, id: i32): usize {
  collectAll();
  return newOnly(size, id);
}
`;

interface Runtime {
  readonly name: string;
  readonly source: string;
  readonly options: readonly string[];
  /** Is memory collected from outside, between the turns? */
  readonly collected: boolean;
}

const RUNTIMES: readonly Runtime[] = [
  {
    name: "incremental, collected at every allocation",
    source: COLLECTING + PROGRAM,
    options: ["--runtime", "incremental", "--", "--use", "__new=program/collectAndNew"],
    collected: false,
  },
  { name: "minimal, collected after every turn", source: PROGRAM, options: ["--", "--exportRuntime"], collected: true },
  { name: "stub, never collected", source: PROGRAM, options: ["--", "--runtime", "stub"], collected: false },
];

describe.each(RUNTIMES)("runtime $name", ({ source, options, collected }) => {
  test(
    "all that is read, queued, pushed, produced and timed comes out as it went in",
    async () => {
      const host = new ScriptedHost(await buildGuest(source, "--reactor", ...options), [3, 4, 5]);
      host.environment = ["GREETING=hello", "LISTEN_FDS=3", "LISTEN_FDNAMES=read:echo:chat"];
      const turns = (count: number): string[] =>
        Array.from({ length: count }, () => {
          const lines = host.turn();
          if (collected) host.call("__collect");
          return lines;
        }).flat();

      host.call("_initialize");
      expect(host.lines()).toEqual(["hello 3"]);

      const reader = host.connect(new Connection("abcdefgh", "ijkl"), 3);
      expect(turns(6)).toEqual(["read abc def", "read gh ijk", "read l "]);
      reader.ended = true;
      expect(turns(3)).toEqual(["<Reader connected> 4", "read  "]);

      const echo = new Connection("0123456789".repeat(30));
      echo.room = 4;
      host.connect(echo, 4);
      turns(3);
      echo.input.push(Buffer.from("more"));
      turns(3);
      echo.room = Infinity;
      turns(3);
      expect(echo.sent).toBe(`${"0123456789".repeat(30)}more`);

      const chat = new Connection("on", "e\r", "\nfail here\r\nbytes\r\nfour-", "-wxyzdone");
      chat.room = 9;
      host.connect(chat, 5);
      const told = turns(12);
      chat.room = Infinity;
      told.push(...turns(12));
      expect(told).toEqual([
        "chat one",
        "chat fail here",
        "OSError: bind EINVAL: here is no numeric address, and the host looks up no names",
        "chat bytes",
        "chat four",
        "chat wxyz",
        "chat done",
      ]);
      expect(chat.sent).toBe(
        "[one]<one><one>ONE\n[bytes]<bytes><bytes>BYTES\none later\n[four]<four><four>FOUR\n[wxyz]<wxyz><wxyz>WXYZ\n[done]<done><done>DONE\n",
      );
      expect(chat.closed).toBe(true);
    },
    BUILD_TIMEOUT_MS,
  );
});

test(
  "minimal runtime: what existed before the loop may grow in it, and what the program has pinned stays pinned after it",
  async () => {
    const module = await buildGuest(`
      import { loop, socketMap, TimerHandler } from "wasyncore";
      class Grower implements TimerHandler {
        constructor(private numbers: i32[]) {}
        handleTimer(): void {
          for (let i = 0; i < 1000; i++) this.numbers.push(new Array<i32>(10).fill(this.numbers.length)[9]);
        }
      }
      function main(): void {
        const address = __pin(changetype<usize>(String.UTF8.encode("pinned")));
        const numbers: i32[] = [];
        const timer = socketMap.callEvery(1, new Grower(numbers));
        loop({ count: 300 });
        loop({ count: 300 });
        timer.cancel();
        let right = 0;
        for (let i = 0; i < numbers.length; i++) if (numbers[i] == i) right += 1;
        console.log((right == numbers.length).toString() + " " + (right > 100000).toString());
        console.log(String.UTF8.decodeUnsafe(address, 6));
        __unpin(address);
      }
      main();
    `);
    const host = new ScriptedHost(module);
    expect(host.run()).toBe(0);
    expect(host.lines()).toEqual(["true true", "pinned"]);
  },
  BUILD_TIMEOUT_MS,
);
