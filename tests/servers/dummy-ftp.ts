/**
 * Owns the port, line by line, of DummyFTPHandler, DummyFTPServer and their descendants with TLS, of CPython 3.11's
 * test_ftplib. Knows the public API. Of TLS the original does itself what `wrapTls` and `startTls` do. There is no CCC.
 *
 * Where the original blocks, to accept or to make the data connection, the port stops reading commands until the data
 * connection is there: the client cannot tell the difference.
 */

import { isIPv6 } from "node:net";
import { AsyncChat, Dispatcher, type Socket, startTls, type TlsServerOptions, wrapTls } from "wasyncore";
import { loadCertChain } from "./certfile.js";
import { type Control, DummyDTPHandler, type Encoding, PassiveListener } from "./dummy-dtp.js";
import { LIST_DATA, MLSD_DATA, NLST_DATA, RETR_DATA } from "./dummy-ftp-data.js";

export class DummyFTPHandler extends AsyncChat implements Control {
  inBuffer: Uint8Array[] = [];
  dtp: DummyDTPHandler | null = null;
  lastReceivedCmd: string | null = null;
  lastReceivedData: Uint8Array = new Uint8Array(0);
  nextResponse = "";
  nextData: string | null = null;
  rest: string | null = null;
  nextRetrData = RETR_DATA;
  dataContext: TlsServerOptions | undefined;
  readonly encoding: Encoding;
  /** Where PASV says that the data connection is to go: an address that a careful client does not believe. */
  fakePasvServerIp = "252.253.254.255";

  constructor(conn: Socket, encoding: Encoding) {
    super(conn);
    this.encoding = encoding;
    // Tells the socket to handle urgent data inline (ABOR command).
    this.socket.setOption("SO_OOBINLINE", true);
    this.setTerminator("\r\n");
    this.push("220 welcome");
  }

  override collectIncomingData(data: Uint8Array): void {
    this.inBuffer.push(data);
  }

  override foundTerminator(): void {
    const line = Buffer.concat(this.inBuffer).toString(this.encoding);
    this.inBuffer = [];
    if (this.nextResponse !== "") {
      this.push(this.nextResponse);
      this.nextResponse = "";
    }
    const cmd = (line.split(" ")[0] ?? "").toLowerCase();
    this.lastReceivedCmd = cmd;
    const space = line.indexOf(" ");
    const arg = space === -1 ? "" : line.slice(space + 1);
    const method: unknown = Reflect.get(this, `cmd_${cmd}`);
    if (typeof method === "function") method.call(this, arg);
    else this.push(`550 command "${cmd}" not understood.`);
  }

  /** As in the data connection. */
  override handleError(): void {}

  override push(data: string): boolean {
    return super.push(Buffer.from(`${data}\r\n`, this.encoding));
  }

  dataConnected(dtp: DummyDTPHandler): void {
    this.dtp = dtp;
    this.resumeReading();
  }

  cmd_port(arg: string): void {
    const addr = arg.split(",").map(Number);
    this.#connectTo(addr.slice(0, 4).join("."), (addr[4] ?? 0) * 256 + (addr[5] ?? 0));
  }

  cmd_pasv(): void {
    const { port } = this.#listen("IPv4");
    const ip = this.fakePasvServerIp.replaceAll(".", ",");
    this.push(`227 entering passive mode (${ip},${Math.floor(port / 256)},${port % 256})`);
  }

  cmd_eprt(arg: string): void {
    const [, , ip = "", port] = arg.split(arg[0] ?? "|");
    this.#connectTo(ip, Number(port));
  }

  cmd_epsv(): void {
    const { port } = this.#listen("IPv6");
    this.push(`229 entering extended passive mode (|||${port}|)`);
  }

