/**
 * Owns a channel's callbacks as events of a Node EventEmitter, for programs that do not subclass. Knows the handler classes
 * by their public methods, and the layer.
 */

import { EventEmitter } from "node:events";
import type { SocketAddress } from "../../backend/backend.js";
import { checkInstance } from "../../backend/check.js";
import type { Socket } from "../../net/socket.js";
import { AsyncChat } from "../chat/async-chat.js";
import { endsMessages } from "../chat/terminator.js";
import { controlsOf, Dispatcher } from "../dispatcher.js";
import { claimInput, overlay } from "./layer.js";
import { bufferOf } from "./tap.js";

/** What `events(channel)` emits, and with what. */
export interface ChannelEvents {
  /** `handleConnect`. */
  connect: [];
  /** Input has arrived. Of a chat: what is not part of a message, because there is no terminator. */
  data: [chunk: Buffer];
  /** Of a chat: a message, without its terminator. `foundTerminator`. */
  message: [message: Buffer];
  /** `handleEof`. The channel stays open if there is a listener; otherwise it is closed. */
  end: [];
  /** The socket has room for output: `handleWrite` of a Dispatcher, in every turn; `handleDrain` of a chat. */
  drain: [];
  /** Of a chat: `handleTimeout`. The channel stays open if there is a listener. */
  timeout: [];
  /** Of a listener: `handleAccepted`. The socket is the listener's to take over or to close. */
  connection: [socket: Socket, address: SocketAddress];
  /** `handleError`. The channel is closed after it. Without a listener, the error is logged. */
  error: [error: unknown];
  /** The channel has been closed. */
  close: [];
}

/** So many bytes are read at once, as Node does. */
const CHUNK_BYTES = 65_536;

const emitters = new WeakMap<Dispatcher, EventEmitter<ChannelEvents>>();

/**
 * The callbacks of a channel as events: `events(channel).on("data", (chunk) => ...)`. While an event has a listener, it is
 * emitted in place of the callback of the class; while it has none, the callback is called. What a listener throws is
 * handled like what a callback throws. The same emitter for each call with a channel.
 *
 * The first listener of "data" or "message" claims the channel's input: see `toDuplex`.
 */
export function events(channel: Dispatcher): EventEmitter<ChannelEvents> {
  checkInstance("channel", channel, Dispatcher);
  let emitter = emitters.get(channel);
  if (emitter === undefined) {
    emitter = new EventEmitter<ChannelEvents>();
    emitters.set(channel, emitter);
    connect(channel, emitter);
  }
  return emitter;
}

function connect(channel: Dispatcher, emitter: EventEmitter<ChannelEvents>): void {
  let isClaimed = false;
  const isChat = channel instanceof AsyncChat;

  /** Calls `own`, the class's callback, unless the event has a listener. */
  function emit<K extends keyof ChannelEvents>(name: K, own: () => unknown, ...values: ChannelEvents[K]): void {
    // The emitter's own type cannot tell that the values go with the name.
    const untyped: EventEmitter = emitter;
    if (untyped.listenerCount(name) === 0) own();
    else untyped.emit(name, ...values);
  }

  const { handleConnect, handleEof, handleAccepted, handleError, handleRead, handleWrite } = channel;
  overlay<Dispatcher>(channel, {
    handleConnect: () => emit("connect", () => handleConnect.call(channel)),
    handleEof: () => emit("end", () => handleEof.call(channel)),
    handleAccepted: (socket, address) =>
      emit("connection", () => handleAccepted.call(channel, socket, address), socket, address),
    handleError(error) {
      if (emitter.listenerCount("error") === 0) return handleError.call(channel, error);
      try {
        emitter.emit("error", error);
      } finally {
        channel.handleCloseEvent();
        // It has been called before, where the error came from handleClose itself.
        if (channel.fd >= 0) channel.close();
      }
    },
  });
  if (isChat) connectChat(channel, emit);
  else {
    overlay<Dispatcher>(channel, {
      handleRead() {
        if (emitter.listenerCount("data") === 0) return handleRead.call(channel);
        const data = channel.recv(CHUNK_BYTES);
        if (data.length > 0) emitter.emit("data", bufferOf(data));
      },
      handleWrite: () => emit("drain", () => handleWrite.call(channel)),
    });
  }

  const meta: EventEmitter = emitter;
  meta.on("newListener", (name: string) => {
    if ((name === "data" || name === "message") && !isClaimed) {
      claimInput(channel, "its events");
      isClaimed = true;
      if (isChat) channel.resumeReading();
      // Without a listener, and with a class that reads nothing, input was left unread.
      else if (channel.fd >= 0) controlsOf(channel).setReadInterest(true);
    }
    if (name === "drain" && !isChat) controlsOf(channel).setWriteInterest(true);
  });
  meta.on("removeListener", (name: string) => {
    if (name === "drain" && !isChat && emitter.listenerCount("drain") === 0) {
      controlsOf(channel).setWriteInterest(false);
    }
  });
  void channel.closed.then(() => emitter.emit("close"));
}

function connectChat(
  chat: AsyncChat,
  emit: <K extends keyof ChannelEvents>(name: K, own: () => unknown, ...values: ChannelEvents[K]) => void,
): void {
  const { collectIncomingData, foundTerminator, handleDrain, handleTimeout } = chat;
  const collected: Buffer[] = [];
  overlay<AsyncChat>(chat, {
    collectIncomingData: (data) => {
      // A view of the read buffer.
      const piece = Buffer.from(data);
      if (endsMessages(chat.getTerminator())) collected.push(piece);
      else emit("data", () => collectIncomingData.call(chat, data), piece);
    },
    foundTerminator() {
      const message = Buffer.concat(collected.splice(0));
      emit(
        "message",
        () => {
          if (message.length > 0) collectIncomingData.call(chat, message);
          return foundTerminator.call(chat);
        },
        message,
      );
    },
    handleDrain: () => emit("drain", () => handleDrain.call(chat)),
    handleTimeout: () => emit("timeout", () => handleTimeout.call(chat)),
  });
}
