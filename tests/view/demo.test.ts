/** The demonstration: the library, its engine and a simulated network in a browser, with faults at the press of a button. */

import { execFileSync } from "node:child_process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium, type Page } from "playwright-core";
import { describe, expect, onTestFinished, test } from "vitest";
import { leaveOut, missingTools } from "../support/missing.js";

const missing = leaveOut("Tests of the demonstration in a browser", missingTools("chromium"));
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const FILE = `${ROOT}build/demo.html`;

/** Waits until the view of a host has an event in whose details, kind or address a text is. */
async function found(page: Page, text: string, more: number): Promise<number> {
  const count = `globalThis.wasyncoreView.find(${JSON.stringify(text)})`;
  await page.waitForFunction(`${count} > ${more}`, undefined, { polling: 100 });
  return page.evaluate<number>(count);
}

describe.skipIf(missing !== "")("the demonstration", () => {
  test("clients talk to a server; a reset, a partition and a crash are seen, and it goes on after each", async () => {
    execFileSync(process.execPath, ["scripts/demo.mjs"], { cwd: ROOT, stdio: "pipe" });
    const executablePath = execFileSync("which", ["chromium"], { encoding: "utf8" }).trim();
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("request", (request) => faults.push(request.url()));
    const own = pathToFileURL(FILE).href;
    await page.goto(own);
    await page.waitForFunction("globalThis.wasyncoreView !== undefined");
    await found(page, "client 1 says", 2);
    await page.click("text=Reset client 2");
    await found(page, "ECONNRESET", 0);
    await page.click("text=Partition client 1");
    await page.click("text=Stop client 3");
    await page.click("text=Crash the server");
    // What was recorded of the server before the crash is gone; its clients come back.
    for (const client of [1, 2, 3]) {
      const before = await page.evaluate<number>(`globalThis.wasyncoreView.find("client ${client} says")`);
      await found(page, `client ${client} says`, Math.min(before, 2));
    }
    await page.click("text=Pause");
    expect(faults.filter((fault) => fault !== own)).toEqual([]);
  }, 60_000);
});
