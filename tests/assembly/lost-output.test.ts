/**
 * What handleClose of a guest can know of output that the peer will not get, and what becomes of that output afterwards:
 * the guests' side of tests/handlers/lost-output.test.ts.
 */

import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { BUILD_TIMEOUT_MS, buildFile, buildGuest } from "./programs.js";
import { Connection, Exit, ScriptedHost } from "./scripted-host.js";
import { ROOT } from "../support/processes.js";

const CONNRESET = 15;
const PIPE = 64;

/** What to do on connecting and in handleClose is in the environment. For a new life there is a second connection. */
const SENDERS = `
import { AsyncChat, Dispatcher, DispatcherWithSend, loop, OSError, Producer, Socket, SocketAddress, socketMap } from "wasyncore";
import { environmentVariable, takeListener } from "wasyncore/guest";

const start = (environmentVariable("START") || "")!;
const onClose = (environmentVariable("ON_CLOSE") || "")!;
let next: Socket | null = null;
let chat: Chat | null = null;
let queue: Queue | null = null;

class Pieces implements Producer {
  left: i32 = 1000;
  more(): Uint8Array {
    this.left -= 1;
    return this.left >= 0 ? new Uint8Array(30000) : new Uint8Array(0);
  }
}

class Chat extends AsyncChat {
  begin(): void {
    if (start.includes("pause")) this.pauseReading();
    if (start.includes("producer")) this.pushWithProducer(new Pieces());
    if (start.includes("push")) this.push("nobody hears");
    if (start.includes("close when done")) {
      this.closeWhenDone();
      console.log("close is pending " + this.hasPendingOutput.toString());
    }
    this.report("begun");
  }
  report(when: string): void {
    console.log(
      when + " " + this.hasPendingOutput.toString() + " " + this.outBufferLength.toString() + " " + this.writable().toString(),
    );
  }
  override collectIncomingData(_data: Uint8Array): void {}
  override handleError(error: OSError): void {
    console.log("error " + error.code);
    this.handleCloseEvent();
  }
  override handleClose(): void {
    this.report("close");
    chat = this;
    socketMap.callLater(10, () => { chat!.report("later"); });
    if (onClose == "goodbye") {
      this.push("goodbye");
      this.closeWhenDone();
    }
    if (onClose.startsWith("new life")) {
      if (onClose == "new life") this.close();
      this.report("closed");
      this.setSocket(next!);
      this.push("of the new life");
    }
  }
  override close(): void {
    super.close();
    console.log("close()");
  }
}

class Queue extends DispatcherWithSend {
  begin(): void {
    this.send(new Uint8Array(1000));
    console.log("begun " + this.outBufferLength.toString());
  }
  override handleRead(): void {
    this.recv(100);
  }
  override handleClose(): void {
    console.log("close " + this.outBufferLength.toString());
    queue = this;
    socketMap.callLater(10, () => { console.log("later " + queue!.outBufferLength.toString()); });
    if (onClose.startsWith("new life")) {
      if (onClose == "new life") this.close();
      console.log("closed " + this.outBufferLength.toString());
      this.setSocket(next!);
      this.send(Uint8Array.wrap(String.UTF8.encode("new")));
    }
  }
}

class Server extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    if (onClose.startsWith("new life") && next === null) next = socket;
    else if (start == "queue") new Queue(socket).begin();
    else new Chat(socket).begin();
  }
}

new Server(takeListener());
loop();
`;

let module: Uint8Array;

beforeAll(async () => {
  module = await buildGuest(SENDERS);
}, BUILD_TIMEOUT_MS);

/** A socket that takes no more than `room` bytes. */
function full(room: number): Connection {
  const connection = new Connection();
  connection.room = room;
  return connection;
}

/** One whose peer is gone. */
function gone(): Connection {
  return lose(new Connection());
}

function lose(connection: Connection): Connection {
  connection.error = CONNRESET;
  connection.sendError = PIPE;
  return connection;
}

interface Played {
  readonly lines: string[];
  /** What each poll was asked. */
  readonly polls: string[][];
  /** What the connection of the new life was sent. */
  readonly next: string;
}

/**
 * Runs the guest with one connection, until the timer that is set in handleClose. The connection is lost in the second poll,
 * unless it takes everything.
 */
