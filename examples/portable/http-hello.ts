/**
 * The handlers of an HTTP server, for Node and for a guest: docs/portable.md. GET / says hello; GET /bytes/N sends N
 * bytes through a producer, so that a slow reader costs no memory.
 */

import { AsyncChat, Dispatcher, type Producer, type Socket, type SocketAddress } from "wasyncore";

const BYTES_MAX = 1_000_000_000;
/** A multiple of 256. */
const PIECE = 16_384;

class HttpHandler extends AsyncChat {
  constructor(socket: Socket) {
    super(socket);
    this.setTerminator("\r\n\r\n");
    this.maxLineLength = 8192;
    this.idleTimeoutMs = 60_000;
  }

  override collectIncomingData(data: Uint8Array): void {
    this._collectIncomingData(data);
  }

  override foundTerminator(): void {
    const head = textOf(this._getData());
    const end = head.indexOf("\r\n");
    const line = end < 0 ? head : head.substring(0, end);
    const keepAlive = line.endsWith(" HTTP/1.1") && head.toLowerCase().indexOf("\r\nconnection: close") < 0;
    const parts = line.split(" ");
    const target = parts.length === 3 ? (parts[1] as string) : "";
    if (parts.length !== 3) this.respond("400 Bad Request", "I do not understand.\n", false);
    else if (parts[0] !== "GET") this.respond("405 Method Not Allowed", "GET is all there is.\n", false);
    else if (target === "/") this.respond("200 OK", "Hello from wasyncore.\n", keepAlive);
    else if (target.startsWith("/bytes/")) this.respondBytes(target.substring(7), keepAlive);
    else this.respond("404 Not Found", "There is no such page.\n", keepAlive);
  }

  override handleLineTooLong(): void {
    this.respond("431 Request Header Fields Too Large", "That is too much.\n", false);
  }

  private respond(status: string, text: string, keepAlive: boolean): void {
    this.push(`${headOf(status, text.length, keepAlive)}${text}`);
    if (!keepAlive) this.closeWhenDone();
  }

  private respondBytes(digits: string, keepAlive: boolean): void {
    const number = parseInt(digits);
    if (!(number >= 0 && number <= BYTES_MAX)) {
      this.respond("404 Not Found", "There is no such page.\n", keepAlive);
      return;
    }
    const count = number as i32;
    this.push(headOf("200 OK", count, keepAlive));
    this.pushWithProducer(new Bytes(count));
    if (!keepAlive) this.closeWhenDone();
  }
}

/** Produces `count` bytes: the low byte of each position. */
class Bytes implements Producer {
  private left: i32;

  constructor(count: i32) {
    this.left = count;
  }

  more(): Uint8Array {
    const piece = new Uint8Array(PIECE);
    let length = 0;
    while (length < PIECE && this.left > 0) {
      piece[length] = length & 255;
      this.left -= 1;
      length += 1;
    }
    return piece.subarray(0, length);
  }
}

export class HttpServer extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    new HttpHandler(socket);
  }
}

function headOf(status: string, length: i32, keepAlive: boolean): string {
  const connection = keepAlive ? "keep-alive" : "close";
  return `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\nConnection: ${connection}\r\n\r\n`;
}

/** ASCII, one byte per character. */
function textOf(data: Uint8Array): string {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let text = "";
  for (let i = 0; i < data.length; i++) text += String.fromCharCode(view.getUint8(i));
  return text;
}
