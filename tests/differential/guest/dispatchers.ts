/**
 * Owns the dispatchers of a scenario in a guest: they write down each callback, and do what their script says. There is a
 * class for each choice of overridden methods that decides what the library tells a handler: `readable` and `writable`,
 * and `handleWrite`. Twin of ../handlers.ts, which makes its classes as it needs them.
 */

import { Dispatcher, DispatcherWithSend, type OSError, type Socket, type SocketAddress } from "wasyncore";
import { type Script, type Traced } from "./actions.js";
import { type Value } from "./value.js";

/** Writes down every callback but handleWrite, which not every handler overrides. */
export class TracedDispatcher extends Dispatcher implements Traced {
  protected script: Script;

  constructor(script: Script) {
    super();
    this.script = script;
  }

  override handleRead(): void {
    this.script.handle(this, this, "read");
  }

  override handleConnect(): void {
    this.script.handle(this, this, "connect");
  }

  override handleExpt(): void {
    this.script.handle(this, this, "expt");
  }

  override handleClose(): void {
    this.script.handle(this, this, "close");
  }

  override handleError(error: OSError): void {
    this.script.handleError(this, this, error);
  }

  override logInfo(message: string, type: string = "info"): void {
    this.script.logInfo(message, type);
  }

  override handleAccept(): void {
    this.script.handleAccept(this, this);
  }

  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    this.script.handleAccepted(this, this, socket);
  }

  /** What is done outside of a callback. */
  perform(actions: Value[]): void {
    this.script.perform(this, this, "", actions);
  }

  callBase(callback: string): void {
    if (callback === "read") super.handleRead();
    else if (callback === "connect") super.handleConnect();
    else if (callback === "expt") super.handleExpt();
    else if (callback === "close") super.handleClose();
    else if (callback === "error") this.callBaseError();
    else if (callback === "accept") super.handleAccept();
    else if (callback === "accepted") this.callBaseAccepted();
  }

  private callBaseError(): void {
    const error = this.script.error;
    if (error !== null) super.handleError(error);
  }

  private callBaseAccepted(): void {
    const socket = this.script.socket;
    if (socket !== null) super.handleAccepted(socket, socket.address);
  }

  keep(): void {}

  takeKept(): Uint8Array {
    return new Uint8Array(0);
  }
}

/** Says by itself whether it wants to read and to write. */
export class AskedDispatcher extends TracedDispatcher {
  override readable(): bool {
    this.script.actOnce(this, this, "readable");
    return this.script.hasReadable ? this.script.readable : super.readable();
  }

  override writable(): bool {
    this.script.actOnce(this, this, "writable");
    return this.script.hasWritable ? this.script.writable : super.writable();
  }
}

/** Is told when it can write. */
export class WritingDispatcher extends TracedDispatcher {
  override handleWrite(): void {
    this.script.handle(this, this, "write");
  }

  override callBase(callback: string): void {
    if (callback === "write") super.handleWrite();
    else super.callBase(callback);
  }
}

/** Both. */
export class AskedWritingDispatcher extends AskedDispatcher {
  override handleWrite(): void {
    this.script.handle(this, this, "write");
  }

  override callBase(callback: string): void {
    if (callback === "write") super.handleWrite();
    else super.callBase(callback);
  }
}

/** Writes down every callback but handleWrite, which not every handler overrides. */
export class TracedWithSend extends DispatcherWithSend implements Traced {
  protected script: Script;

  constructor(script: Script) {
    super();
    this.script = script;
  }

  override handleRead(): void {
    this.script.handle(this, this, "read");
  }

  override handleConnect(): void {
    this.script.handle(this, this, "connect");
  }

  override handleExpt(): void {
    this.script.handle(this, this, "expt");
  }

  override handleClose(): void {
    this.script.handle(this, this, "close");
  }

  override handleError(error: OSError): void {
    this.script.handleError(this, this, error);
  }

  override logInfo(message: string, type: string = "info"): void {
    this.script.logInfo(message, type);
  }

  /** What is done outside of a callback. */
  perform(actions: Value[]): void {
    this.script.perform(this, this, "", actions);
  }

  callBase(callback: string): void {
    if (callback === "read") super.handleRead();
    else if (callback === "connect") super.handleConnect();
    else if (callback === "expt") super.handleExpt();
    else if (callback === "close") super.handleClose();
    else if (callback === "error") this.callBaseError();
  }

  private callBaseError(): void {
    const error = this.script.error;
    if (error !== null) super.handleError(error);
  }

  keep(): void {}

  takeKept(): Uint8Array {
    return new Uint8Array(0);
  }
}
