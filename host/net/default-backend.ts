/**
 * Owns the re-export of the default backend and of what records, for the rooms that must not import host/node. Knows no backend.
 */

export { defaultBackend } from "../node/default.js";
export { loadRecordFile } from "../node/record-files.js";