  #connectTo(host: string, port: number): void {
    const dtp = new DummyDTPHandler(undefined, this);
    this.pauseReading();
    dtp.createSocket({ family: isIPv6(host) ? "IPv6" : "IPv4" });
    dtp.connect({ host, port });
    if (this.dataContext !== undefined) wrapTls(dtp, this.dataContext);
  }

  #listen(family: "IPv4" | "IPv6"): PassiveListener {
    this.pauseReading();
    return new PassiveListener(this, family);
  }

  /** Sends back the received string (used by the test suite). */
  cmd_echo(arg: string): void {
    this.push(arg);
  }

  cmd_noop(): void {
    this.push("200 noop ok");
  }

  cmd_user(): void {
    this.push("331 username ok");
  }

  cmd_pass(): void {
    this.push("230 password ok");
  }

  cmd_acct(): void {
    this.push("230 acct ok");
  }

  cmd_rnfr(): void {
    this.push("350 rnfr ok");
  }

  cmd_rnto(): void {
    this.push("250 rnto ok");
  }

  cmd_dele(): void {
    this.push("250 dele ok");
  }

  cmd_cwd(): void {
    this.push("250 cwd ok");
  }

  cmd_size(): void {
    this.push("250 1000");
  }

  cmd_mkd(arg: string): void {
    this.push(`257 "${arg}"`);
  }

  cmd_rmd(): void {
    this.push("250 rmd ok");
  }

  cmd_pwd(): void {
    this.push('257 "pwd ok"');
  }

  cmd_type(): void {
    this.push("200 type ok");
  }

  cmd_quit(): void {
    this.push("221 quit ok");
    this.close();
  }

  cmd_abor(): void {
    this.push("226 abor ok");
  }

  cmd_stor(): void {
    this.push("125 stor ok");
  }

  cmd_rest(arg: string): void {
    this.rest = arg;
    this.push("350 rest ok");
  }

  cmd_retr(): void {
    this.push("125 retr ok");
    const offset = this.rest === null ? 0 : Number(this.rest);
    this.dtp?.push(this.nextRetrData.slice(offset));
    this.dtp?.closeWhenDone();
    this.rest = null;
  }

  cmd_list(): void {
    this.push("125 list ok");
    this.#give(LIST_DATA);
  }

  cmd_nlst(): void {
    this.push("125 nlst ok");
    this.#give(NLST_DATA);
  }

  cmd_opts(): void {
    this.push("200 opts ok");
  }

  cmd_mlsd(): void {
    this.push("125 mlsd ok");
    this.#give(MLSD_DATA);
  }

  /** For testing: the next RETR will return a long line. */
  cmd_setlongretr(arg: string): void {
    this.nextRetrData = "x".repeat(Number(arg));
    this.push("125 setlongretr ok");
  }

  #give(data: string): void {
    this.dtp?.push(data);
    this.dtp?.closeWhenDone();
  }
}

class DummyTLS_FTPHandler extends DummyFTPHandler {
  readonly #context: TlsServerOptions;

  constructor(conn: Socket, encoding: Encoding, context: TlsServerOptions) {
    super(conn, encoding);
    this.#context = context;
  }

  /** Set up secure control channel. */
  cmd_auth(): void {
    this.push("234 AUTH TLS successful");
    startTls(this, this.#context);
  }

  cmd_pbsz(): void {
    this.push("200 PBSZ=0 successful.");
  }

  /** Setup un/secure data channel. */
  cmd_prot(line: string): void {
    const arg = line.toUpperCase();
    if (arg === "C") {
      this.push("200 Protection set to Clear");
      this.dataContext = undefined;
    } else if (arg === "P") {
      this.push("200 Protection set to Private");
      this.dataContext = this.#context;
    } else this.push("502 Unrecognized PROT type (use C or P).");
  }
}

export class DummyFTPServer extends Dispatcher {
  readonly handler = DummyFTPHandler;
  handlerInstance: DummyFTPHandler | null = null;
  readonly encoding: Encoding;

  constructor({ host, port, encoding }: { readonly host: string; readonly port: number; readonly encoding: Encoding }) {
    super();
    this.encoding = encoding;
    this.createSocket({ family: isIPv6(host) ? "IPv6" : "IPv4" });
    this.bind({ host, port });
    this.listen(5);
  }

  override handleAccepted(conn: Socket): void {
    this.handlerInstance = new this.handler(conn, this.encoding);
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

  override handleError(): void {}
}

export class DummyTLS_FTPServer extends DummyFTPServer {
  readonly #context: TlsServerOptions;

  constructor(options: {
    readonly host: string;
    readonly port: number;
    readonly encoding: Encoding;
    readonly certfile: string;
  }) {
    super(options);
    this.#context = loadCertChain(options.certfile);
  }

  override handleAccepted(conn: Socket): void {
    this.handlerInstance = new DummyTLS_FTPHandler(conn, this.encoding, this.#context);
  }
}
