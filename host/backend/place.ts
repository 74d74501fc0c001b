/**
 * Owns where a program runs when it does not say so: on the operating system, or on a host of a simulated network that has
 * started it. Knows a place by its backend alone.
 */

import type { Backend } from "./backend.js";

let find: (() => Backend | undefined) | undefined;
let isOnly = false;

/** The backend of the simulated host on which the code that asks runs; undefined on the operating system. */
export function placeBackend(): Backend | undefined {
  return find?.();
}

/** Sets how the place is found: once, by whatever has places. */
export function findPlacesBy(finder: () => Backend | undefined): void {
  find = finder;
}

/** There is one place, for all code of the process: in a component, which has no operating system behind it. */
export function runEverywhereOn(backend: Backend): void {
  find = () => backend;
  isOnly = true;
}

export function hasOnePlace(): boolean {
  return isOnly;
}
