/**
 * Checks the links of the documentation: files and headings that a link names exist.
 *
 *   node scripts/links.mjs         prints dead links, and fails if there are any
 *   node scripts/links.mjs --fix   turns relative links of the files that are in the package into links to the repository
 *
 * README.md is in the package without the rest, so its links go to the repository by URL. Such a link is
 * checked against the file of this checkout. Links to other sites are not followed.
 */

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const { repository } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const SITE = repository.url.replace(/^git\+/, "").replace(/\.git$/, "");
/** Of a file and of a directory, as the site has them. */
const IN_REPOSITORY = new RegExp(`^${SITE}/(?:blob|tree)/main/`);
const PACKED = ["README.md"];

const LINK = /(\]\()([^)\s]+)(\))/g;
const FENCE = /^ *(```|~~~)[^]*?^ *\1/gm;

/** The names of a page's headings, as the site makes them. */
function anchorsOf(text) {
  const seen = new Map();
  const anchors = new Set();
  for (const [, heading] of text.replaceAll(FENCE, "").matchAll(/^#+ (.*)$/gm)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").trim();
    const name = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(/\s/g, "-");
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    anchors.add(count === 0 ? name : `${name}-${count}`);
  }
  return anchors;
}

/** @returns what is wrong with a link in a page of the checkout; "" if nothing is */
function faultOf(root, page, text, target) {
  const inRepository = IN_REPOSITORY.exec(target);
  if (inRepository === null && /^[a-z][a-z+.-]*:/i.test(target)) return "";
  if (inRepository === null && PACKED.includes(page) && !target.startsWith("#")) {
    return `the package has ${page} alone: link to the repository (node scripts/links.mjs --fix)`;
  }
  const [path, anchor] = (inRepository === null ? target : target.slice(inRepository[0].length)).split("#", 2);
  const base = inRepository === null ? dirname(join(root, page)) : root;
  const file = path === "" ? join(root, page) : resolve(base, decodeURIComponent(path));
  if (!existsSync(file)) return "there is no such file";
  if (anchor === undefined || !file.endsWith(".md")) return "";
  const anchors = anchorsOf(path === "" ? text : readFileSync(file, "utf8"));
  return anchors.has(anchor) ? "" : "there is no such heading";
}

/** The dead links of the pages of a checkout: "PAGE:LINE TARGET: what is wrong". */
export function deadLinks(root, pages = pagesOf(root)) {
  return pages.flatMap((page) => {
    const text = readFileSync(join(root, page), "utf8");
    // As many lines as before, so that the numbers stay right.
    const prose = text.replaceAll(FENCE, (block) => block.replaceAll(/[^\n]/g, ""));
    return prose.split("\n").flatMap((line, index) =>
      [...line.replaceAll(/`[^`]*`/g, (code) => " ".repeat(code.length)).matchAll(LINK)].flatMap(([, , target]) => {
        const fault = faultOf(root, page, text, target);
        return fault === "" ? [] : [`${page}:${index + 1} ${target}: ${fault}`];
      }),
    );
  });
}

const LEFT_OUT = new Set(["node_modules", "build", "dist", "coverage", ".git"]);

function pagesOf(root, directory = "") {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    if (LEFT_OUT.has(entry.name)) return [];
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return pagesOf(root, path);
    return path.endsWith(".md") ? [path] : [];
  });
}

/** The text of a packed page with its relative links turned into links to the repository. */
export function withUrls(root, text) {
  return text.replaceAll(LINK, (link, before, target, after) => {
    if (target.startsWith("#") || /^[a-z][a-z+.-]*:/i.test(target)) return link;
    const [path, anchor] = target.split("#", 2);
    const kind = existsSync(join(root, path)) && statSync(join(root, path)).isDirectory() ? "tree" : "blob";
    const url = `${SITE}/${kind}/main/${relative(root, resolve(root, path))}`;
    return `${before}${url}${anchor === undefined ? "" : `#${anchor}`}${after}`;
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--fix")) {
    for (const page of PACKED) writeFileSync(join(ROOT, page), withUrls(ROOT, readFileSync(join(ROOT, page), "utf8")));
  }
  const dead = deadLinks(ROOT);
  for (const line of dead) console.error(line);
  if (dead.length > 0) process.exitCode = 1;
}
