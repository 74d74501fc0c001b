/**
 * Owns the handlers of a scenario on wasyncore: they write down what they are told and do what the scenario says. Knows
 * the public API, and nothing of steps. Twin of handlers.py.
 */

import {
  AsyncChat,
  type ChannelMap,
  Dispatcher,
  DispatcherWithSend,
  ExitNow,
  FileDispatcher,
  OSError,
  SimpleProducer,
  type Socket,
  type SocketAddress,
  type Terminator,
} from "wasyncore";
import { type Data, readData, show } from "./data.js";
import type { Action, HandlerSpec } from "./scenario.js";

/** What handlers need of whoever plays the scenario. */
export interface Stage {
  log(line: string): void;
  addressOf(name: string): SocketAddress;
  /** The name of the peer that an address is of. */
  ownerOf(address: SocketAddress): string;
  handler(name: string): Dispatcher;
  adopt(spec: string, socket: Socket): void;
}

/** Thrown by a handler because its scenario says so. */
class Scripted extends Error {}

type HandlerClass = new (socketOrFd: never, map: never) => Dispatcher;

/** What an action finds. */
interface Context {
  readonly stage: Stage;
  readonly name: string;
  readonly self: Dispatcher;
  /** The library's own version of the callback. */
  readonly base?: (() => void) | undefined;
  /** Of `accepted`. */
  readonly socket?: Socket;
  /** Of `collect`. */
  readonly data?: Uint8Array;
}

interface Wants {
  readable: boolean;
  writable: boolean;
}

const allWants = new WeakMap<Dispatcher, Wants>();

function wantsOf(handler: Dispatcher): Wants {
  return needed(allWants.get(handler));
}

/** An error by what it means, in no language. */
export function nameOf(error: unknown): string {
  if (error instanceof OSError) return error.code;
  if (error instanceof Scripted) return "scripted";
  if (error instanceof ExitNow) return "ExitNow";
  const { code, name } = error as { code?: string; name: string };
  return code === "ERR_METHOD_NOT_IMPLEMENTED" ? "not implemented" : name;
}

export function flagsOf({ connected, connecting, accepting }: Dispatcher): string {
  return `${connected ? "c" : "-"}${connecting ? "o" : "-"}${accepting ? "a" : "-"}`;
}

/** Chat's protected helpers, for its own subclass. */
class ScriptedChat extends AsyncChat {
  /** What is to be set yet. */
  terminators: (string | number | null)[] = [];

  keep(data: Uint8Array): void {
    this._collectIncomingData(data);
  }

  taken(): Uint8Array {
    return this._getData();
  }
}

