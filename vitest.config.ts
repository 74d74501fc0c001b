import { defineConfig } from "vitest/config";

/** What the loop and the handlers do, which must be the same however the backend makes its calls. */
const BEHAVIOUR = [
  "tests/handlers/{accept,accept-errors,async-callbacks,callbacks,closing,connect,dispatcher,with-send}.test.ts",
  "tests/handlers/chat/{ends,input,output,output-loop}.test.ts",
  "tests/loop/{channel-map,delivery,hosted,loop,trace}.test.ts",
  "tests/net/{reset,socket}.test.ts",
  "tests/differential/differential.test.ts",
  "tests/examples/proxy.test.ts",
  "tests/conformance/*.test.ts",
];

export default defineConfig({
  resolve: { alias: { wasyncore: new URL("./host/index.ts", import.meta.url).pathname } },
  test: {
    // Real sockets and real processes: a hang is ended and named instead of stopping the run.
    testTimeout: 20_000,
    hookTimeout: 20_000,
    projects: [
      { extends: true, test: { name: "tests", include: ["tests/**/*.test.ts"] } },
      { extends: true, test: { name: "in batches", include: BEHAVIOUR, setupFiles: ["tests/support/in-batches.ts"] } },
    ],
  },
});