function play(start: string, connection: Connection, onClose = ""): Played {
  const host = new ScriptedHost(module);
  host.environment = [`START=${start}`, `ON_CLOSE=${onClose}`];
  const next = new Connection();
  if (onClose.startsWith("new life")) host.connect(next);
  host.connect(connection);
  host.onPoll = (count) => {
    if (count === 2 && connection.room < Infinity) lose(connection);
    if (host.stdout.includes("later") || count > 10) throw new Exit(0);
  };
  host.run();
  expect(host.stderr).toBe("");
  return { lines: host.lines(), polls: host.polls.map(({ descriptors }) => [...descriptors]), next: next.sent };
}

// A report: is output pending, how many bytes, and does it want to write?

describe("AsyncChat", () => {
  test.each([
    ["reads", "producer", 24_464],
    // The send that fails has asked the producer for more.
    ["does not read", "producer, pause", 84_464],
  ])("a producer is cut short by a reset, of one that %s", (_how, start, pending) => {
    // The producer gives 30,000 bytes a piece, and the socket takes one send of 65,536.
    const { lines } = play(start, full(65_536));
    expect(lines).toEqual(["begun true 24464 true", `close true ${pending} true`, "later false 0 false"]);
  });

  test("what was pending is dropped after handleClose, whether that closes or not, and nothing spins", () => {
    const { lines, polls } = play("push", full(0));
    expect(lines).toEqual(["begun true 12 true", "close true 12 true", "later false 0 false"]);
    expect(polls).toEqual([["read 3"], ["read 3", "read 10", "write 10"], ["read 3"], ["read 3"], ["read 3"]]);
  });

  test("closeWhenDone, after everything has been sent: nothing is pending", () => {
    const connection = new Connection();
    const { lines } = play("push, close when done", connection);
    expect(lines).toEqual(["close is pending true", "begun true 0 true", "close false 0 false", "later false 0 false"]);
    expect(connection.sent).toBe("nobody hears");
  });

  test("closeWhenDone, of a connection that is lost before everything has been sent: closes after handleClose", () => {
    const { lines } = play("push, close when done", full(0));
    expect(lines.slice(2)).toEqual(["close true 12 true", "close()", "later false 0 false"]);
  });

  test("what was pushed to a peer that is gone is pending in handleClose, and dropped then", () => {
    expect(play("push", gone()).lines).toEqual(["close true 12 true", "begun false 0 false", "later false 0 false"]);
  });

  test("output of the life that handleClose begins is kept", () => {
    const { lines, next } = play("push", gone(), "new life");
    expect(lines.slice(0, 3)).toEqual(["close true 12 true", "close()", "closed false 0 false"]);
    expect(next).toBe("of the new life");
  });

  test("output of the old connection is dropped where handleClose takes another socket without a close", () => {
    const { lines, next } = play("push", gone(), "new life at once");
    expect(lines).toEqual(["close true 12 true", "closed true 12 true", "begun false 0 false", "later false 0 false"]);
    expect(next).toBe("of the new life");
  });

  test("closeWhenDone in handleClose closes, and what was pushed before it is dropped", () => {
    const connection = full(0);
    const { lines } = play("producer", connection, "goodbye");
    expect(lines).toEqual(["begun true 90000 true", "close true 90000 true", "close()", "later false 0 false"]);
    expect(connection.sent).toBe("");
  });
});

describe("DispatcherWithSend", () => {
  test("what the peer did not take before its reset is counted in handleClose", () => {
    expect(play("queue", full(400)).lines).toEqual(["begun 600", "close 600", "later 0"]);
  });

  test("the first bytes, to a peer that is gone", () => {
    expect(play("queue", gone()).lines).toEqual(["close 1000", "begun 0", "later 0"]);
  });

  test("output of the life that handleClose begins is kept", () => {
    const { lines, next } = play("queue", gone(), "new life");
    expect(lines).toEqual(["close 1000", "closed 0", "begun 0", "later 0"]);
    expect(next).toBe("new");
  });

  test("output of the old connection is dropped where handleClose takes another socket without a close", () => {
    const { lines, next } = play("queue", full(400), "new life at once");
    expect(lines).toEqual(["begun 600", "close 600", "closed 600", "later 0"]);
    expect(next).toBe("new");
  });
});

test(
  "the echo server of the examples closes a connection that is lost before everything has been sent",
  async () => {
    const host = new ScriptedHost(await buildFile(join(ROOT, "examples/portable/echo-guest.ts")));
    const connection = host.connect(full(3));
    connection.input.push(Buffer.from("hello"));
    host.onPoll = (count) => {
      if (count === 3) lose(connection);
      if (count === 4) throw new Exit(0);
    };
    host.run();
    expect([connection.sent, connection.closed]).toEqual(["hel", true]);
  },
  BUILD_TIMEOUT_MS,
);
