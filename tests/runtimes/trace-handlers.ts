/**
 * Owns handlers that tell what they are told, on standard error, a line each: for Node and for a guest, from this one
 * source. Connections are by turns an echo and a chat, by order of arrival.
 */

import {
  AsyncChat,
  Dispatcher,
  DispatcherWithSend,
  type Socket,
  type SocketAddress,
  socketMap,
  type Timer,
} from "wasyncore";

let arrivals: i32 = 0;

/** Tells of each callback of a dispatcher, and sends back what it is sent. */
class TraceEcho extends DispatcherWithSend {
  private number: i32;

  constructor(socket: Socket, number: i32) {
    super(socket);
    this.number = number;
  }

  override handleRead(): void {
    const data = this.recv(65536);
    if (data.length === 0) return;
    console.error(`${this.number} read ${textOf(data)}`);
    this.send(data);
  }

  override handleEof(): void {
    console.error(`${this.number} eof`);
    super.handleEof();
  }

  override handleClose(): void {
    console.error(`${this.number} close`);
    this.close();
  }
}

/** Tells of each callback of a chat. A line says what ends the next message, or what else to do. */
class TraceChat extends AsyncChat {
  private number: i32;
  private isCommand: boolean = true;

  constructor(socket: Socket, number: i32) {
    super(socket);
    this.number = number;
    this.setTerminator("\r\n");
  }

  override collectIncomingData(data: Uint8Array): void {
    this._collectIncomingData(data);
  }

  override foundTerminator(): void {
    const text = textOf(this._getData());
    console.error(`${this.number} found ${text}`);
    const wasCommand = this.isCommand;
    this.isCommand = true;
    this.setTerminator("\r\n");
    if (!wasCommand) this.push(`${text}\n`);
    else if (text === "count") this.setTerminator(7);
    else if (text === "until") this.setTerminator("END");
    else if (text === "timers") startTimers();
    else this.push(`${text}\n`);
    if (wasCommand && (text === "count" || text === "until")) this.isCommand = false;
    if (wasCommand && text === "bye") this.closeWhenDone();
  }

  override handleEof(): void {
    console.error(`${this.number} eof`);
    super.handleEof();
  }

  override handleClose(): void {
    console.error(`${this.number} close`);
    this.close();
  }
}

export class TraceServer extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    arrivals += 1;
    console.error(`${arrivals} accepted`);
    if (arrivals % 2 === 1) new TraceEcho(socket, arrivals);
    else new TraceChat(socket, arrivals);
  }
}

let every: Timer | null = null;
let never: Timer | null = null;
let rounds: i32 = 0;

/** Of the same deadline the older one is first, and one that is cancelled does not fire. */
function startTimers(): void {
  socketMap.callLater(300, tellLast);
  socketMap.callLater(30, tellSecond);
  socketMap.callLater(10, tellFirst);
  socketMap.callLater(30, tellThird);
  never = socketMap.callLater(40, tellNever);
  every = socketMap.callEvery(50, tellRound);
}

function tellFirst(): void {
  console.error("timer first");
  const timer = never;
  if (timer !== null) timer.cancel();
}

function tellSecond(): void {
  console.error("timer second");
}

function tellThird(): void {
  console.error("timer third");
}

function tellNever(): void {
  console.error("timer that was cancelled");
}

function tellRound(): void {
  rounds += 1;
  console.error(`timer round ${rounds}`);
  const timer = every;
  if (rounds === 2 && timer !== null) timer.cancel();
}

function tellLast(): void {
  console.error("timer last");
}

/** ASCII, a byte a character. */
function textOf(data: Uint8Array): string {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let text = "";
  for (let i = 0; i < data.length; i++) text += String.fromCharCode(view.getUint8(i));
  return text;
}
