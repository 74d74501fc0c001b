/**
 * Owns `Channel`: a handler as the loop sees it, and the callbacks that the loop's events lead to. Knows endpoints, and of
 * the engine no more than a channel's slot; knows no socket, no registry and no loop.
 *
 * `Dispatcher`, which users extend, is the other half: what a program asks of a channel. This one is no interface because
 * AssemblyScript looks at each call of an abstract method what the object is, and here only one class can answer.
 *
 * In the classes that users extend, a name that begins with an underscore is the library's own. There is no `#private` in
 * AssemblyScript, and a subclass that has a field or a method of the same name takes the place of the library's.
 */

import { Ready, State } from "../engine/channels";
import { channelEndInput } from "../engine/membership";
import { ERRNO_IO, ERRNO_SUCCESS } from "../shared/errno";
import { SocketAddress } from "./addresses";
import { ascii } from "./ascii";
import { Endpoint } from "./endpoint";
import { OSError, hasError } from "./errors";
import { IgnoredSet, IgnoredTypes } from "./ignored-types";
import { decimal, print, printError } from "./messages";

/** A handler as the loop sees it; every one is a `Dispatcher`. */
export abstract class Channel {
  /** Its name in the engine, while it is in the map. */
  _slot: i32 = -1;
  _generation: u32 = 0;
  /** Is it listed as one that left something to read? */
  _isKeeping: bool = false;
  _nextKeeping: Channel | null = null;
  /** The next whose descriptor is like this one's: see registry.ts. */
  _nextAlike: Channel | null = null;

  /** For subclasses to look at. asyncore: debug. */
  debug: bool = false;
  /** Is there a connection? Set by the library. */
  connected: bool = false;
  /** Is a connection being made? Set by the library. */
  connecting: bool = false;
  /** Is it listening? Set by the library. */
  accepting: bool = false;
  /** For subclasses; the library does not look at it. asyncore: closing. */
  closing: bool = false;
  /** The address given to `bind` or `connect`, or the peer's where the host gives it. */
  addr: SocketAddress | null = null;

  protected _endpoint: Endpoint | null = null;
  protected _interest: i32 = Ready.READ;
  protected _state: u8 = State.IDLE;
  /** Does a callback handle that it can write? */
  protected _handlesWrite: bool = false;
  /** Has handleEof been called for this endpoint, and handleClose? */
  protected _eofHandled: bool = false;
  protected _closeHandled: bool = false;
  private _ignored: IgnoredTypes | null = null;

  /** The descriptor; -1 where there is none. */
  get fd(): i32 {
    const endpoint = this._endpoint;
    return endpoint === null ? -1 : endpoint.fd;
  }

  abstract close(): void;

  /** Writes "log: message" to standard error. */
  log(message: string): void {
    printError("log: " + message);
  }

  /** Writes "type: message" to standard output, unless the type is one of {@link ignoreLogTypes}. */
  logInfo(message: string, type: string = "info"): void {
    const ignored = this._ignored;
    if (ignored === null ? type != "warning" : !ignored.has(type)) print(type + ": " + message);
  }

  /** Kinds of message that {@link logInfo} leaves out: "warning", unless it is set. */
  get ignoreLogTypes(): Set<string> {
    const ignored = this._ignored;
    if (ignored !== null) return (ignored as IgnoredSet).types;
    const types = new Set<string>();
    types.add("warning");
    this.ignoreLogTypes = types;
    return types;
  }

  set ignoreLogTypes(types: Set<string>) {
    this._ignored = new IgnoredSet(types);
  }

  // Sampled every turn where a subclass overrides them.

  /** Is it to be notified when there is something to read? By default, yes. */
  readable(): bool {
    return (this._interest & Ready.READ) != 0;
  }

  /** Is it to be notified when it can write? By default, where `handleWrite` is overridden. */
  writable(): bool {
    return (this._interest & Ready.WRITE) != 0;
  }

  // Callbacks, to be overridden.

  handleRead(): void {
    this._unhandled(ascii("read"));
  }

  handleWrite(): void {
    this._unhandled(ascii("write"));
  }

  /** There is out-of-band data: no WASI host reports it. */
  handleExpt(): void {
    this._unhandled(ascii("incoming priority"));
  }

