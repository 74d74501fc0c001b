/**
 * Owns Node's streams on channels, and channels on Node's streams. Knows the handler classes by their public methods, and
 * the layer.
 */

import { addAbortSignal, Duplex, type DuplexOptions, pipeline } from "node:stream";
import {
  checkAnyOf,
  checkBoolean,
  checkInstance,
  checkMethods,
  checkOptions,
  checkSignal,
} from "../../backend/check.js";
import { OSError } from "../../backend/errors.js";
import { backendOf, ChannelMap } from "../../loop/channel-map.js";
import { Socket } from "../../net/socket.js";
import { AsyncChat } from "../chat/async-chat.js";
import { controlsOf, Dispatcher } from "../dispatcher.js";
import { isOverride } from "../library.js";
import { ChatTap, type Collecting } from "./chat-tap.js";
import { overlay } from "./layer.js";
import { Output } from "./output.js";
import { libraryMethod, type Sink, Tap } from "./tap.js";

/** Options of `toDuplex`: some of those of Node's `Duplex`, and the map. Any other name is refused. */
export interface ToDuplexOptions {
  /** The map of the channel that is made where a `Socket` is given; default `socketMap`. */
  readonly map?: ChannelMap | undefined;
  /** Does the writing half stay open at end of input? Default true, as in Node's `Duplex`; `net.Socket` says false. */
  readonly allowHalfOpen?: boolean | undefined;
  /** False for a channel that is only written: a pipe's write end. Default true. */
  readonly readable?: boolean | undefined;
  /** False for a channel that is only read: a pipe's read end. Default true. */
  readonly writable?: boolean | undefined;
  /** Bytes that the stream buffers before it stops reading. Default: Node's. */
  readonly readableHighWaterMark?: number | undefined;
  /** Bytes from which `write` returns false. Default: Node's. */
  readonly writableHighWaterMark?: number | undefined;
  /** Destroys the stream when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

const OPTIONS = [
  "map",
  "allowHalfOpen",
  "readable",
  "writable",
  "readableHighWaterMark",
  "writableHighWaterMark",
  "signal",
] as const;

const NOTHING = new Uint8Array(0);

/** A chat without a terminator collects nothing. */
const NO_MESSAGES: Collecting = {
  collect: () => undefined,
  take: () => NOTHING,
  resume: (chat) => chat.resumeReading(),
};

/** What a stream needs of a channel. */
interface Port {
  /** Is more input wanted now? */
  read(on: boolean): void;
  /** Takes everything, then calls `done`. */
  write(pieces: readonly Uint8Array[], done: () => void): void;
  /** Ends the writing half, then calls `done`. */
  end(done: () => void): void;
}

/**
 * A Node stream on a channel, with back-pressure in both directions: what the stream does not take stays in the kernel,
 * and a `write` is complete when the socket has taken it. Data flows while a loop runs on the channel's map.
 *
 * The stream takes the channel over: its callbacks, except `handleConnect`, are not called any more, and what it has
 * queued is sent first. Destroying the stream closes the channel, and closing the channel destroys the stream. An error of
 * the channel is the stream's: ECONNRESET if the connection was lost.
 * @throws Error ERR_INPUT_CLAIMED if the channel's input goes to a stream or an iterator already
 */
export function toDuplex(source: Dispatcher | Socket, options: ToDuplexOptions = {}): Duplex {
  checkOptions("options", options, OPTIONS);
  const { map, ...streamOptions } = options;
  if (map !== undefined) checkInstance("map", map, ChannelMap);
  for (const name of ["allowHalfOpen", "readable", "writable"] as const)
    if (options[name] !== undefined) checkBoolean(`options.${name}`, options[name]);
  checkAnyOf("source", source, "a Socket or a Dispatcher of this package", [Socket, Dispatcher]);
  const isListening = source instanceof Socket ? isListener(source) : source.accepting;
  if (isListening) {
    const message = `"source" must be a connection, got a listener: use toDuplex on what it accepts`;
    throw Object.assign(new TypeError(message), { code: "ERR_INVALID_ARG_VALUE" });
  }
  if (source instanceof Socket) return new ChannelStream(() => new Dispatcher(source, map), streamOptions);
  return new ChannelStream(() => source, streamOptions);
}

function isListener(socket: Socket): boolean {
  return socket.fd >= 0 && socket.connectionState().kind === "listening";
}

/** Options of `fromDuplex`. */
export interface FromDuplexOptions {
  /** The map in which bytes are passed on; default `socketMap`. */
  readonly map?: ChannelMap | undefined;
}

/**
 * A socket for a handler, on any Node stream: what one sends, the other reads, with back-pressure, and each half ends by
 * itself. Bytes pass through a pair of Unix sockets, so a handler cannot tell it from a connection; a map's loop moves them.
 * Closing the socket destroys the stream. If the stream fails, the socket reads end of input: its error is the program's
 * to handle.
 * @throws TypeError for anything but a stream that can be read and written; OSError: EMFILE, ...
 */
export function fromDuplex(stream: Duplex, options: FromDuplexOptions = {}): Socket<"unix"> {
  // A duplex of another library need not be an instance of Node's class.
  checkMethods("stream", stream, "a Duplex", ["read", "pipe", "write", "end", "destroy"]);
  checkOptions("options", options, ["map"]);
  const { map } = options;
  if (map !== undefined) checkInstance("map", map, ChannelMap);
  const [near, far] = Socket.pair("stream", ...(map === undefined ? [] : [backendOf(map)]));
  let inner: Duplex | undefined;
  try {
    inner = toDuplex(far, { map });
    join(stream, inner);
  } catch (error) {
    inner?.destroy();
    for (const socket of [near, far]) socket.close();
    throw error;
  }
  return near;
}

/** What one reads, the other writes; if one fails, both are destroyed. */
function join(one: Duplex, other: Duplex): void {
  const destroyBoth = (error: Error | null | undefined): void => {
    if (error === null || error === undefined) return;
    one.destroy();
    other.destroy();
  };
  pipeline(one, other, destroyBoth);
  pipeline(other, one, destroyBoth);
}

class ChannelStream extends Duplex {
  readonly #channel: Dispatcher;
  readonly #port: Port;
  #inputEnded = false;

