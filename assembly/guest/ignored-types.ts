/**
 * Owns the kinds of message that a channel leaves out. Knows no channel. There are two classes, so that a program which
 * does not ask for the set has neither it nor the standard library's Set.
 */

export abstract class IgnoredTypes {
  abstract has(type: string): bool;
}

export class IgnoredSet extends IgnoredTypes {
  readonly types: Set<string>;

  constructor(types: Set<string>) {
    super();
    this.types = types;
  }

  has(type: string): bool {
    return this.types.has(type);
  }
}
