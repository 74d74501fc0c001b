// Owns the server on wasyncore: handlers as its documentation would write them. Knows nothing of who measures it.
//
// usage: node bench/servers/wasyncore.mjs [options] ROLE [READ_SIZE [TARGET_PORT]]
//   --sync           loopSync, which blocks, instead of loop, which runs on Node's own event loop
//   --alone          each call by itself: no batches
//   --record         a recording is made of it, into a file that is removed at once
//   --ring           a flight recorder keeps the last 64 MiB
//   --package DIR    the package of another checkout, instead of the one that this file belongs to
// It listens on a free port; the line on stdout names it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { pathToFileURL } from "node:url";
import { makeRoles } from "./wasyncore-roles.mjs";

const BACKLOG = 4096;
const GC_PERIOD_MS = 150;

const { values, positionals } = parseArgs({
  options: {
    sync: { type: "boolean", default: false },
    alone: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
    ring: { type: "boolean", default: false },
    package: { type: "string" },
  },
  allowPositionals: true,
});
const [role, readSize = "8192", targetPort = "0"] = positionals;
const directory = resolve(values.package ?? join(import.meta.dirname, "..", ".."));
const importFrom = (path) => import(pathToFileURL(join(directory, path)).href);

const api = await importFrom("dist/index.js");
const map = await mapOf(values);

async function mapOf({ alone, record, ring }) {
  if (alone) return new api.ChannelMap({ backend: api.createNodeBackend({ batchMin: Infinity }) });
  if (!record && !ring) return api.socketMap;
  const recording = await importFrom("dist/record/index.js");
  const backend = api.defaultBackend();
  if (ring) return new api.ChannelMap({ backend: recording.recordRing(backend, { bytes: "64MiB" }).backend });
  const path = join(mkdtempSync(join(tmpdir(), "wasyncore-")), "run.wrec");
  const recorder = recording.record(backend, path);
  // It is measured with its writes; nothing reads it.
  rmSync(dirname(path), { recursive: true });
  return new api.ChannelMap({ backend: recorder.backend });
}

const roles = makeRoles(api, { map, readSize: Number(readSize), targetPort: Number(targetPort), importFrom });
const accept = await roles[role]();

class Server extends api.Dispatcher {
  constructor() {
    super(undefined, map);
    this.createSocket();
    // Connections that it accepts inherit it.
    this.socket.setOption("TCP_NODELAY", 1);
    this.bind({ host: "127.0.0.1", port: 0 });
    this.listen(BACKLOG);
  }

  handleAccepted(socket) {
    accept(socket);
  }
}

const { host, port } = new Server().socket.localAddress();
console.log(`listening on ${host}:${port}`);
// Where memory is measured, what is no longer used does not count: node --expose-gc
if (globalThis.gc !== undefined) map.callEvery(GC_PERIOD_MS, () => globalThis.gc());
if (values.sync) api.loopSync({ map });
else await api.loop({ map });