  /** @param open called once the options have been accepted: before that, nothing has changed */
  constructor(open: () => Dispatcher, { signal, ...options }: Omit<ToDuplexOptions, "map">) {
    if (signal !== undefined) checkSignal("signal", signal);
    super({ ...defined(options), decodeStrings: true, emitClose: true, autoDestroy: true });
    const channel = open();
    this.#channel = channel;
    this.#inputEnded = options.readable === false;
    const sink: Sink = {
      closes: true,
      data: (chunk) => {
        if (!this.push(chunk)) this.#port.read(false);
      },
      end: () => {
        this.#inputEnded = true;
        this.push(null);
      },
      closed: (error) => this.#closed(error),
    };
    this.#port = channel instanceof AsyncChat ? new ChatPort(channel, sink) : new ChannelPort(channel, sink);
    // Last: a signal that is aborted already destroys the stream.
    if (signal !== undefined) addAbortSignal(signal, this);
  }

  override _read(): void {
    this.#port.read(true);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#attempt(() => this.#port.write([chunk], done), done);
  }

  override _writev(
    chunks: readonly { chunk: Buffer; encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    const pieces = chunks.map(({ chunk }) => chunk);
    this.#attempt(() => this.#port.write(pieces, done), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#attempt(() => this.#port.end(done), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    try {
      this.#channel.close();
      done(error);
    } catch (thrown) {
      done(error ?? asError(thrown));
    }
  }

  #closed(error: unknown): void {
    const isComplete = this.#inputEnded && this.writableFinished;
    this.destroy(error === undefined || isComplete ? undefined : asError(error));
  }

  #attempt(step: () => void, done: (error: Error) => void): void {
    try {
      step();
    } catch (error) {
      done(asError(error));
    }
  }
}

/** A channel without terminators. */
class ChannelPort implements Port {
  readonly #channel: Dispatcher;
  readonly #tap: Tap;
  readonly #output: Output;

  constructor(channel: Dispatcher, sink: Sink) {
    this.#channel = channel;
    const controls = controlsOf(channel);
    this.#tap = new Tap(channel, controls, "a stream", sink);
    this.#output = new Output(channel, controls);
  }

  read(on: boolean): void {
    this.#tap.read(on);
  }

  write(pieces: readonly Uint8Array[], done: () => void): void {
    this.#output.write(pieces, done);
  }

  end(done: () => void): void {
    this.#output.write([], () => {
      endOutput(this.#channel);
      done();
    });
  }
}

/** A chat: its own queue takes the output, and has input that it has read already. */
class ChatPort implements Port {
  readonly #chat: AsyncChat;
  readonly #tap: ChatTap;
  #done: (() => void) | undefined;

  constructor(chat: AsyncChat, sink: Sink) {
    this.#chat = chat;
    this.#tap = new ChatTap(chat, NO_MESSAGES, "a stream", sink);
    chat.setTerminator(null);
    // A write is complete when nothing is pending any more.
    chat.highWaterMark = 1;
    chat.lowWaterMark = 0;
    overlay<AsyncChat>(chat, { handleDrain: () => this.#resumeWriting() });
    if (isOverride(chat.writable)) {
      overlay<AsyncChat>(chat, { writable: libraryMethod(() => AsyncChat.prototype.writable.call(chat)) });
    }
  }

  read(on: boolean): void {
    this.#tap.read(on);
  }

  write(pieces: readonly Uint8Array[], done: () => void): void {
    const chat = this.#chat;
    for (const piece of pieces) chat.push(piece);
    // What was queued before counts as well.
    if (pieces.length === 0) chat.push(NOTHING);
    if (chat.fd >= 0 && !chat.writableNeedDrain) done();
    else this.#done = done;
  }

  end(done: () => void): void {
    this.write([], () => {
      endOutput(this.#chat);
      done();
    });
  }

  #resumeWriting(): void {
    const done = this.#done;
    this.#done = undefined;
    done?.();
  }
}

/** Ends the writing half of a connection. A file has no halves, and a peer that is gone reads nothing. */
function endOutput(channel: Dispatcher): void {
  try {
    controlsOf(channel).endOutput();
  } catch (error) {
    if (!(error instanceof OSError && (error.code === "ENOTSOCK" || error.code === "ENOTCONN"))) throw error;
  }
}

/** Node takes an option that is given as undefined for given. */
function defined(options: Omit<ToDuplexOptions, "map">): DuplexOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : Object.assign(new Error(String(error)), { cause: error });
}
