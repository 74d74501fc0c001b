/**
 * Owns the re-export of the default backend and of what loads a recorder, for the rooms that must not import host/node. Knows no
 * backend.
 */

export { defaultBackend, loadRecordFile } from "../node/default.js";
