/** Owns recordings for tests of the view: small servers, a program and a guest, and their clients. Knows no page. */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { constants } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { driveGuest, Socket as BuiltSocket } from "wasyncore";
import { ChannelMap, defaultBackend, Dispatcher, DispatcherWithSend, loop, type Socket } from "../../host/index.js";
import { record, type RecordOptions } from "../../host/record/index.js";
import { RecordingReader, sourceOf } from "../../host/record/reader.js";
import { timelineOf } from "../../host/view/from-recording.js";
import type { Timeline } from "../../host/view/timeline.js";
import { temporary } from "../guest/command.js";

/** @param greeting what each client sends; the server answers with it, and closes */
export async function recordedRun(
  greeting: string,
  clients: number,
  options: RecordOptions = { sent: true },
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const recorder = record(defaultBackend(), (chunk) => chunks.push(chunk.slice()), options);
  const map = new ChannelMap({ backend: recorder.backend });

  class Echo extends DispatcherWithSend {
    override handleRead(): void {
      const data = this.recv(4096);
      if (data.length > 0) this.send(data);
    }
    override handleClose(): void {
      this.close();
    }
  }
  class Server extends Dispatcher {
    left = clients;
    constructor() {
      super(undefined, map);
      this.createSocket();
      this.bind({ host: "127.0.0.1", port: 0 });
      this.listen(clients);
    }
    override handleAccepted(socket: Socket): void {
      new Echo(socket, map);
      this.left -= 1;
      if (this.left === 0) this.close();
    }
  }
  class Client extends DispatcherWithSend {
    constructor(to: Server) {
      super(undefined, map);
      this.createSocket();
      this.connect(to.socket.localAddress());
    }
    override handleConnect(): void {
      this.send(Buffer.from(greeting));
    }
    override handleRead(): void {
      if (this.recv(4096).length > 0) this.close();
    }
  }
  const server = new Server();
  for (let index = 0; index < clients; index++) new Client(server);
  await loop({ map, timeoutMs: Infinity });
  recorder.end();
  return Buffer.concat(chunks);
}

/** Says something to a server that echoes it, and closes. */
async function talk(port: number, text: string): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.write(text);
  await once(socket, "data");
  socket.end();
  await once(socket, "close");
}

/**
 * A guest that echoes, whose clients say something one after the other; its host ends it.
 * @param reactor a module of TRACING_REACTOR
 */
export async function recordedGuest(
  reactor: Uint8Array,
  texts: readonly string[],
  options: RecordOptions = {},
): Promise<Uint8Array> {
  const path = join(temporary(), "run.wrec");
  const socket = BuiltSocket.create();
  socket.bind({ host: "127.0.0.1", port: 0 });
  socket.listen(texts.length);
  const { port } = socket.localAddress("inet");
  const abort = new AbortController();
  const record = { path, ...options };
  const ended = driveGuest(reactor, { args: ["server.wasm"], listeners: [socket], record, signal: abort.signal });
  for (const text of texts) await talk(port, text);
  abort.abort();
  await ended;
  return Uint8Array.from(readFileSync(path));
}

export function timelineIn(recording: Uint8Array, title = "run"): Timeline {
  return timelineOf(new RecordingReader(sourceOf(recording)), title, constants.errno);
}
