/** Plugins in reports of statistics, and in `wasyncore top`. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import stringWidth from "string-width";
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type PluginSource, pluginSources, type ReportedPlugin } from "../../host/backend/plugins-observed.js";
import { cell, cellRight, fit } from "../../host/cli/text-width.js";
import { parseTop } from "../../host/cli/top-options.js";
import { isReport } from "../../host/cli/top-report.js";
import { moved, selected } from "../../host/cli/top-plugins.js";
import { view } from "../../host/cli/top-view.js";
import { PluginReporter, type ReportedPlugins } from "../../host/stats/plugins.js";
import type { Report } from "../../host/stats/report.js";
import { buildPlugin, Client } from "../plugin/support.js";
import { requireBuild, ROOT, Running } from "../support/processes.js";
import { ownRuntime } from "./support.js";

let runtime = "";
beforeEach(() => {
  runtime = ownRuntime();
});

function plugin(name: string, more: Partial<ReportedPlugin> = {}): ReportedPlugin {
  return {
    ...{ name, run: "shared", state: "running", restarts: 0, replacements: 0, uptimeMs: 61_000, cpuMs: 0, turns: 0 },
    ...{ memoryBytes: 65_536, hostBytes: 0, descriptors: 1, connections: 0, accepted: 0, connected: 0 },
    ...{ bytesIn: 0, bytesOut: 0, refused: 0, listeners: [], open: [] },
    ...more,
  };
}

function plugins(...busiest: ReportedPlugin[]): ReportedPlugins {
  return { count: busiest.length, running: busiest.length, busiest };
}

function report(atMs: number, found: ReportedPlugins | undefined): Report {
  return {
    ...{ version: 1, pid: 7, program: "p.js", node: "v20.0.0", atMs, uptimeMs: 1000, rssBytes: 5e7, cpuMs: 0 },
    maps: [],
    plugins: found,
  };
}

const SIZE = { columns: 200, rows: 40, colors: false };

describe("a report", () => {
  function reported(...found: readonly ReportedPlugin[][]): ReportedPlugins[] {
    let at = 0;
    const source: PluginSource = { plugins: () => found[at++] ?? [], connections: () => [] };
    pluginSources.add(source);
    onTestFinished(() => void pluginSources.delete(source));
    const reporter = new PluginReporter();
    return found.flatMap(() => reporter.report() ?? []);
  }

  test("has the busiest of many plugins since the one before, and their number", () => {
    const many = Array.from({ length: 1000 }, (_, index) => plugin(`p${index}`, { cpuMs: 1000 - index }));
    const later = many.map((each, index) => ({ ...each, cpuMs: each.cpuMs + (index === 700 ? 5 : 0) }));
    const [, second] = reported(many, later);
    expect(second).toMatchObject({ count: 1000, running: 1000 });
    expect(second?.busiest).toHaveLength(50);
    expect(second?.busiest[0]?.name).toBe("p700");
    expect(isReport(JSON.parse(JSON.stringify(report(1, second))))).toBe(true);
    expect(JSON.stringify(second).length).toBeLessThan(50_000);
  });

  test("has none where nobody has plugins", () => {
    expect(new PluginReporter().report()).toBeUndefined();
    expect(isReport(JSON.parse(JSON.stringify(report(1, undefined))))).toBe(true);
  });

  test("with plugins of another shape is no report", () => {
    for (const wrong of [5, {}, { count: 1, running: 1, busiest: [{}] }, { ...plugins(), busiest: "x" }])
      expect(isReport({ ...report(1, undefined), plugins: wrong })).toBe(false);
  });
});

describe("the table", () => {
  test("has rates since the report before, and the connections of one plugin", () => {
    const before = plugins(plugin("a"), plugin("b", { cpuMs: 100, bytesIn: 1000 }));
    const open = [{ fd: 30, local: "127.0.0.1:80", remote: "127.0.0.1:5000" }];
    const b = plugin("b", {
      cpuMs: 600,
      bytesIn: 3000,
      connections: 25,
      open,
      restarts: 3,
      listeners: ["127.0.0.1:80"],
    });
    const text = view(report(0, before), report(1000, plugins(b, plugin("a"))), SIZE);
    expect(text).toContain("plugins 2  running 2");
    expect(text).toMatch(/^> b +running +1m 1s +50% +65\.5 kB +25 +2\.0 kB +0 B +3 +0 +1 shared$/m);
    expect(text).toContain("b  listening on 127.0.0.1:80");
    expect(text).toMatch(/^ +30 {2}127\.0\.0\.1:80 - 127\.0\.0\.1:5000\n +and 24 more$/m);
    expect(view(report(0, before), report(1000, plugins(b, plugin("a"))), { ...SIZE, plugin: "a" })).toMatch(/^> a /m);
  });

  test("is aligned whatever characters names have, and holds no control characters", () => {
    const names = [
      "plain",
      "日本語プラグイン",
      "🦊👨‍👩‍👧 fox",
      "e\u0301te\u0301",
      "evil\u001b[2J\n\u0007",
      "x".repeat(100),
      "界".repeat(50),
    ];
    const text = view(report(0, undefined), report(1000, plugins(...names.map((name) => plugin(name)))), SIZE);
    // oxlint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    const rows = text.split("\n").filter((line) => / running .* shared$/.test(line));
    expect(rows).toHaveLength(names.length);
    expect(new Set(rows.map((row) => stringWidth(row.slice(0, row.indexOf("running")))))).toEqual(new Set([23]));
    for (const columns of [1, 10, 23, 80]) {
      const narrow = view(report(0, undefined), report(1, plugins(...names.map((name) => plugin(name)))), {
        ...SIZE,
        columns,
      });
      for (const line of narrow.split("\n")) expect(stringWidth(line)).toBeLessThanOrEqual(columns);
    }
  });

  test("cells are as wide as they are to be", () => {
    expect([cell("界界界", 5), cellRight("界", 5), fit("a界", 2), fit("\u0301a", 1)]).toEqual([
      "界界 ",
      "   界",
      "a",
      "\u0301a",
    ]);
  });

  test("keeps the plugin that was chosen by keys, on few rows too", () => {
    const many = plugins(...Array.from({ length: 50 }, (_, index) => plugin(`p${String(index).padStart(2, "0")}`)));
    expect(moved(many, undefined, 1)).toBe("p01");
    expect([moved(many, "p00", -1), moved(many, "p49", 1), moved(many, "gone", 1)]).toEqual(["p00", "p49", "p01"]);
    expect(selected(plugins(), "x")).toBeUndefined();
    expect(moved(plugins(), "x", 1)).toBeUndefined();
    const text = view(report(0, many), report(1, many), { ...SIZE, rows: 20, plugin: "p30" });
    expect(text).toMatch(/^> p30 /m);
    expect(text.split("\n").length).toBeLessThanOrEqual(21);
  });
});

describe("wasyncore top", () => {
  let code: Uint8Array;
  beforeAll(async () => {
    code = await buildPlugin("1");
  }, 60_000);

  test("shows the plugins of a process, and the connections of one", async () => {
    requireBuild("dist/cli/main.js");
    const module = join(runtime, "echo.wasm");
    writeFileSync(module, code);
    const script = `
      import { loop, serveStats, socketMap } from "wasyncore";
      import { PluginHost } from "wasyncore/plugin";
      serveStats();
      socketMap.callEvery(50, () => {});
      const host = new PluginHost();
      for (const run of ["shared", "isolated"])
        await host.start(${JSON.stringify(module)}, { name: run, run, listen: ["127.0.0.1:0"] });
      console.log("ports " + host.snapshot().map(({ listeners }) => listeners[0].address.port).join(" "));
      await loop();`;
    const env = { ...process.env, XDG_RUNTIME_DIR: runtime };
    const program = new Running(process.execPath, ["--input-type=module", "--eval", script], ROOT, { env });
    const [, ...ports] = await program.line(/^ports (\d+) (\d+)$/);
    for (const [index, name] of ["shared", "isolated"].entries()) {
      const client = await Client.connect(Number(ports[index]));
      expect(await client.ask("hello")).toBe("hello");
      const parameters = ["dist/cli/main.js", "top", "--once", "--interval", "0.2", "--plugin", name];
      const shown = await new Running(process.execPath, parameters, ROOT, { env }).ended;
      expect([shown.code, shown.stderr]).toEqual([0, ""]);
      expect(shown.stdout).toContain("plugins 2  running 2");
      expect(shown.stdout).toMatch(new RegExp(`^> ${name} +running .* ${name}$`, "m"));
      expect(shown.stdout).toContain(`127.0.0.1:${ports[index]} - 127.0.0.1:${client.socket.localPort}`);
      await client.end();
    }
  });
});

test("--socket is a path, and not empty", async () => {
  expect(() => parseTop(["--socket", ""])).toThrow("--socket: it must be the path of a Unix socket");
  expect(() => parseTop(["--socket="])).toThrow("--socket: it must be");
  requireBuild("dist/cli/main.js");
  const { code, stderr } = await new Running(process.execPath, ["dist/cli/main.js", "top", "--socket", "8080"], ROOT)
    .ended;
  expect([code, stderr]).toEqual([1, "wasyncore: nothing serves statistics at 8080\n"]);
});
