/**
 * The handlers of a countdown, for Node and for a guest: docs/portable.md. A client that sends a number gets the numbers
 * from there down to 0. One that sends nothing gets a message that says so.
 */

import { AsyncChat, Dispatcher, type Socket, type SocketAddress, type Timer, type TimerHandler } from "wasyncore";

const NUMBER_MAX = 1000;
const PERIOD_MS = 20;
const PATIENCE_MS = 3000;

/** Its timers call the object, not a function: in a guest, functions have no closures. */
class Countdown extends AsyncChat implements TimerHandler {
  private left: i32 = -1;
  private timer: Timer | null = null;

  constructor(socket: Socket) {
    super(socket);
    this.setTerminator("\n");
    this.maxLineLength = 100;
    this.timer = this.map.callLater(PATIENCE_MS, this);
  }

  override collectIncomingData(data: Uint8Array): void {
    this._collectIncomingData(data);
  }

  override foundTerminator(): void {
    const number = parseInt(textOf(this._getData()));
    if (this.left >= 0) return;
    if (!(number >= 0 && number <= NUMBER_MAX)) {
      this.end("That is no number.\n");
      return;
    }
    this.stop();
    this.left = number as i32;
    this.timer = this.map.callEvery(PERIOD_MS, this);
  }

  /** Called by either timer. */
  handleTimer(): void {
    if (this.left < 0) {
      this.end("You are very quiet.\n");
    } else if (this.left === 0) {
      this.end("0\n");
    } else {
      this.push(`${this.left}\n`);
      this.left -= 1;
    }
  }

  override handleClose(): void {
    this.stop();
    super.handleClose();
  }

  private end(text: string): void {
    this.stop();
    this.push(text);
    this.closeWhenDone();
  }

  private stop(): void {
    const timer = this.timer;
    if (timer !== null) timer.cancel();
  }
}

export class CountdownServer extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    new Countdown(socket);
  }
}

/** ASCII, one byte per character. */
function textOf(data: Uint8Array): string {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let text = "";
  for (let i = 0; i < data.length; i++) text += String.fromCharCode(view.getUint8(i));
  return text;
}
