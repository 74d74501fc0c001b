/** Owns the file dispatchers and the chats of a scenario in a guest: see dispatchers.ts. */

import { AsyncChat, FileDispatcher, type OSError } from "wasyncore";
import { type Script, type Traced } from "./actions.js";
import { show } from "./show.js";
import { log } from "./stage.js";
import { type Value } from "./value.js";

/** Writes down every callback but handleWrite, which not every handler overrides. */
export class TracedFile extends FileDispatcher implements Traced {
  protected script: Script;

  constructor(script: Script, fd: i32) {
    super(fd);
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

/** Says by itself whether it wants to read and to write. */
export class AskedFile extends TracedFile {
  override readable(): bool {
    this.script.actOnce(this, this, "readable");
    return this.script.hasReadable ? this.script.readable : super.readable();
  }

  override writable(): bool {
    this.script.actOnce(this, this, "writable");
    return this.script.hasWritable ? this.script.writable : super.writable();
  }
}

/** Is told when it can write as well. */
export class AskedWritingFile extends AskedFile {
  override handleWrite(): void {
    this.script.handle(this, this, "write");
  }

  override callBase(callback: string): void {
    if (callback === "write") super.handleWrite();
    else super.callBase(callback);
  }
}

/** Writes down every callback but handleWrite, which not every handler overrides. */
export class TracedChat extends AsyncChat implements Traced {
  protected script: Script;
  private collected: Uint8Array = new Uint8Array(0);

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

  override collectIncomingData(data: Uint8Array): void {
    log(`${this.script.name} collect ${show(data)}`);
    this.collected = data;
    this.script.act(this, this, "collect", "keep");
  }

  override foundTerminator(): void {
    this.script.note(this, "found");
    this.script.act(this, this, "found", "take");
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

  keep(): void {
    this._collectIncomingData(this.collected);
  }

  takeKept(): Uint8Array {
    return this._getData();
  }
}
