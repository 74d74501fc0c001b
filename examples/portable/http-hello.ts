/**
 * The handlers of an HTTP server, for Node and for a guest: docs/portable.md. GET / says hello; GET /bytes/N sends N
 * bytes through a producer, so that a slow reader costs no memory.
 */

import { AsyncChat, Dispatcher, type Producer, type Socket, type SocketAddress } from "wasyncore";

const BYTES_MAX = 1_000_000_000;
/** A multiple of 256. */
const PIECE = 16_384;

class HttpHandler extends AsyncChat {
  private head: RequestHead = new RequestHead();

  constructor(socket: Socket) {
    super(socket);
    this.setTerminator("\r\n\r\n");
    this.maxLineLength = 8192;
    this.idleTimeoutMs = 60_000;
  }

  override collectIncomingData(data: Uint8Array): void {
    this.head.take(data);
  }

  override foundTerminator(): void {
    const head = this.head;
    head.end();
    if (!head.isRequest) this.respond("400 Bad Request", "I do not understand.\n", false);
    else if (!head.isGet) this.respond("405 Method Not Allowed", "GET is all there is.\n", false);
    else if (head.target === "/") this.greet(head.keepAlive);
    else if (head.target.startsWith("/bytes/")) this.respondBytes(head.target.substring(7), head.keepAlive);
    else this.respond("404 Not Found", "There is no such page.\n", head.keepAlive);
    head.clear();
  }

  override handleLineTooLong(): void {
    this.head.clear();
    this.respond("431 Request Header Fields Too Large", "That is too much.\n", false);
  }

  private greet(keepAlive: boolean): void {
    this.push(keepAlive ? GREETING : LAST_GREETING);
    if (!keepAlive) this.closeWhenDone();
  }

  private respond(status: string, text: string, keepAlive: boolean): void {
    this.push(responseOf(status, text, keepAlive));
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

const CR = 13;
const LF = 10;
const SPACE = 32;
const METHOD = "GET";
const VERSION = "HTTP/1.1";
/** In lower case, as it begins a line. */
const CLOSE = "connection: close";

/**
 * The head of a request, read byte by byte as it arrives, so that nothing of it is kept but the target. The request line has
 * three words, separated by one space each.
 */
class RequestHead {
  target: string = "";
  /** The word of the request line, from 0. Does not change after that line. */
  private word: i32 = 0;
  private isFirstLine: boolean = true;
  /** Of the word; of the line, after the request line. */
  private column: i32 = 0;
  private hasMethod: boolean = true;
  private hasVersion: boolean = true;
  /** Has the line been what closes the connection, so far? */
  private mayClose: boolean = false;
  private closes: boolean = false;
  /** A CR has been taken, which belongs to the line if no LF follows. */
  private afterReturn: boolean = false;

  get isRequest(): boolean {
    return this.word === 2;
  }

  get isGet(): boolean {
    return this.hasMethod;
  }

  get keepAlive(): boolean {
    return this.hasVersion && !this.closes;
  }

  take(data: Uint8Array): void {
    const length = data.length;
    let i = 0;
    while (i < length) {
      // Of a header that does not matter, only the end does.
      if (!this.isFirstLine && !this.mayClose && !this.afterReturn) {
        while (i < length && (data[i] as i32) !== CR) i += 1;
        if (i === length) return;
      }
      const byte = data[i] as i32;
      i += 1;
      if (this.afterReturn && byte === LF) {
        this.endLine();
        continue;
      }
      if (this.afterReturn) this.takeByte(CR);
      this.afterReturn = byte === CR;
      if (byte !== CR) this.takeByte(byte);
    }
  }

  /** The head has ended. */
  end(): void {
    if (this.afterReturn) this.takeByte(CR);
    if (this.isFirstLine) this.endLine();
  }

  clear(): void {
    this.target = "";
    this.word = 0;
    this.isFirstLine = true;
    this.column = 0;
    this.hasMethod = true;
    this.hasVersion = true;
    this.mayClose = false;
    this.closes = false;
    this.afterReturn = false;
  }

  private endLine(): void {
    if (this.isFirstLine) this.hasVersion = this.hasVersion && this.column === VERSION.length;
    this.isFirstLine = false;
    this.column = 0;
    this.mayClose = true;
    this.afterReturn = false;
  }

  private takeByte(byte: i32): void {
    const column = this.column;
    this.column = column + 1;
    if (!this.isFirstLine) {
      if (!this.mayClose) return;
      this.mayClose = lowerCase(byte) === CLOSE.charCodeAt(column);
      if (!this.mayClose || this.column < CLOSE.length) return;
      this.mayClose = false;
      this.closes = true;
    } else if (byte === SPACE) {
      if (this.word === 0) this.hasMethod = this.hasMethod && column === METHOD.length;
      this.word += 1;
      this.column = 0;
    } else if (this.word === 0) {
      if (column >= METHOD.length || byte !== METHOD.charCodeAt(column)) this.hasMethod = false;
    } else if (this.word === 1) {
      this.target += String.fromCharCode(byte);
    } else if (column >= VERSION.length || byte !== VERSION.charCodeAt(column)) {
      this.hasVersion = false;
    }
  }
}

function lowerCase(byte: i32): i32 {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
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

function responseOf(status: string, text: string, keepAlive: boolean): string {
  return `${headOf(status, text.length, keepAlive)}${text}`;
}

/** ASCII, one byte per character. */
function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// What is asked for most often is made once.
const HELLO = "Hello from wasyncore.\n";
const GREETING = bytesOf(responseOf("200 OK", HELLO, true));
const LAST_GREETING = bytesOf(responseOf("200 OK", HELLO, false));
