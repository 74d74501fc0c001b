/**
 * Owns which parts of the engine a build contains. The build of engine.wasm switches all of them on (asconfig.json); in
 * any other build, a guest's, they are left out. Knows nothing else.
 */

/** Keeps the log of what changed since the last poll. Without it the host reads the whole array of subscriptions. */
export const CHANGE_LOG: bool = isDefined(ENGINE_CHANGE_LOG);

/** Delivers out-of-band data, for which only a host that knows the change log has an event. */
export const OUT_OF_BAND: bool = isDefined(ENGINE_OUT_OF_BAND);

/** The whole memory is the engine's, and growing it may fail. Without it the program's allocator gives the memory. */
export const OWN_MEMORY: bool = isDefined(ENGINE_OWN_MEMORY);
