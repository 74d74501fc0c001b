/**
 * Owns the port, line by line, of DummyDTPHandler and DummyTLS_DTPHandler of CPython 3.11's test_ftplib, the data connection, and what stands
 * for the blocking accept of the original. Knows the public API, and of the control connection what it asks of it.
 */

import { AsyncChat, Dispatcher, type Socket, type TlsServerOptions, wrapTls } from "wasyncore";

const TIMEOUT_MS = 10_000;

export type Encoding = "utf8" | "latin1";

/** The control connection: the original's baseclass. */
export interface Control {
  readonly encoding: Encoding;
  readonly socket: Socket;
  /** After PROT P: what secure_connection of the original needs. */
  readonly dataContext: TlsServerOptions | undefined;
  lastReceivedData: Uint8Array;
  nextData: string | null;
  push(data: string): boolean;
  resumeReading(): void;
  dataConnected(dtp: DummyDTPHandler): void;
}

export class DummyDTPHandler extends AsyncChat {
  dtpConnClosed = false;
  readonly baseclass: Control;
  readonly encoding: Encoding;

  constructor(conn: Socket | undefined, baseclass: Control) {
    super(conn);
    this.baseclass = baseclass;
    this.baseclass.lastReceivedData = new Uint8Array(0);
    this.encoding = baseclass.encoding;
  }

  override handleRead(): void {
    const newData = this.recv(1024);
    this.baseclass.lastReceivedData = Buffer.concat([this.baseclass.lastReceivedData, newData]);
  }

  override handleClose(): void {
    if (!this.dtpConnClosed) {
      this.baseclass.push("226 transfer complete");
      this.close();
      this.dtpConnClosed = true;
    }
  }

  override push(what: string): boolean {
    let data = what;
    if (this.baseclass.nextData !== null) {
      data = this.baseclass.nextData;
      this.baseclass.nextData = null;
    }
    if (data === "") {
      this.closeWhenDone();
      return false;
    }
    return super.push(Buffer.from(data, this.encoding));
  }

  /** An active data connection has come about: what socket.create_connection waits for. */
  override handleConnect(): void {
    this.baseclass.dataConnected(this);
    this.baseclass.push("200 active data connection established");
  }

  /** Socket errors are ignored in silence, as the original does: clients close their sockets in the middle. */
  override handleError(): void {}
}

/** What socket.create_server and accept do together: takes one data connection, for so long as the original waits. */
export class PassiveListener extends Dispatcher {
  readonly #baseclass: Control;
  readonly #timer = this.map.callLater(TIMEOUT_MS, () => {
    this.close();
    this.#baseclass.resumeReading();
  });

  constructor(baseclass: Control, family: "IPv4" | "IPv6") {
    super();
    this.#baseclass = baseclass;
    this.createSocket({ family });
    this.setReuseAddr();
    this.bind({ host: baseclass.socket.localAddress().host ?? "", port: 0 });
    this.listen(1);
  }

  get port(): number {
    return this.socket.localAddress().port ?? 0;
  }

  override handleAccepted(conn: Socket): void {
    this.close();
    const { dataContext } = this.#baseclass;
    if (dataContext !== undefined) wrapTls(conn, dataContext);
    this.#baseclass.dataConnected(new DummyDTPHandler(conn, this.#baseclass));
  }

  override close(): void {
    this.#timer.cancel();
    super.close();
  }
}
