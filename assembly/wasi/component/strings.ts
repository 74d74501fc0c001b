/** Owns the program's arguments and its environment, each fetched once. Knows the imports. */

import { hasVariables, keepVariables, takeStrings, variableNamed } from "../string-lists";
import { getArguments, getEnvironment } from "./io";

const result = memory.data(8, 4);

export function readArguments(): string[] {
  getArguments(result);
  return takeStrings(result);
}

export function findVariable(name: string): usize {
  if (!hasVariables()) {
    getEnvironment(result);
    keepVariables(result);
  }
  return variableNamed(name);
}
