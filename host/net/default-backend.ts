/** Owns handing on the composition root to the rooms above this one. Knows no backend. */

export { defaultBackend } from "../node/default.js";
