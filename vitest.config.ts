import { defineConfig } from "vitest/config";

/** What the loop and the handlers do, which must be the same however the backend makes its calls. */
const BEHAVIOUR = [
  "tests/{accept,callbacks,channel-map,closing,connect,delivery,dispatcher,loop,loop-hosted,socket,trace,with-send}.test.ts",
  "tests/{async-chat-ends,async-chat-input,async-chat-output,async-chat-output-loop}.test.ts",
  "tests/{differential,proxy}.test.ts",
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
