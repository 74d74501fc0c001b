/** Owns node:events: the package "events". */

import EventEmitter from "events";

export { EventEmitter, EventEmitter as default };
export const { once, defaultMaxListeners } = EventEmitter;
