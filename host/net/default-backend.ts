/** Owns the re-export of the default backend, for the rooms that must not import host/node. Knows no backend. */

export { defaultBackend } from "../node/default.js";
