/**
 * Owns what handlers of a scenario do: the actions of ../handlers.ts, for a guest. Knows no class of handlers but by
 * `Traced`. A guest cannot throw: `raise` fails with an error by an operation that cannot succeed, and ends the callback.
 */

import {
  AsyncChat,
  type Dispatcher,
  type OSError,
  type Producer,
  SimpleProducer,
  Socket,
  SocketOptions,
  socketMap,
} from "wasyncore";
import { exitNow, takeError } from "wasyncore/guest";
import { show } from "./show.js";
import { addresses, flagsOf, handlers, leaveLoop, log } from "./stage.js";
import { Value } from "./value.js";

/** What actions need of a handler besides the library's own methods. */
export interface Traced {
  /** The library's own version of a callback. */
  callBase(callback: string): void;
  /** Of a chat: keeps what was collected, and takes what was kept. */
  keep(): void;
  takeKept(): Uint8Array;
}

/** Makes a handler for a connection that was accepted. */
export type Adopt = (spec: string, socket: Socket) => void;

/** A handler's part in the scenario. */
export class Script {
  name: string;
  kind: string;
  /** What `readable` and `writable` answer, where the scenario says so. */
  hasReadable: bool;
  hasWritable: bool;
  readable: bool;
  writable: bool;
  /** What nextTerminator sets. */
  terminators: Value[];
  adopt: Adopt;
  /** Of `accepted`. */
  socket: Socket | null = null;
  /** Of `error`. */
  error: OSError | null = null;
  private on: Map<string, Value> = new Map<string, Value>();

  constructor(name: string, spec: Value, adopt: Adopt) {
    const fields = spec.list;
    this.name = name;
    this.kind = fields[0].text;
    this.hasReadable = fields[1].kind !== "z";
    this.hasWritable = fields[2].kind !== "z";
    this.readable = fields[1].kind !== "f";
    this.writable = fields[2].kind !== "f";
    this.terminators = fields[4].list.slice(0);
    this.adopt = adopt;
    const on = fields[7].list;
    for (let i = 0; i < on.length; i++) this.on.set(on[i].list[0].text, on[i].list[1]);
  }

  has(callback: string): bool {
    return this.on.has(callback);
  }

  /** Writes down that a callback is called, with the handler's flags. */
  note(self: Dispatcher, callback: string): void {
    log(`${this.name} ${callback} ${flagsOf(self)}`);
  }

  /** A callback of no operands: writes it down, and does what the scenario says. */
  handle(self: Dispatcher, traced: Traced, callback: string): void {
    // The classes override handleRead for every handler; a scenario, only where it says what to do in it.
    if (callback !== "read" || this.has(callback)) this.note(self, callback);
    this.act(self, traced, callback);
  }

  handleAccept(self: Dispatcher, traced: Traced): void {
    if (this.has("accept")) this.note(self, "accept");
    this.act(self, traced, "accept");
  }

  /** Preview 1 does not tell the peer's address. */
  handleAccepted(self: Dispatcher, traced: Traced, socket: Socket): void {
    this.note(self, socket.address.host === "" ? "accepted somebody" : `accepted ${socket.address.host}`);
    this.socket = socket;
    this.act(self, traced, "accepted");
  }

  handleError(self: Dispatcher, traced: Traced, error: OSError): void {
    this.note(self, `error ${nameOf(error.code, error.syscall)}`);
    this.error = error;
    this.act(self, traced, "error");
  }

  /** What is said of an error is left out. */
  logInfo(message: string, type: string): void {
    log(`${this.name} log ${type}${type === "error" ? "" : ": " + message}`);
  }

  /** Does what the scenario says in a callback; the library's own version by default. */
  act(self: Dispatcher, traced: Traced, callback: string, byDefault: string = "super"): void {
    if (this.has(callback)) this.perform(self, traced, callback, this.on.get(callback).list);
    else if (byDefault === "super") traced.callBase(callback);
    else this.do(self, traced, callback, byDefault, []);
  }

  /** The first call of `readable` or `writable` alone does something: how many turns there are is not compared. */
  actOnce(self: Dispatcher, traced: Traced, callback: string): void {
    if (!this.has(callback)) return;
    const actions = this.on.get(callback).list;
    this.on.delete(callback);
    if (actions.length > 0) this.note(self, callback);
    this.perform(self, traced, callback, actions);
  }

  /** Does what the scenario says, until an action ends the callback. */
  perform(self: Dispatcher, traced: Traced, callback: string, actions: Value[]): void {
    for (let i = 0; i < actions.length; i++) {
      const operands = actions[i].list;
      const action = operands[0].text;
      this.do(self, traced, callback, action, operands);
      if (action === "raise") return;
    }
  }

