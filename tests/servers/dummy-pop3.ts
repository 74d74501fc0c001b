/**
 * Owns the port, line by line, of DummyPOP3Handler and DummyPOP3Server of CPython 3.11's test_poplib. Knows the public
 * API alone. Without TLS, so that STLS is neither known nor announced, as in a Python without the ssl module.
 */

import { isIPv6 } from "node:net";
import { AsyncChat, Dispatcher, type Socket } from "wasyncore";

/** The dummy data returned by the server when LIST and RETR commands are issued. */
const LIST_RESP = "1 1\r\n2 2\r\n3 3\r\n4 4\r\n5 5\r\n.\r\n";
const RETR_RESP =
  "From: postmaster@python.org\r\nContent-Type: text/plain\r\n" +
  "MIME-Version: 1.0\r\nSubject: Dummy\r\n\r\nline1\r\nline2\r\nline3\r\n.\r\n";

export class DummyPOP3Handler extends AsyncChat {
  static readonly CAPAS: Readonly<Record<string, readonly string[]>> = {
    UIDL: [],
    IMPLEMENTATION: ["python-testlib-pop-server"],
  };
  static enableUTF8 = false;

  inBuffer: Uint8Array[] = [];

  constructor(conn: Socket) {
    super(conn);
    this.setTerminator("\r\n");
    this.push("+OK dummy pop3 server ready. <timestamp>");
  }

  override collectIncomingData(data: Uint8Array): void {
    this.inBuffer.push(data);
  }

  override foundTerminator(): void {
    const line = Buffer.concat(this.inBuffer).toString("latin1");
    this.inBuffer = [];
    const cmd = (line.split(" ")[0] ?? "").toLowerCase();
    const space = line.indexOf(" ");
    const arg = space === -1 ? "" : line.slice(space + 1);
    const method: unknown = Reflect.get(this, `cmd_${cmd}`);
    if (typeof method === "function") method.call(this, arg);
    else this.push(`-ERR unrecognized POP3 command "${cmd}".`);
  }

  override handleError(error: unknown): void {
    throw error;
  }

  override push(data: string): boolean {
    return super.push(Buffer.from(`${data}\r\n`, "latin1"));
  }

  /** Sends back the received string (used by the test suite). */
  cmd_echo(arg: string): void {
    this.push(arg);
  }

  cmd_user(arg: string): void {
    if (arg !== "guido") this.push("-ERR no such user");
    this.push("+OK password required");
  }

  cmd_pass(arg: string): void {
    if (arg !== "python") this.push("-ERR wrong password");
    this.push("+OK 10 messages");
  }

  cmd_stat(): void {
    this.push("+OK 10 100");
  }

  cmd_list(arg: string): void {
    if (arg !== "") this.push(`+OK ${arg} ${arg}`);
    else {
      this.push("+OK");
      super.push(LIST_RESP);
    }
  }

  cmd_uidl(arg: string): void {
    this.cmd_list(arg);
  }

  cmd_retr(): void {
    this.push(`+OK ${RETR_RESP.length} bytes`);
    super.push(RETR_RESP);
  }

  cmd_top(): void {
    this.cmd_retr();
  }

  cmd_dele(): void {
    this.push("+OK message marked for deletion.");
  }

  cmd_noop(): void {
    this.push("+OK done nothing.");
  }

  cmd_rpop(): void {
    this.push("+OK done nothing.");
  }

  cmd_apop(): void {
    this.push("+OK done nothing.");
  }

  cmd_quit(): void {
    this.push("+OK closing.");
    this.closeWhenDone();
  }

  cmd_capa(): void {
    this.push("+OK Capability list follows");
    for (const [cap, params] of Object.entries(DummyPOP3Handler.CAPAS)) this.push([cap, ...params].join(" "));
    this.push(".");
  }

  cmd_utf8(): void {
    this.push(DummyPOP3Handler.enableUTF8 ? "+OK I know RFC6856" : "-ERR What is UTF8?!");
  }
}

export class DummyPOP3Server extends Dispatcher {
  readonly handler = DummyPOP3Handler;
  handlerInstance: DummyPOP3Handler | null = null;

  constructor({ host, port }: { readonly host: string; readonly port: number }) {
    super();
    this.createSocket({ family: isIPv6(host) ? "IPv6" : "IPv4" });
    this.bind({ host, port });
    this.listen(5);
  }

  override handleAccepted(conn: Socket): void {
    this.handlerInstance = new this.handler(conn);
  }

  override handleConnect(): void {
    this.close();
  }

  override handleRead(): void {
    this.handleConnect();
  }

  override writable(): boolean {
    return false;
  }

  override handleError(error: unknown): void {
    throw error;
  }
}
