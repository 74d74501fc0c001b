/** The handlers of a chat room, for Node and for a guest: a line of one member is sent to the others. docs/portable.md. */

import { AsyncChat, Dispatcher, type Socket, type SocketAddress } from "wasyncore";

/** A line is a message. The first is the name. */
class Member extends AsyncChat {
  name: string = "";
  private room: ChatRoom;

  constructor(socket: Socket, room: ChatRoom) {
    super(socket);
    this.room = room;
    this.setTerminator("\n");
    this.maxLineLength = 1000;
    this.idleTimeoutMs = 600_000;
    room.arrivals += 1;
    this.push("Welcome. What is your name?\n");
  }

  override collectIncomingData(data: Uint8Array): void {
    this._collectIncomingData(data);
  }

  override foundTerminator(): void {
    const line = textOf(this._getData());
    const room = this.room;
    if (this.name.length > 0) {
      room.tell(`${this.name}: ${line}\n`, this);
      return;
    }
    this.name = line.length > 0 ? line : `guest ${room.arrivals}`;
    const others = room.members.length;
    room.members.push(this);
    room.tell(`${this.name} has come\n`, this);
    // Last: where the connection has been reset, the member has gone after this.
    this.push(`Hello ${this.name}. Here: ${others}\n`);
  }

  override handleLineTooLong(): void {
    this.push("That was too long.\n");
    this.closeWhenDone();
  }

  override handleClose(): void {
    const room = this.room;
    const index = room.members.indexOf(this);
    if (index >= 0) {
      room.members.splice(index, 1);
      room.tell(`${this.name} has gone\n`, this);
    }
    super.handleClose();
  }
}

export class ChatRoom extends Dispatcher {
  /** Those present, in order of arrival. */
  readonly members: Member[] = [];
  arrivals: i32 = 0;

  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    new Member(socket, this);
  }

  /** Sends a text to all members but one. A member whose queue is long misses it. */
  tell(text: string, except: Member): void {
    // A member may leave while this is sent.
    const receivers = this.members.slice();
    for (let i = 0; i < receivers.length; i++) {
      const member = receivers[i] as Member;
      if (member !== except && member.outBufferLength < 1_000_000) member.push(text);
    }
  }
}

/** Printable ASCII; all other bytes are left out. */
function textOf(data: Uint8Array): string {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let text = "";
  for (let i = 0; i < data.length; i++) {
    const code = view.getUint8(i);
    if (code >= 32 && code < 127) text += String.fromCharCode(code);
  }
  return text;
}