  private do(self: Dispatcher, traced: Traced, callback: string, action: string, operands: Value[]): void {
    const first = operands.length > 1 ? operands[1] : new Value();
    if (action === "super") traced.callBase(callback);
    else if (action === "close") self.close();
    else if (action === "closeOther") handlers.get(first.text).close();
    else if (action === "raise") raise(first.text);
    else if (action === "want" && first.text === "readable") this.readable = operands[2].isTrue;
    else if (action === "want") this.writable = operands[2].isTrue;
    else if (action === "adopt") this.adoptAccepted(first.text, this.socket);
    else if (action === "acceptOne") this.adoptAccepted(first.text, self.accept());
    else if (action === "connect") self.connect(addresses.get(first.text));
    else if (action === "create") createSocket(self, first.text);
    else if (action === "shutdown") self.socket.shutdown("write");
    else if (action === "recv") this.receive(self, first.number);
    else if (action === "echo") this.echo(self, first.number);
    else if (action === "send") this.send(self, first.bytes);
    else if (self instanceof AsyncChat) this.doChat(self as AsyncChat, traced, action, operands, first);
    else throw new Error(`no such action: ${action}`);
  }

  private doChat(self: AsyncChat, traced: Traced, action: string, operands: Value[], first: Value): void {
    if (action === "keep") traced.keep();
    else if (action === "take") log(`${this.name} took ${show(traced.takeKept())}`);
    else if (action === "setTerminator") setTerminator(self, first);
    else if (action === "nextTerminator") this.setNextTerminator(self);
    else if (action === "push") self.push(first.bytes);
    else if (action === "pushTaken") self.push(traced.takeKept());
    else if (action === "produce") self.pushWithProducer(new ScriptedProducer(this.name, first.list));
    else if (action === "produceSimple") self.pushWithProducer(new SimpleProducer(first.bytes, operands[2].number));
    else if (action === "closeWhenDone") self.closeWhenDone();
    else if (action === "discard") self.discardBuffers();
    else throw new Error(`no such action: ${action}`);
  }

  private adoptAccepted(spec: string, socket: Socket | null): void {
    if (socket !== null) this.adopt(spec, socket);
  }

  private receive(self: Dispatcher, size: i32): Uint8Array {
    const data = self.recv(size);
    log(`${this.name} recv ${show(data)}`);
    return data;
  }

  private echo(self: Dispatcher, size: i32): void {
    const data = this.receive(self, size);
    if (data.length > 0) self.send(data);
  }

  private send(self: Dispatcher, data: Uint8Array): void {
    const sent = self.send(data);
    if (this.kind !== "withSend") log(`${this.name} sent ${sent}`);
  }

  private setNextTerminator(self: AsyncChat): void {
    if (this.terminators.length > 0) setTerminator(self, this.terminators.shift());
  }
}

/** Bytes, a number of bytes, or nothing. */
export function setTerminator(chat: AsyncChat, terminator: Value): void {
  if (terminator.kind === "n") chat.setTerminator(terminator.number);
  else if (terminator.kind === "z") chat.setTerminator(0);
  else chat.setTerminator(terminator.bytes);
}

/** Gives pieces, and says so. A piece that is null fails. */
class ScriptedProducer implements Producer {
  private name: string;
  private pieces: Value[];

  constructor(name: string, pieces: Value[]) {
    this.name = name;
    this.pieces = pieces.slice(0);
  }

  more(): Uint8Array {
    const piece = this.pieces.length > 0 ? this.pieces.shift() : new Value();
    if (this.pieces.length > 0 && piece.kind === "z") {
      log(`${this.name} more raises`);
      raise("scripted");
      return piece.bytes;
    }
    log(`${this.name} more ${show(piece.bytes)}`);
    return piece.bytes;
  }
}

/** The syscall of the error that "scripted" stands for. */
const SCRIPTED = "callLater";

function raise(what: string): void {
  if (what === "ExitNow") {
    leaveLoop();
    exitNow();
  } else if (what === "scripted") {
    socketMap.callLater(NaN, doNothing);
  } else if (what === "EPIPE") {
    const unconnected = Socket.create();
    unconnected.send(new Uint8Array(1));
    unconnected.close();
  } else {
    throw new Error(`cannot fail with ${what}`);
  }
}

function doNothing(): void {}

function createSocket(self: Dispatcher, family: string): void {
  const options = new SocketOptions();
  options.family = family;
  self.createSocket(options);
}

/** An error as a trace has it. */
export function nameOf(code: string, syscall: string): string {
  return syscall === SCRIPTED ? "scripted" : code;
}

/** Writes down and takes the error of what was done outside of a callback. */
export function noteRaised(name: string): void {
  const error = takeError();
  if (error !== null) log(`${name} raised ${nameOf(error.code, error.syscall)}`);
}
