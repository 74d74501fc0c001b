/**
 * Owns the contract of the seam: what every backend and every wrapper of one does. A backend passes when
 * {@link describeBackend} does. Knows the seam, and the operating system behind it; knows no backend.
 */

import { describe } from "vitest";
import type { Backend } from "../../host/backend/backend.js";
import { describeAncillary } from "./ancillary.js";
import { describeBadInput } from "./bad-input.js";
import { describeCorners } from "./corners.js";
import { describeFiles } from "./files.js";
import { describeNames } from "./names.js";
import { describeOptions } from "./options.js";
import { describePaths } from "./paths.js";
import { describePorts } from "./ports.js";
import { describePolling } from "./polling.js";
import { describeSockets } from "./sockets.js";
import { operatingSystem, type System } from "./system.js";

/** @param system what is behind the backend */
export function describeBackend(name: string, backend: Backend, system: System = operatingSystem): void {
  describe(name, () => {
    describePolling(backend, system);
    describeSockets(backend);
    describeOptions(backend);
    describeAncillary(backend, system);
    describeFiles(backend, system);
    describePaths(backend, system);
    describeNames(backend, system);
    describeBadInput(backend);
    describeCorners(backend, system);
    describePorts(backend, system);
  });
}
