/**
 * Owns projects that have the package as others get it: packed and unpacked, its dependencies beside it. They are outside the
 * checkout, so that nothing of it is found by accident.
 */

import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect } from "vitest";
import { Peer } from "../support/peers.js";
import { requireBuild, ROOT, start } from "../support/processes.js";

export const command = promisify(execFile);

/** An echo server. It prints its port, and ends when a client has said "end". */
export const SERVER = `
import { Dispatcher, loop } from "wasyncore";
import { listeners } from "wasyncore/guest";

class EchoHandler extends Dispatcher {
  handleRead() {
    const data = this.recv(8192);
    if (data.length === 0) return;
    this.send(data);
    if (Buffer.from(data).toString().endsWith("end")) server.close();
  }
}
class EchoServer extends Dispatcher {
  handleAccepted(socket) {
    new EchoHandler(socket);
  }
}
const server = new EchoServer();
server.createSocket();
server.bind({ host: "127.0.0.1", port: 0 });
server.listen(5);
console.log("port " + server.socket.localAddress().port + " " + listeners().length);
loop().then(() => console.log("over"), (error) => console.error(error));
`;

/** A directory that is removed after the tests of this file. */
export function temporaryDirectory(): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "wasyncore-package-")));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Packs the package, as it was built before the tests. @returns the path of the tarball */
export async function pack(directory: string): Promise<string> {
  requireBuild("dist/index.js");
  requireBuild("build/engine.wasm");
  // Without scripts, which would build what other tests are using now.
  const parameters = ["pack", "--ignore-scripts", "--json", "--pack-destination", directory];
  const { stdout } = await command("npm", parameters, { cwd: ROOT });
  const [packed] = JSON.parse(stdout) as { filename: string }[];
  return join(directory, packed?.filename ?? "");
}

/** Makes a project with the package, its dependencies and further packages of the checkout. */
export async function makeProject(directory: string, tarball: string, ...packages: string[]): Promise<string> {
  const project = join(directory, "project");
  const modules = join(project, "node_modules");
  mkdirSync(join(modules, "wasyncore"), { recursive: true });
  await command("tar", ["xzf", tarball, "--strip-components=1", "-C", join(modules, "wasyncore")]);
  for (const name of ["@assemblyscript/loader", "koffi", ...packages]) linkPackage(project, name);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
  return project;
}

/** Makes a package of the checkout one of the project. */
export function linkPackage(project: string, name: string): void {
  const path = join(project, "node_modules", name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(join(ROOT, "node_modules", name), path);
}

/** Makes a copy of koffi without its binaries, as an installation without optional dependencies has it. */
export function copyKoffi(project: string): string {
  const target = join(project, "node_modules/koffi");
  const source = realpathSync(join(ROOT, "node_modules/koffi"));
  const left = ["vendor", "doc", "lib"].map((name) => join(source, name));
  cpSync(source, target, { recursive: true, filter: (path) => !left.includes(path) });
  return target;
}

/** Runs {@link SERVER}, as something has made a program of it, and talks to it. */
export async function expectEcho(file: string, cwd: string): Promise<void> {
  const server = start(process.execPath, [file], cwd);
  const [, port] = await server.line(/^port (\d+) 0$/);
  const peer = await Peer.connect(Number(port));
  peer.write("hello");
  expect(String(await peer.atLeast(5))).toBe("hello");
  peer.write("end");
  expect(String(await peer.atLeast(8))).toBe("helloend");
  peer.socket.end();
  const { code, stdout, stderr } = await server.ended;
  expect({ code, stderr, stdout }).toEqual({ code: 0, stderr: "", stdout: `port ${port} 0\nover\n` });
}
