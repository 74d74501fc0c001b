/**
 * Owns the port, line by line, of DummyPOP3Handler, DummyPOP3_SSLHandler and DummyPOP3Server of CPython 3.11's
 * test_poplib. Knows the public API alone. Of TLS the original does itself what `wrapTls` and `startTls` do.
 */

import { isIPv6 } from "node:net";
import { AsyncChat, Dispatcher, type Socket, startTls, type TlsServerOptions, wrapTls } from "wasyncore";
import { loadCertChain } from "./certfile.js";

/** The dummy data returned by the server when LIST and RETR commands are issued. */
const LIST_RESP = "1 1\r\n2 2\r\n3 3\r\n4 4\r\n5 5\r\n.\r\n";
const RETR_RESP =
  "From: postmaster@python.org\r\nContent-Type: text/plain\r\n" +
  "MIME-Version: 1.0\r\nSubject: Dummy\r\n\r\nline1\r\nline2\r\nline3\r\n.\r\n";

/** Codes of a handshake that the client has broken off: the original then calls handle_close. */
const BROKEN_OFF = /ALERT_BAD_CERTIFICATE|ALERT_CERTIFICATE_UNKNOWN|ECONNRESET/;

export class DummyPOP3Handler extends AsyncChat {
  static readonly CAPAS: Readonly<Record<string, readonly string[]>> = {
    UIDL: [],
    IMPLEMENTATION: ["python-testlib-pop-server"],
  };
  static enableUTF8 = false;

  inBuffer: Uint8Array[] = [];
  tlsActive = false;
  readonly context: TlsServerOptions;

  constructor(conn: Socket, context: TlsServerOptions) {
    super(conn);
    this.context = context;
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
    if (!BROKEN_OFF.test(String((error as NodeJS.ErrnoException).code))) throw error;
    void this.handleClose();
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
    const capas = { ...DummyPOP3Handler.CAPAS, ...(this.tlsActive ? {} : { STLS: [] }) };
    for (const [cap, params] of Object.entries(capas)) this.push([cap, ...params].join(" "));
    this.push(".");
  }

  cmd_utf8(): void {
    const { enableUTF8 } = this.constructor as typeof DummyPOP3Handler;
    this.push(enableUTF8 ? "+OK I know RFC6856" : "-ERR What is UTF8?!");
  }

  cmd_stls(): void {
    if (this.tlsActive) {
      this.push("-ERR Command not permitted when TLS active");
      return;
    }
    this.push("+OK Begin TLS negotiation");
    startTls(this, this.context);
    this.tlsActive = true;
    this.inBuffer = [];
  }
}

class DummyPOP3_SSLHandler extends DummyPOP3Handler {
  constructor(conn: Socket, context: TlsServerOptions) {
    super(wrapTls(conn, context), context);
    this.tlsActive = true;
  }
}

export class DummyPOP3Server extends Dispatcher {
  handler = DummyPOP3Handler;
  handlerInstance: DummyPOP3Handler | null = null;
  readonly #context: TlsServerOptions;

  constructor({ host, port, certfile }: { readonly host: string; readonly port: number; readonly certfile: string }) {
    super();
    this.#context = loadCertChain(certfile);
    this.createSocket({ family: isIPv6(host) ? "IPv6" : "IPv4" });
    this.bind({ host, port });
    this.listen(5);
  }

  /** The class of the handlers, by its name in the original. */
  set handlerName(name: string) {
    this.handler = name === "DummyPOP3_SSLHandler" ? DummyPOP3_SSLHandler : DummyPOP3Handler;
  }

  get handlerName(): string {
    return this.handler.name;
  }

  override handleAccepted(conn: Socket): void {
    this.handlerInstance = new this.handler(conn, this.#context);
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
