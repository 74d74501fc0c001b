/** The page in a browser: what it shows, finds and compares, that it fetches nothing, and that a name of a run is text. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { pageOf } from "../../host/view/page-maker.js";
import { type Timeline, TimelineBuilder } from "../../host/view/timeline.js";
import { leaveOut, missingTools } from "../support/missing.js";
import { BUILD_TIMEOUT_MS, buildGuest, TRACING_REACTOR } from "../assembly/programs.js";
import { recordedGuest, recordedRun, timelineIn } from "./support.js";

const missing = leaveOut("Tests of the page of a view", missingTools("chromium"));
const TEMPLATE = readFileSync(new URL("../../dist/view/page.html", import.meta.url), "utf8");

/** What the page offers to tests. */
interface InPage {
  wasyncoreView: {
    readonly views: readonly { readonly transform: { readonly k: number; readonly x: number } }[];
    find(text: string): number;
    step(by: 1 | -1): void;
    nextAnomaly(): string | undefined;
    showDifference(): void;
  };
}

describe.skipIf(missing !== "")("the page", () => {
  let browser: Browser;
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "view-"));
    const executablePath = execFileSync("which", ["chromium"], { encoding: "utf8" }).trim();
    // Chromium's own sandbox does not run as root.
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    rmSync(directory, { recursive: true });
  });

  /** Opens a page with runs in it. Whatever it fetches, and whatever it throws, fails the test. */
  async function opened(...timelines: Timeline[]): Promise<Page> {
    const file = join(directory, "run.html");
    writeFileSync(file, pageOf(TEMPLATE, timelines));
    const page = await browser.newPage({ viewport: { width: 1200, height: 700 } });
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (message) => faults.push(message.text()));
    page.on("request", (request) => {
      if (request.url() !== pathToFileURL(file).href) faults.push(request.url().slice(0, 100));
    });
    onTestFinished(async () => {
      await page.close();
      expect(faults).toEqual([]);
    });
    await page.goto(pathToFileURL(file).href);
    await page.waitForFunction(() => "wasyncoreView" in globalThis);
    return page;
  }

  const inPage = <T>(page: Page, call: string): Promise<T> => page.evaluate(`globalThis.wasyncoreView.${call}`);

  test("shows how much there is, and an event's values and bytes when it is found", async () => {
    const page = await opened(timelineIn(await recordedRun("hello there", 3), "my run"));
    expect(await page.textContent("#title")).toBe("my run");
    expect(await page.textContent("#summary")).toMatch(/^7 channels, \d+ events, \d+ turns, [\d.]+ ms$/);
    await page.fill("#find", "THERE");
    expect(await page.textContent("#found")).toBe("12 found");
    await page.press("#find", "Enter");
    expect(await page.textContent("#found")).toBe("1 of 12");
    const details = await page.textContent("#details");
    expect(details).toContain("hello there");
    expect(details).toContain("68 65 6c 6c 6f");
    await page.press("#find", "Shift+Enter");
    expect(await page.textContent("#found")).toBe("12 of 12");
    await page.fill("#find", "no such thing");
    expect(await page.textContent("#found")).toBe("0 found");
  });

  test("a click on a mark shows its event, one beside it none; the wheel scrolls and zooms", async () => {
    const builder = new TimelineBuilder("clicks", 0);
    for (let lane = 0; lane < 100; lane++) builder.open(lane + 10, 0, `lane ${lane}`);
    builder.add({ lane: 1, atUs: 500, kind: "read", bytes: 3, content: Buffer.from("abc") });
    builder.add({ lane: 99, atUs: 1000, kind: "note", text: "the end" });
    const page = await opened(builder.timeline());
    const canvas = page.locator("canvas");
    const width = await canvas.evaluate((element) => element.clientWidth);
    // Names take 240 pixels, axis and turns 68 in height, a lane 16.
    const middle = 240 + (width - 8 - 240) / 2;
    await canvas.click({ position: { x: middle, y: 68 + 16 + 8 } });
    expect(await page.textContent("#details")).toContain("61 62 63");
    await canvas.click({ position: { x: 300, y: 68 + 16 + 8 } });
    expect(await page.isVisible("#details")).toBe(false);
    await page.mouse.wheel(0, 10_000);
    await page.keyboard.down("Control");
    await page.mouse.wheel(0, -500);
    await page.keyboard.up("Control");
    await page.waitForFunction(() => ((globalThis as unknown as InPage).wasyncoreView.views[0]?.transform.k ?? 0) > 1);
    await page.keyboard.press("0");
    await page.waitForFunction(() => (globalThis as unknown as InPage).wasyncoreView.views[0]?.transform.k === 1);
  });

  test("steps through the anomalies, and begins again after the last", async () => {
    const builder = new TimelineBuilder("errors", 0);
    builder.open(5, 0, "one");
    builder.add({ lane: 0, atUs: 100, kind: "error", text: "ECONNRESET" });
    builder.add({ lane: 0, atUs: 200, kind: "error", text: "EPIPE" });
    builder.add({ lane: 0, atUs: 300, kind: "close" });
    const page = await opened(builder.timeline());
    const steps = [];
    for (let step = 0; step < 3; step++) {
      await page.keyboard.press("n");
      steps.push(await page.textContent("#found"));
    }
    expect(steps).toEqual(["1 of 2: ECONNRESET at 100 us", "2 of 2: EPIPE at 200 us", "1 of 2: ECONNRESET at 100 us"]);
    expect(await page.textContent("#details")).toContain("ECONNRESET");
  });

  test("shows two runs, and where they differ first", async () => {
    const page = await opened(
      timelineIn(await recordedRun("hello", 1), "one"),
      timelineIn(await recordedRun("hallo", 1), "other"),
    );
    expect(await page.textContent("#title")).toBe("one  |  other");
    await page.click("#difference");
    expect(await page.textContent("#found")).toMatch(/^the runs differ from event \d+ on$/);
    expect(await page.textContent("#details")).toContain("hello");
  });

  test(
    "shows a guest, its own lane and its contents",
    async () => {
      const reactor = await buildGuest(TRACING_REACTOR, "--reactor");
      const recording = await recordedGuest(reactor, ["hello there"], { sent: true });
      const page = await opened(timelineIn(recording, "my guest"));
      expect(await page.textContent("#summary")).toMatch(/^\d+ channels, \d+ events, \d+ turns, [\d.]+ \w+$/);
      await page.fill("#find", "THERE");
      expect(await page.textContent("#found")).toBe("3 found");
      await page.press("#find", "Enter");
      expect(await page.textContent("#details")).toContain("68 65 6c 6c 6f");
      await page.fill("#find", "its host ends it");
      await page.press("#find", "Enter");
      expect(await page.textContent("#details")).toContain(" server.wasm");
      await page.fill("#find", "from 127.0.0.1");
      expect(await page.textContent("#found")).toBe("6 found");
    },
    BUILD_TIMEOUT_MS,
  );

  test("what a peer sent is text, and no markup", async () => {
    const builder = new TimelineBuilder("</title><script>alert(1)</script>", 0);
    builder.open(5, 0, "<img src=x onerror=alert(1)>");
    const content = Buffer.from("</script><script>document.body.remove()</script>");
    builder.add({ lane: 0, atUs: 1, kind: "read", bytes: content.length, text: "<b>text</b>", content });
    const page = await opened(builder.timeline());
    await page.fill("#find", "document.body");
    await page.press("#find", "Enter");
    expect(await page.textContent("#details pre")).toBe(content.toString());
    expect(await page.textContent("#details")).toContain("<b>text</b>");
    expect(await page.title()).toBe("</title><script>alert(1)</script>");
    expect(await page.locator("#details b, #details script, #details img").count()).toBe(0);
  });

  test("a run without events is shown", async () => {
    const page = await opened(new TimelineBuilder("nothing", 0).timeline());
    expect(await page.textContent("#summary")).toBe("0 channels, 0 events, 0 turns, 0");
    await page.keyboard.press("n");
    expect(await page.textContent("#found")).toBe("no anomaly");
    expect(await inPage(page, "find('x')")).toBe(0);
  });

  test("a thousand channels with a hundred thousand events are shown, scrolled and searched", async () => {
    const builder = new TimelineBuilder("large", 0);
    for (let lane = 0; lane < 1000; lane++) builder.open(lane, 0, `from 10.0.0.1:${lane}`);
    for (let event = 0; event < 100_000; event++) {
      if (event % 100 === 0) builder.beginTurn(event * 50);
      builder.add({
        lane: (event * 7919) % 1000,
        atUs: event * 50,
        kind: event % 2 === 0 ? "read" : "write",
        bytes: 64,
      });
      if (event % 100 === 99) builder.endTurn(event * 50);
    }
    const page = await opened(builder.timeline());
    expect(await page.textContent("#summary")).toBe("1000 channels, 100000 events, 1000 turns, 4.99995 s");
    await page.locator("canvas").hover();
    for (let step = 0; step < 50; step++) await page.mouse.wheel(0, 300);
    expect(await inPage(page, "find('10.0.0.1:999')")).toBe(100);
    await inPage(page, "step(1)");
    expect(await page.textContent("#details")).toContain("999 from 10.0.0.1:999");
  });
});
