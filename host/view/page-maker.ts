/** Owns the page of one or two runs: the template with their timelines in it. Knows nothing of what the page does. */

import { gzipSync } from "node:zlib";
import { pack } from "./packing.js";
import type { Timeline } from "./timeline.js";

const PLACE = "<!--DATA-->";

/**
 * @param template the page without a run, as the build makes it
 * @returns the page: one file that needs no other
 */
export function pageOf(template: string, timelines: readonly Timeline[]): string {
  // Base64 has no character that could end the element.
  const runs = timelines.map(
    (timeline) => `<script type="text/plain" data-run>${gzipSync(pack(timeline)).toString("base64")}</script>`,
  );
  return template.replace(PLACE, () => runs.join("\n"));
}