/** A class of its own for each handler: what a class overrides decides what it is told. */
export function defineHandler(stage: Stage, name: string, spec: HandlerSpec): HandlerClass {
  const { kind = "dispatcher", on = {} } = spec;
  const made = { dispatcher: () => class extends Dispatcher {}, withSend: () => class extends DispatcherWithSend {} };
  const madeToo = { file: () => class extends FileDispatcher {}, chat: () => class extends ScriptedChat {} };
  const defined: HandlerClass = { ...made, ...madeToo }[kind]();
  const own = defined.prototype as Dispatcher;
  const base = Object.getPrototypeOf(own) as Dispatcher;
  const act = (self: Dispatcher, actions: readonly Action[] = [["super"]], more: Partial<Context> = {}): void => {
    perform({ stage, name, self, ...more }, actions);
  };
  const told = (self: Dispatcher, callback: string, detail = ""): void => {
    stage.log(`${name} ${callback}${detail} ${flagsOf(self)}`);
  };

  own.handleAccepted = function (this: Dispatcher, socket, address) {
    told(this, "accepted", ` ${stage.ownerOf(address)}`);
    act(this, on["accepted"], { base: () => base.handleAccepted.call(this, socket, address), socket });
  };
  own.handleConnect = function (this: Dispatcher) {
    told(this, "connect");
    act(this, on["connect"], { base: () => base.handleConnect.call(this) });
  };
  own.handleExpt = function (this: Dispatcher) {
    told(this, "expt");
    act(this, on["expt"], { base: () => base.handleExpt.call(this) });
  };
  own.handleClose = function (this: Dispatcher) {
    told(this, "close");
    act(this, on["close"], { base: () => base.handleClose.call(this) });
  };
  own.handleError = function (this: Dispatcher, error) {
    told(this, "error", ` ${nameOf(error)}`);
    act(this, on["error"], { base: () => base.handleError.call(this, error) });
  };
  own.logInfo = (message, type = "info") => {
    // What is said of an error names a stack.
    stage.log(`${name} log ${type}${type === "error" ? "" : `: ${message}`}`);
  };
  if (on["accept"] !== undefined) {
    own.handleAccept = function (this: Dispatcher) {
      told(this, "accept");
      act(this, on["accept"], { base: () => base.handleAccept.call(this) });
    };
  }
  if (on["read"] !== undefined) {
    own.handleRead = function (this: Dispatcher) {
      told(this, "read");
      act(this, on["read"], { base: () => base.handleRead.call(this) });
    };
  }
  if (on["write"] !== undefined) {
    own.handleWrite = function (this: Dispatcher) {
      told(this, "write");
      act(this, on["write"], { base: () => base.handleWrite.call(this) });
    };
  }
  for (const way of ["readable", "writable"] as const) {
    if (spec[way] === undefined) continue;
    let todo = on[way] ?? [];
    own[way] = function (this: Dispatcher) {
      // Asked every turn, and how many turns there are is nobody's business: only the first time is told.
      const doing = todo;
      todo = [];
      if (doing.length > 0) told(this, way);
      act(this, doing);
      return wantsOf(this)[way];
    };
  }
  if (own instanceof ScriptedChat) {
    own.collectIncomingData = function (this: ScriptedChat, data) {
      stage.log(`${name} collect ${show(data)}`);
      act(this, on["collect"] ?? [["keep"]], { data });
    };
    own.foundTerminator = function (this: ScriptedChat) {
      told(this, "found");
      act(this, on["found"] ?? [["take"]]);
    };
  }
  return defined;
}

/** Sets a new handler up as its scenario says. */
export function prepare(handler: Dispatcher, spec: HandlerSpec): void {
  allWants.set(handler, { readable: spec.readable ?? true, writable: spec.writable ?? true });
  if (!(handler instanceof ScriptedChat)) return;
  handler.terminators = [...(spec.terminators ?? [])];
  handler.setTerminator(terminatorOf(spec.terminator ?? null));
  handler.acInBufferSize = spec.in ?? 65_536;
  handler.acOutBufferSize = spec.out ?? 65_536;
}

function terminatorOf(terminator: unknown): Terminator {
  return typeof terminator === "string" ? readData(terminator) : (terminator as number | null);
}

/** Does what a scenario says, on a handler from outside of its callbacks. */
export function performOn(stage: Stage, name: string, self: Dispatcher, actions: readonly Action[]): void {
  perform({ stage, name, self }, actions);
}

/** Performs actions outside of a callback: an error of them is a line of the trace. */
export function performOutside(stage: Stage, name: string, self: Dispatcher, actions: readonly Action[]): void {
  try {
    performOn(stage, name, self, actions);
  } catch (error) {
    stage.log(`${name} raised ${nameOf(error)}`);
  }
}

/** A line for each handler: its flags, and whether its map has it. */
export function describeAll(stage: Stage, handlers: ReadonlyMap<string, Dispatcher>, map: ChannelMap): void {
  const members = [...map.values()] as unknown[];
  for (const [name, handler] of handlers) {
    stage.log(`${name} is ${flagsOf(handler)} ${members.includes(handler) ? "in the map" : "gone"}`);
  }
}

function perform(context: Context, actions: readonly Action[]): void {
  for (const [action, ...operands] of actions) {
    const run = ACTIONS[action];
    if (run === undefined) throw new Error(`no such action: ${action}`);
    run(context, ...(operands as never[]));
  }
}

