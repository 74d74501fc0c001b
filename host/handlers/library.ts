/**
 * Owns the question which methods of a handler are the library's and which a user's. Knows no class: those of the library
 * hand in the methods, and the prototypes, that they answer for.
 *
 * A handler that overrides `readable` or `writable` must be sampled every turn, as asyncore promises; the library's own
 * versions need not be, because their classes tell the engine when their interest changes.
 */

const libraryMethods = new WeakSet<object>();
const libraryPrototypes = new WeakSet<object>();

/** Prototypes of users' classes whose names are in order. */
const checkedPrototypes = new WeakSet<object>();

/** asyncore's and asynchat's methods that a program overrides and the library calls, by their names here. */
const CALLED = new Map([
  ["handle_read", "handleRead"],
  ["handle_write", "handleWrite"],
  ["handle_expt", "handleExpt"],
  ["handle_connect", "handleConnect"],
  ["handle_accept", "handleAccept"],
  ["handle_accepted", "handleAccepted"],
  ["handle_close", "handleClose"],
  ["handle_error", "handleError"],
  ["handle_read_event", "handleReadEvent"],
  ["handle_write_event", "handleWriteEvent"],
  ["handle_expt_event", "handleExptEvent"],
  ["handle_connect_event", "handleConnectEvent"],
  ["log_info", "logInfo"],
  ["collect_incoming_data", "collectIncomingData"],
  ["found_terminator", "foundTerminator"],
  ["initiate_send", "initiateSend"],
]);

/** Says that these methods are the library's. */
export function declareLibraryMethods(...methods: object[]): void {
  for (const method of methods) libraryMethods.add(method);
}

/** Says that the methods of this class are the library's. */
export function declareLibraryClass(type: { readonly prototype: object }): void {
  libraryPrototypes.add(type.prototype);
}

/** Was this method written by somebody else? */
export function isOverride(method: object): boolean {
  return !libraryMethods.has(method);
}

/**
 * Refuses a handler whose class has a method by asyncore's name for it, which nothing would ever call, unless the class
 * overrides the one by its name here as well. Looks at each class once.
 * @throws TypeError ERR_SNAKE_CASE
 */
export function checkMethodNames(handler: object): void {
  const prototype = Object.getPrototypeOf(handler) as object;
  if (checkedPrototypes.has(prototype) || libraryPrototypes.has(prototype)) return;
  const users = usersPrototypes(prototype);
  for (const each of users) {
    for (const name of Object.getOwnPropertyNames(each)) {
      const ours = CALLED.get(name);
      if (ours === undefined || users.some((user) => Object.hasOwn(user, ours))) continue;
      const message = `${prototype.constructor.name}.${name}() would never be called: the method's name is ${ours}() here`;
      throw Object.assign(new TypeError(message), { code: "ERR_SNAKE_CASE" });
    }
  }
  checkedPrototypes.add(prototype);
}

/** The prototypes from this one up to the first of the library. */
function usersPrototypes(prototype: object): object[] {
  const users: object[] = [];
  let each: object | null = prototype;
  while (each !== null && !libraryPrototypes.has(each)) {
    users.push(each);
    each = Object.getPrototypeOf(each) as object | null;
  }
  return users;
}
