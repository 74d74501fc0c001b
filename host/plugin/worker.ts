/** Owns the entry of an isolated plugin's thread, which `isolated.ts` starts. */

import { parentPort, workerData } from "node:worker_threads";
import { type IsolatedData, runIsolated } from "./isolated-thread.js";

if (parentPort !== null) runIsolated(workerData as IsolatedData, parentPort);
