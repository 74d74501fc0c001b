/**
 * Publishes the version that package.json names to npm, with a statement of provenance: npm shows from which commit and by
 * which workflow the package was built.
 *
 *   node scripts/release.mjs             checks, builds and packs, and shows what would be published
 *   node scripts/release.mjs --publish   publishes as well
 *
 * Provenance is signed with the identity of a CI job, so --publish works only in one that gives out such an identity: GitHub
 * Actions with `permissions: id-token: write`, or GitLab CI with an id_token for sigstore. docs/versions.md says what a version
 * number promises.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
/** Of the packed package. A test holds it as well. A program that imports "wasyncore" loads a fifth of it. */
export const SIZE_MAX = 630_000;

/** What stands in the way of a release: sentences, none where nothing does. */
export function obstacles({ version, changelog, changedFiles, tagsHere, environment, publishes }) {
  const found = [];
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) found.push(`package.json: ${version} is not a version`);
  const heading = `## [${version}] - `;
  const entry = changelog.split("\n").find((line) => line.startsWith(heading));
  if (entry === undefined || !/^\d{4}-\d\d-\d\d$/.test(entry.slice(heading.length))) {
    found.push(`CHANGELOG.md: there is no heading "${heading}YYYY-MM-DD"`);
  }
  if (changedFiles !== "") found.push(`the checkout differs from its commit:\n${changedFiles}`);
  if (!tagsHere.includes(`v${version}`)) found.push(`the commit is not tagged: git tag -s v${version}`);
  const hasIdentity = ["ACTIONS_ID_TOKEN_REQUEST_URL", "SIGSTORE_ID_TOKEN"].some(
    (name) => (environment[name] ?? "") !== "",
  );
  if (publishes && !hasIdentity) {
    found.push("there is no identity to sign the provenance with: publish from CI, with id-token: write");
  }
  return found;
}

/** Runs a command, showing its output. */
const run = (command, ...parameters) => execFileSync(command, parameters, { cwd: ROOT, stdio: "inherit" });
const output = (command, ...parameters) => execFileSync(command, parameters, { cwd: ROOT, encoding: "utf8" }).trimEnd();

function release(publishes) {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const found = obstacles({
    version,
    changelog: readFileSync(join(ROOT, "CHANGELOG.md"), "utf8"),
    changedFiles: output("git", "status", "--porcelain"),
    tagsHere: output("git", "tag", "--points-at", "HEAD").split("\n"),
    environment: process.env,
    publishes,
  });
  for (const sentence of found) console.error(`release: ${sentence}`);
  if (found.length > 0) process.exitCode = 1;
  if (publishes && found.length > 0) return;

  run("npm", "ci", "--no-audit", "--no-fund");
  run("npm", "run", "--silent", "links");
  const directory = mkdtempSync(join(tmpdir(), "wasyncore-release-"));
  try {
    // Builds first: `prepack`.
    run("npm", "pack", "--pack-destination", directory);
    const tarball = join(directory, `wasyncore-${version}.tgz`);
    const { size } = statSync(tarball);
    if (size > SIZE_MAX) throw new Error(`the package has ${size} bytes; at most ${SIZE_MAX} are wanted`);
    const tag = version.includes("-") ? "next" : "latest";
    // npm makes provenance in CI alone, and refuses the option elsewhere.
    run("npm", "publish", tarball, "--tag", tag, ...(publishes ? ["--provenance"] : ["--dry-run"]));
  } finally {
    rmSync(directory, { recursive: true });
  }
  if (!publishes) console.log("\nNothing was published: node scripts/release.mjs --publish, in CI");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const parameters = process.argv.slice(2);
  if (parameters.some((parameter) => parameter !== "--publish")) {
    console.error("usage: node scripts/release.mjs [--publish]");
    process.exitCode = 2;
  } else {
    release(parameters.length > 0);
  }
}
