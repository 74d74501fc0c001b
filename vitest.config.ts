import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { alias: { wasyncore: new URL("./host/index.ts", import.meta.url).pathname } },
  test: {
    include: ["tests/**/*.test.ts"],
    // Real sockets and real processes: a hang is ended and named instead of stopping the run.
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