  handleConnect(): void {
    this._unhandled(ascii("connect"));
  }

  /** The peer has sent its last byte; it may still read. As it is, that closes, as in asyncore: {@link handleClose}. */
  handleEof(): void {
    this.handleCloseEvent();
  }

  /** The peer has ended, or is gone. Called once at most. */
  handleClose(): void {
    this._unhandled(ascii("close"));
    this.close();
  }

  /** An operation in a callback failed, or the socket has an error. As it is, logs it and closes. What fails here ends the loop. */
  handleError(error: OSError): void {
    this.logInfo(uncaptured(ascii(", closing channel ") + this.toString(), error), "error");
    if (this._closeHandled) this.close();
    else this.handleCloseEvent();
  }

  // What the loop calls; a subclass that puts a layer of its own in between overrides these.

  handleReadEvent(): void {
    this.handleRead();
  }

  handleWriteEvent(): void {
    this.handleWrite();
  }

  handleExptEvent(): void {
    this.handleExpt();
  }

  handleConnectEvent(): void {
    this.handleConnect();
    if (this._slot < 0 || hasError()) return;
    this.connected = true;
    this.connecting = false;
  }

  /** @returns whether one was taken, so that more may be waiting. */
  abstract handleAcceptEvent(): bool;

  /** A stream has come to the end of its input: calls `handleEof`, once. */
  handleEofEvent(): void {
    // Also where it is found again, because the channel has joined the map anew.
    channelEndInput(this._slot, this._generation);
    if (this._eofHandled) return;
    this._eofHandled = true;
    this.handleEof();
  }

  handleCloseEvent(): void {
    // A handler may use a channel that it has closed; the failure of that is not reported.
    if (this.fd < 0) return;
    channelEndInput(this._slot, this._generation);
    if (this._closeHandled) return;
    this._closeHandled = true;
    this.handleClose();
  }

  /** Asked every turn, before the poll, where it was registered so: bits of interest. */
  sampleInterest(): i32 {
    const read = this.readable() ? i32(Ready.READ) : 0;
    return this.writable() && this._handlesWrite ? read | Ready.WRITE : read;
  }

  /** Reads before {@link handleReadEvent}. @returns whether there is something to report. */
  _readAhead(): bool {
    const endpoint = this._endpoint;
    return endpoint === null || endpoint.readAhead();
  }

  /** Keeps what {@link handleReadEvent} left. @returns whether there is something. */
  _keepAhead(): bool {
    const endpoint = this._endpoint;
    if (endpoint === null) return false;
    endpoint.keepAhead();
    return endpoint.hasKept;
  }

  /** Makes the error that `handleError` is given for a pending socket error. */
  socketError(errno: i32): OSError {
    const syscall = this.connecting ? ascii("connect") : ascii("poll");
    // The engine has left that state as well.
    if (this.connecting) this._state = State.IDLE;
    this.connecting = false;
    return new OSError(errno == ERRNO_SUCCESS ? ERRNO_IO : errno, syscall);
  }

  /** As asyncore's repr: "<EchoServer listening 127.0.0.1:7007>". */
  toString(): string {
    let text = ascii("<") + this.className;
    if (this.accepting) text += ascii(" listening");
    else if (this.connected) text += ascii(" connected");
    const addr = this.addr;
    if (addr !== null && addr.host.length > 0) text += " " + addr.host + ":" + decimal(addr.port);
    return text + ascii(">");
  }

  // What the build answers for each class, because a class cannot know it: its name, and what it overrides.

  abstract get className(): string;

  /** Does it override `readable` or `writable`? Then they are sampled every turn. */
  get overridesInterest(): bool {
    return false;
  }

  /** Does it override `handleWrite`? If not, it is not notified that it can write. */
  get overridesHandleWrite(): bool {
    return false;
  }

  /** Does it override `send`? Then a class of the library that sends does so by it. */
  get overridesSend(): bool {
    return false;
  }

  /** Nobody has overridden the callback of an event. */
  protected _unhandled(event: string): void {
    this.logInfo(ascii("unhandled ") + event + ascii(" event"), "warning");
  }
}

/** What is logged of an error, and what it happened in. */
export function uncaptured(where: string, error: OSError): string {
  return ascii("uncaptured exception") + where + " (" + error.toString() + ")";
}
