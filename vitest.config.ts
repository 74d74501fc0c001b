import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/**
 * What the loop and the handlers do, which must be the same however the backend makes its calls. Each of these files has
 * connections that are read and written in a turn: one that batches nothing fails.
 */
const BEHAVIOUR = [
  "tests/handlers/{async-callbacks,callbacks,closing,connect,dispatcher,recv-into,tls,tls-reset,tls-start,with-send}.test.ts",
  "tests/handlers/chat/{ends,input,output-loop}.test.ts",
  "tests/handlers/streams/{duplex,iterate,tls}.test.ts",
  "tests/loop/{channel-map,delivery,hosted,loop}.test.ts",
  "tests/differential/differential.test.ts",
  "tests/conformance/{asynchat,asyncore-api,asyncore-files}.test.ts",
];

/**
 * The same in a simulated world. Left out are files about the operating system, the host's own event loop, processes and
 * threads, and those that give their maps a backend of their own.
 */
const SIMULATED = [
  "tests/handlers/{accept-ownership,arguments,async-callbacks,callbacks,closing,connect,dispatcher,lifetime,log,recv-into,udp}.test.ts",
  "tests/handlers/{with-send,wrong-types}.test.ts",
  "tests/handlers/chat/{input,output-loop}.test.ts",
  "tests/handlers/streams/{duplex,events,iterate}.test.ts",
  "tests/loop/{channel-map,delivery,loop,timers}.test.ts",
  "tests/conformance/{asynchat,asyncore-api}.test.ts",
];

export default defineConfig({
  resolve: {
    alias: {
      // What is built: its threads are started from files.
      "wasyncore/sim": new URL("./dist/sim/index.js", import.meta.url).pathname,
      "wasyncore/testing": new URL("./dist/testing/index.js", import.meta.url).pathname,
      "wasyncore/plugin": new URL("./dist/plugin/index.js", import.meta.url).pathname,
      wasyncore: new URL("./host/index.ts", import.meta.url).pathname,
    },
  },
  test: {
    // Real sockets and real processes: a hang is ended and named instead of stopping the run. A guest that is built may have to wait
    // for those of another file.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A test that waits for a process or a peer leaves its processor to another worker.
    maxWorkers: availableParallelism() + 1,
    globalSetup: ["tests/support/left-out.ts", "tests/support/build-service.ts"],
    projects: [
      { extends: true, test: { name: "tests", include: ["tests/**/*.test.ts"] } },
      // The files of these two share processes: the project "tests" has each of them alone in one.
      {
        extends: true,
        test: { name: "simulated", include: SIMULATED, setupFiles: ["tests/support/in-a-world.ts"], isolate: false },
      },
      {
        extends: true,
        test: { name: "in batches", include: BEHAVIOUR, setupFiles: ["tests/support/in-batches.ts"], isolate: false },
      },
    ],
  },
});
