// Owns the measurement of an import in this process: how long after the start of the process it is over.
//
// usage: node bench/programs/import.mjs [FILE]      without a file: bare Node. Prints one line of JSON.

import { pathToFileURL } from "node:url";

const [file] = process.argv.slice(2);
if (file !== undefined) await import(pathToFileURL(file).href);
const wallMs = performance.now();
const { user, system } = process.cpuUsage();
console.log(JSON.stringify({ wallMs, cpuMs: (user + system) / 1000 }));
