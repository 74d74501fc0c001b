// Owns the table of peers: what each is, the roles it has, the command that starts it. Knows no workload, and not how a
// program is built (build.mjs) or run.

import { join, resolve } from "node:path";
import { guestPeers } from "./guests.mjs";
import { bench, output, root } from "./paths.mjs";

const ALL_ROLES = ["echo", "buffered", "push", "proxy", "http", "fanout"];
const TLS_ROLES = ["tls-echo", "tls-handshake"];

/** CPU time before a measurement: code that is compiled while it runs needs more, the compiler's threads included. */
const WARMUP_MS_COMPILED = 100;
const RUN_TIME_COMPILED =
  /^(node|node-tls|loop-tls|against-tls|floor|loop|loopSync|recvInto|lean|alone|against|againstSync|record|ring|guest-.*node)$/;

/** How long a peer is warmed up, of what was asked for. */
export const warmupMsOf = (name, warmupMs) =>
  RUN_TIME_COMPILED.test(name) ? warmupMs : Math.min(warmupMs, WARMUP_MS_COMPILED);

const numbers = ({ readSize, targetPort }) => [
  String(readSize),
  ...(targetPort === undefined ? [] : [String(targetPort)]),
];

/** The role of a server that has no `readable()` and `writable()` to override. */
const plain = (role) => (role === "buffered" ? "echo" : role);

/** Node, with what a workload asks of it. */
const node = ({ collectsGarbage = false }) => [process.execPath, ...(collectsGarbage ? ["--expose-gc"] : [])];

/** wasyncore, of this checkout or of another one. */
function wasyncore(what, { flags = [], directory = root, of = "loop", roles = ALL_ROLES, ...more }) {
  const from = directory === root ? [] : ["--package", directory];
  return {
    what,
    needs: ["package"],
    directory,
    roles,
    server: (role, options) => [
      ...node(options),
      join(bench, "servers", "wasyncore.mjs"),
      ...flags,
      ...from,
      role,
      ...numbers(options),
    ],
    timers: (kind) => [process.execPath, join(bench, "programs", "timers.mjs"), ...from, kind, of],
    import: () => [process.execPath, join(bench, "programs", "import.mjs"), join(directory, "dist", "index.js")],
    ...more,
  };
}

/** Another role of ours under the name of a workload's role. */
const only = (role, otherRole, peer) => ({
  ...peer,
  roles: [role],
  server: (_, options) => peer.server(otherRole, options),
});

/** Echo over TLS: both workloads have the same server. */
const tls = (what, options) => {
  const peer = wasyncore(what, options);
  return {
    ...peer,
    needs: [...peer.needs, "openssl"],
    roles: TLS_ROLES,
    server: (_, more) => peer.server("tls", more),
  };
};

/**
 * @param against the directory of another checkout that has been built, or undefined
 * @returns the peers by name. `needs` lists what build.mjs must find or make.
 */
export function peersOf(against) {
  const peers = {
    c: {
      what: "C on epoll(7)",
      needs: ["cc"],
      roles: ALL_ROLES,
      server: (role, options) => [join(output, "epoll"), plain(role), ...numbers(options)],
    },
    uv: {
      what: "libuv in C",
      needs: ["cc", "libuv"],
      roles: ALL_ROLES,
      server: (role, options) => [join(output, "uv"), plain(role), ...numbers(options)],
      timers: (kind) => [join(output, "timers-uv"), kind],
    },
    go: {
      what: "Go, net and net/http",
      needs: ["go"],
      roles: ALL_ROLES,
      server: (role, options) => [join(output, "go-server"), plain(role), ...numbers(options)],
    },
    nginx: {
      what: "nginx, one process",
      needs: ["nginx"],
      roles: ["http"],
      choosesNoPort: true,
      server: (_, { port }) => ["sh", join(bench, "servers", "nginx.sh"), String(port), output],
    },
    asyncore: {
      what: "CPython's asyncore and asynchat",
      needs: ["asyncore"],
      roles: ["echo", "buffered", "push", "proxy", "fanout"],
      server: (role, options) => [
        "python3.11",
        join(bench, "servers", "asyncore_server.py"),
        role,
        ...numbers(options),
      ],
    },
    node: {
      what: "Node's net, node:http, timers",
      needs: [],
      roles: ALL_ROLES,
      server: (role, options) => [
        ...node(options),
        join(bench, "servers", "net.mjs"),
        plain(role),
        ...numbers(options),
      ],
      timers: (kind) => [process.execPath, join(bench, "programs", "timers.mjs"), kind, "node"],
      import: () => [process.execPath, join(bench, "programs", "import.mjs")],
    },
    "node-tls": {
      what: "Node's tls",
      needs: ["openssl"],
      roles: TLS_ROLES,
      server: () => [process.execPath, join(bench, "servers", "net.mjs"), "tls"],
    },
    floor: {
      what: "epoll_wait, recv and send through koffi, without wasyncore",
      needs: ["koffi"],
      roles: ["echo", "http"],
      server: (role, options) => [process.execPath, join(bench, "servers", "floor.mjs"), role, ...numbers(options)],
    },
    loop: wasyncore("wasyncore, await loop()", {}),
    loopSync: wasyncore("wasyncore, loopSync()", { flags: ["--sync"], of: "loopSync" }),
    recvInto: only("echo", "echo-into", wasyncore("loop(), with recvInto", { needs: ["package", "recvInto"] })),
    lean: only("http", "http-lean", wasyncore("loop(), HTTP by a lean handler", {})),
    "loop-tls": tls("wasyncore's wrapTls, await loop()", {}),
    record: wasyncore("loop(), recorded into a file", { flags: ["--record"], onlyWhenNamed: true }),
    ring: wasyncore("loop(), with a flight recorder", { flags: ["--ring"], onlyWhenNamed: true }),
    alone: wasyncore("loop(), without batches", { flags: ["--alone"], onlyWhenNamed: true }),
    ...guestPeers,
  };
  if (against !== undefined) {
    const directory = resolve(against);
    peers.against = wasyncore(`loop() of ${directory}`, { directory });
    peers["against-tls"] = tls(`wrapTls of ${directory}`, { directory });
    peers.againstSync = wasyncore(`loopSync() of ${directory}`, { directory, flags: ["--sync"], of: "loopSync" });
  }
  return peers;
}

/** The command of a peer for a workload, or undefined where it has no part in it. */
export function commandFor(peer, workload, options) {
  if (workload.role !== undefined)
    return peer.roles.includes(workload.role) ? peer.server(workload.role, options) : undefined;
  const [program, ...parameters] = workload.program;
  return peer[program]?.(...parameters);
}

/** The peers of a workload, in the order of its columns. `chosen` narrows them, and adds those that run only when named. */
export function peersFor(workload, peers, chosen) {
  const has = (name) => commandFor(peers[name], workload, {}) !== undefined;
  const listed = workload.peers.filter((name) => peers[name] !== undefined);
  const named = chosen?.filter((name) => peers[name].onlyWhenNamed && !listed.includes(name)) ?? [];
  return [...listed, ...named].filter((name) => has(name) && (chosen === undefined || chosen.includes(name)));
}
