/**
 * Owns guests that know nothing of TLS, certificates in files that a test may change, and clients with TLS. Knows the public
 * API; knows nothing of how the host has TLS in the guest's place.
 */

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type ConnectionOptions, type PeerCertificate, type TLSSocket } from "node:tls";
import { onTestFinished } from "vitest";
import { PluginHost, type PolicyInput } from "wasyncore/plugin";
import { buildGuest } from "../assembly/programs.js";
import { createHost, portOf, type Told, type Way } from "./support.js";

const SERVER = `
import { AsyncChat, Dispatcher, loop, OSError, Socket, SocketAddress } from "wasyncore";
import { takeListener } from "wasyncore/guest";

@external("wasi_snapshot_preview1", "proc_exit") declare function proc_exit(code: i32): void;
//EXTERNALS

function text(value: string): Uint8Array { return Uint8Array.wrap(String.UTF8.encode(value)); }
function breakDown(): void { unreachable(); }

class Handler extends AsyncChat {
  line: string = "";
  count: i32 = 0;
  counts: bool = false;
  constructor(socket: Socket) {
    super(socket);
    this.setTerminator("\\n");
  }
  override collectIncomingData(data: Uint8Array): void {
    if (this.counts) this.count += data.length;
    else this.line += String.UTF8.decodeUnsafe(data.dataStart, data.length);
  }
  override foundTerminator(): void {
    const line = this.line;
    this.line = "";
    if (line == "trap") breakDown();
    if (line == "exit") proc_exit(0);
    if (line == "flood") {
      for (let i = 0; i < 10; i++) this.push(new Uint8Array(1 << 20));
    } else if (line == "half") {
      this.push(text("half\\n"));
      this.endWriting();
    } else if (line == "count") {
      this.counts = true;
      this.setTerminator("");
    } else if (line == "bye") {
      this.push(text("bye\\n"));
      this.closeWhenDone();
    } else if (line == "close") {
      this.close();
    } else if (line == "who") {
      this.push(text("VERSION\\n"));
    } else if (line == "peer") {
      this.push(text(peerOf(this.fd)));
    } else this.push(text(line + "\\n"));
  }
  override handleEof(): void {
    if (this.counts) {
      this.push(text(this.count.toString() + "\\n"));
      this.closeWhenDone();
    } else {
      if (this.line == "half") console.log("end");
      super.handleEof();
    }
  }
  override handleError(error: OSError): void {
    console.log("error " + error.code);
    this.close();
  }
  override handleClose(): void {
    console.log("close " + this.line);
    this.close();
  }
}

class Server extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void { new Handler(socket); }
}

//PEER
new Server(takeListener());
`;

const NO_PEER = `function peerOf(fd: i32): string { return "" }`;
const EXTERNALS = `
@external("wasi_snapshot_preview1", "sock_getpeeraddr")
declare function sock_getpeeraddr(fd: i32, address: usize, type: usize, port: usize): i32;
@external("wasi_snapshot_preview1", "sock_getlocaladdr")
declare function sock_getlocaladdr(fd: i32, address: usize, type: usize, port: usize): i32;
`;
const PEER = `
function peerOf(fd: i32): string {
  const words = new StaticArray<u32>(8);
  const at = changetype<usize>(words);
  words[0] = <u32>(at + 16);
  words[1] = 16;
  const failed = sock_getpeeraddr(fd, at, at + 8, at + 12);
  const peer = words[3];
  const failedToo = sock_getlocaladdr(fd, at, at + 8, at + 12);
  return failed.toString() + " " + peer.toString() + " " + failedToo.toString() + " " + words[3].toString() + "\\n";
}
`;

/** It answers lines; some of them are commands. @param knowsAddresses it asks for addresses, for which it needs a policy */
export function buildServer(version: string, isCommand = false, knowsAddresses = false): Promise<Uint8Array> {
  const source = SERVER.replace("VERSION", version)
    .replace("//EXTERNALS", knowsAddresses ? EXTERNALS : "")
    .replace("//PEER", knowsAddresses ? PEER : NO_PEER);
  return isCommand ? buildGuest(`${source}loop();`) : buildGuest(source, "--reactor");
}

/** It connects to its argument, sends "hello\n", and writes down what happens. */
const CLIENT = `
import { Dispatcher, DispatcherWithSend, loop, OSError } from "wasyncore";
import { programArguments, environmentVariable } from "wasyncore/guest";

class Client extends DispatcherWithSend {
  override handleConnect(): void { this.send(Uint8Array.wrap(String.UTF8.encode("hello\\n"))); }
  override handleRead(): void {
    const data = this.recv(65536);
    if (data.length > 0) console.log("read " + String.UTF8.decodeUnsafe(data.dataStart, data.length).trim());
  }
  override handleError(error: OSError): void {
    console.log("error " + error.code);
    this.close();
  }
  override handleClose(): void {
    console.log("close");
    this.close();
  }
}

const client = new Client();
client.createSocket();
client.connect({ host: programArguments()[1] as string, port: parseInt(programArguments()[2] as string) as i32 });
`;

