// Owns the table of workloads: what each measures, and what its figure is. Knows no process and no peer's command.
//
// A workload with a `role` runs a server in that role under a `mode` of the load; one without runs the peers' programs.
// `figure` names the field that is compared, `against` how: "ratio" to the baseline, "difference" from it, or not at all.
// `roundsMax` is for figures that hardly differ between rounds; `isFresh` for those for which a server has to be a new one in
// each round.

const CPU = { figure: "cpuNsPerUnit", label: "CPU", unitOfFigure: "ns", against: "ratio" };
const P99 = { figure: "latencyP99Us", label: "p99", unitOfFigure: "us", against: "ratio" };
const MEMORY = { figure: "bytesPerConnection", label: "memory", unitOfFigure: "B", against: "none" };
const WALL = { figure: "wallMs", label: "time", unitOfFigure: "ms", against: "difference" };

const SERVERS = ["c", "uv", "go", "asyncore", "node", "floor", "loop", "loopSync", "against", "againstSync"];
/** asyncore's poll looks at every connection in every turn: with thousands of them it would need minutes to accept them. */
const WITHOUT_ASYNCORE = SERVERS.filter((peer) => peer !== "asyncore");
const TIMERS = ["node", "uv", "loop", "loopSync", "against"];

const KIB = 1024;
const MANY = 5000;
const READ_SIZE_LEAST = 8192;

function echo(name, title, options) {
  const { size = 64 } = options;
  return {
    name,
    title,
    group: "echo",
    role: "echo",
    mode: "echo",
    unit: "message",
    readSize: Math.max(size, READ_SIZE_LEAST),
    peers: [...SERVERS, ...(size > READ_SIZE_LEAST ? ["recvInto"] : [])],
    ...CPU,
    ...options,
  };
}

const echoOf = (connections, peers = SERVERS) =>
  echo(`echo-${connections}`, `64 B echo, ${connections} connection${connections === 1 ? "" : "s"}`, {
    connections,
    peers,
  });

const echoSized = (kib) =>
  echo(`echo-${kib}k`, `${kib} KiB echo, 50 connections`, { connections: 50, size: kib * KIB, group: "size" });

const server = (name, group, title, options) => ({
  name,
  group,
  title,
  role: name.replace(/-\d+$/, ""),
  mode: name.replace(/-\d+$/, ""),
  peers: SERVERS.filter((peer) => peer !== "floor"),
  ...CPU,
  ...options,
});

const push = (connections) =>
  server(`push-${connections}`, "bulk", `1 MiB pushed, ${connections} connection${connections === 1 ? "" : "s"}`, {
    connections,
    unit: "MiB",
  });

const proxy = (connections) =>
  server(`proxy-${connections}`, "bulk", `proxy, 16 KiB, ${connections} connection${connections === 1 ? "" : "s"}`, {
    connections,
    mode: "echo",
    size: 16 * KIB,
    unit: "message",
    target: true,
  });

const tls = (name, title, options) => ({
  name,
  title,
  group: "tls",
  role: options.mode,
  baseline: "node-tls",
  peers: ["node-tls", "loop-tls", "against-tls"],
  ...CPU,
  ...options,
});

const timers = (kind, title) => ({
  name: `timers-${kind}`,
  group: "timers",
  title: `100,000 timers, ${title}`,
  program: ["timers", kind],
  unit: "timer",
  baseline: "node",
  peers: TIMERS,
  ...CPU,
});

const buffered = (connections) =>
  server(
    `buffered-${connections}`,
    "sampled",
    `64 B, buffered echo, ${connections} connection${connections === 1 ? "" : "s"}`,
    {
      connections,
      mode: "echo",
      unit: "message",
      peers: ["c", "asyncore", "node", "loop", "loopSync", "against", "againstSync"],
    },
  );

export const workloads = [
  echoOf(1),
  echoOf(50),
  echoOf(500),
  echoOf(MANY, WITHOUT_ASYNCORE),
  echoSized(1),
  echoSized(4),
  echoSized(16),
  echoSized(64),
  buffered(1),
  buffered(50),
  push(1),
  push(20),
  proxy(1),
  proxy(10),
  server("connect", "other", "connect, 64 B echo, close", {
    role: "echo",
    connections: 50,
    // Each leaves a port in TIME_WAIT: fewer than there are ports.
    unitsMax: 15_000,
    unit: "connection",
    peers: SERVERS,
  }),
  server("http", "other", "HTTP hello, 50 connections", {
    connections: 50,
    unit: "request",
    peers: ["c", "uv", "nginx", "go", "node", "floor", "loop", "loopSync", "lean", "against", "againstSync"],
  }),
  server("fanout", "other", "fan-out, 1 sender to 1,000", { connections: 1000, unit: "delivery" }),
  echo("idle", "10 busy beside 10,000 idle", {
    connections: 10,
    idle: 10_000,
    group: "other",
    peers: WITHOUT_ASYNCORE,
  }),
  {
    name: "memory",
    group: "memory",
    title: "user memory of an idle connection",
    role: "echo",
    mode: "hold",
    idle: 10_000,
    connections: 1,
    measureMs: 300,
    roundsMax: 2,
    collectsGarbage: true,
    isFresh: true,
    unit: "connection",
    peers: WITHOUT_ASYNCORE.filter((peer) => peer !== "floor"),
    ...MEMORY,
  },
  server("flood", "latency", "p99 of 10 polite beside a flooder", {
    role: "echo",
    connections: 10,
    readSize: 64 * KIB,
    unit: "message",
    ...P99,
  }),
  tls("tls-echo-50", "64 B echo over TLS 1.3, 50 connections", { mode: "tls-echo", connections: 50, unit: "message" }),
  tls("tls-handshake", "connect, TLS 1.3 handshake (P-256), 64 B echo, close", {
    mode: "tls-handshake",
    connections: 50,
    unitsMax: 15_000,
    unit: "connection",
  }),
  timers("start-cancel", "each started and cancelled"),
  timers("cancel-all", "all started, all cancelled"),
  timers("fired", "all fired"),
  {
    name: "import",
    group: "import",
    title: "import of the package, over bare Node",
    program: ["import"],
    unit: "import",
    baseline: "node",
    roundsMax: 3,
    peers: ["node", "loop", "against"],
    ...WALL,
  },
  echo("guests", "64 B echo of a guest, 50 connections", {
    group: "guests",
    connections: 50,
    peers: [
      "c",
      "loop",
      "guest-c",
      "guest-c-node",
      "guest-node",
      "guest-wasmtime",
      "guest-speed",
      "guest-component",
      "guest-component-node",
      "guest-component-03-node",
    ],
  }),
  server("guests-http", "guests", "HTTP of a guest, 50 connections", {
    role: "http",
    mode: "http",
    connections: 50,
    unit: "request",
    peers: ["c", ...["c", "go", "as"].flatMap((each) => [`guest-http-${each}-node`, `guest-http-${each}-wasmtime`])],
  }),
].map((workload) => ({ size: 64, idle: 0, readSize: READ_SIZE_LEAST, baseline: "c", ...workload }));

export const groups = {
  echo: "64 B echo: server CPU a message",
  size: "Echo by size: server CPU a message",
  sampled: "Buffered echo, with readable() and writable(): server CPU a message",
  bulk: "Push and proxy: server CPU a MiB, a message",
  other: "Connections, HTTP, fan-out, idle: server CPU",
  latency: "Latency beside a flooder",
  tls: "TLS: server CPU a message, a connection",
  timers: "Timers: CPU each",
  memory: "User memory of an idle connection",
  import: "Import of the package",
  guests: "Guests: server CPU a message",
};