function needed<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("not in this callback");
  return value;
}

function chatOf({ self }: Context): ScriptedChat {
  if (!(self instanceof ScriptedChat)) throw new Error("no chat");
  return self;
}

function receive({ stage, name, self }: Context, size: number): Uint8Array {
  const data = self.recv(size);
  stage.log(`${name} recv ${show(data)}`);
  return data;
}

/** Gives pieces, and says so. */
function piecesOf({ stage, name }: Context, pieces: readonly (Data | null)[]): { more(): Uint8Array } {
  const left = [...pieces];
  return {
    more() {
      const piece = left.length === 0 ? "" : (left.shift() ?? null);
      if (piece === null) {
        stage.log(`${name} more raises`);
        throw new Scripted();
      }
      stage.log(`${name} more ${show(readData(piece))}`);
      return readData(piece);
    },
  };
}

const ACTIONS: Readonly<Record<string, (context: Context, ...operands: never[]) => void>> = {
  super: ({ base }) => needed(base)(),
  close: ({ self }) => self.close(),
  closeOther: ({ stage }, other: string) => stage.handler(other).close(),
  adopt: ({ stage, socket }, spec: string) => stage.adopt(spec, needed(socket)),
  acceptOne({ stage, self }, spec: string) {
    const accepted = self.accept();
    if (accepted !== undefined) stage.adopt(spec, accepted[0]);
  },
  connect: ({ stage, self }, to: string) => self.connect(stage.addressOf(to)),
  create: ({ self }, family: "IPv4") => self.createSocket({ family }),
  shutdown: ({ self }) => self.socket.shutdown("write"),
  sendTo: ({ stage, self }, to: string, data: Data) => void self.socket.sendTo(readData(data), stage.addressOf(to)),
  recv: (context, size: number) => void receive(context, size),
  echo(context, size: number) {
    const data = receive(context, size);
    if (data.length > 0) context.self.send(data);
  },
  send({ stage, name, self }, data: Data) {
    const sent = self.send(readData(data));
    if (!(self instanceof DispatcherWithSend)) stage.log(`${name} sent ${sent}`);
  },
  recvFrom({ stage, name, self }, size: number) {
    const { data, address } = self.socket.recvFrom(size);
    stage.log(`${name} recvFrom ${show(data)} ${stage.ownerOf(address)}`);
  },
  recvUrgent: ({ stage, name, self }) => stage.log(`${name} recvUrgent ${show(self.socket.recvOutOfBand())}`),
  raise(_context, what: string) {
    if (what === "ExitNow") throw new ExitNow();
    if (what === "scripted") throw new Scripted();
    throw new OSError(what, { errno: 0, syscall: "scripted" });
  },
  want: ({ self }, way: keyof Wants, on: boolean) => void (wantsOf(self)[way] = on),
  keep: (context) => chatOf(context).keep(needed(context.data)),
  take: (context) => context.stage.log(`${context.name} took ${show(chatOf(context).taken())}`),
  getTerminator(context) {
    const terminator = chatOf(context).getTerminator();
    const shown = terminator instanceof Uint8Array ? show(terminator) : JSON.stringify(terminator);
    context.stage.log(`${context.name} terminator ${shown}`);
  },
  setTerminator: (context, to: string | number | null) => chatOf(context).setTerminator(terminatorOf(to)),
  nextTerminator(context) {
    const next = chatOf(context).terminators.shift();
    if (next !== undefined) chatOf(context).setTerminator(terminatorOf(next));
  },
  push: (context, data: Data) => void chatOf(context).push(readData(data)),
  pushTaken: (context) => void chatOf(context).push(chatOf(context).taken()),
  produce: (context, pieces: readonly (Data | null)[]) => chatOf(context).pushWithProducer(piecesOf(context, pieces)),
  produceSimple: (context, data: Data, size: number) =>
    chatOf(context).pushWithProducer(new SimpleProducer(readData(data), size)),
  closeWhenDone: (context) => chatOf(context).closeWhenDone(),
  discard: (context) => chatOf(context).discardBuffers(),
};