export function buildClient(isCommand: boolean): Promise<Uint8Array> {
  const options = ["--profile", "preview1+sockets"];
  return isCommand ? buildGuest(`${CLIENT}loop();`, ...options) : buildGuest(CLIENT, ...options, "--reactor");
}

const PEMS = new URL("../support/tls/", import.meta.url);
export const pathOf = (name: string): string => new URL(`${name}.pem`, PEMS).pathname;
export const CA = readFileSync(pathOf("ca"));

/** The server's certificate, in the files of the tests. */
export const SERVER_TLS = { cert: pathOf("server"), key: pathOf("server-key") } as const;

/** A directory that is removed when the test ends. */
export function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "wasyncore-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** Makes a certificate for localhost that has signed itself, in files NAME.pem and NAME-key.pem of a directory. */
export function makeCertificate(directory: string, name: string): { readonly cert: string; readonly key: string } {
  const [cert, key] = [join(directory, `${name}.pem`), join(directory, `${name}-key.pem`)];
  const options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const made = spawnSync("openssl", ["req", "-x509", ...options, ...subject, "-keyout", key, "-out", cert]);
  if (made.status !== 0) throw new Error(`openssl: ${String(made.stderr)}`);
  return { cert, key };
}

export function copyOf(from: string, to: string): void {
  writeFileSync(to, readFileSync(from));
}

export const LISTEN = [{ address: "127.0.0.1:0", tls: SERVER_TLS }];

/** Node keeps some descriptors from the first thread, and the first connection with TLS, on. */
export async function warmUp(module: Uint8Array): Promise<void> {
  await using host = new PluginHost();
  await host.start(module, { name: "guest", listen: LISTEN });
  const socket = connect({ port: portOf(host, "guest"), host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.destroy();
  await closed;
}

export interface Started {
  readonly host: PluginHost;
  readonly told: Told;
  readonly port: number;
}

/** A host with one plugin, named "guest". */
export async function startGuest(module: Uint8Array, run: Way, policy: PolicyInput): Promise<Started> {
  const made = createHost();
  await made.host.start(module, { name: "guest", run, listen: LISTEN, ...policy });
  return { ...made, port: portOf(made.host, "guest") };
}

/** A TCP connection, destroyed when the test ends. */
export async function tcp(port: number, localAddress = "127.0.0.1"): Promise<Socket> {
  const socket = connectTcp({ port, host: "127.0.0.1", localAddress });
  socket.on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** A client of node:tls, destroyed when the test ends. */
export class TlsClient {
  readonly socket: TLSSocket;
  /** "end", or the code of the error. */
  readonly closed: Promise<string>;
  #received = "";
  #wake: () => void = () => undefined;
  #isOver = false;

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    let code = "end";
    socket.on("data", (data: Buffer) => {
      this.#received += data.toString("latin1");
      this.#wake();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => (code = error.code ?? error.message));
    socket.once("end", () => this.#wake());
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#isOver = true;
        this.#wake();
        resolve(code);
      });
    });
  }

  /** Rejects where the handshake fails. */
  static async connect(where: number | PluginHost, options: ConnectionOptions = {}): Promise<TlsClient> {
    const port = typeof where === "number" ? where : portOf(where, "guest");
    const to = { host: "127.0.0.1", port, ca: CA, servername: "localhost", allowHalfOpen: true };
    const socket = connect({ ...to, ...options } as ConnectionOptions);
    const client = new TlsClient(socket);
    onTestFinished(() => void socket.destroy());
    await once(socket, "secureConnect");
    return client;
  }

  /** What has arrived and was not taken. */
  get received(): string {
    return this.#received;
  }

  /** Sends a line, and waits for one. @returns it; what there is where the connection ends before */
  async ask(line: string): Promise<string> {
    this.socket.write(`${line}\n`);
    return await this.line();
  }

  async line(): Promise<string> {
    while (!this.#received.includes("\n") && !this.#isOver && !this.socket.readableEnded) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const [line = "", ...rest] = this.#received.split("\n");
    this.#received = rest.join("\n");
    return line;
  }

  async end(): Promise<string> {
    this.socket.end();
    return await this.closed;
  }
}

/** One question on a connection of its own. */
export async function askSecurely(port: number, line: string): Promise<string> {
  const client = await TlsClient.connect(port);
  const answer = await client.ask(line);
  await client.end();
  return answer;
}

/** The common name in a certificate. */
export function nameIn(certificate: PeerCertificate): string {
  return String(certificate.subject.CN);
}
