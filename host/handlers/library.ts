/**
 * Owns the distinction between the library's methods of a handler and a user's. Knows no class: the library's classes
 * register their own methods and prototypes here.
 *
 * A handler that overrides `readable` or `writable` must be sampled every turn, as asyncore promises; the library's own
 * versions need not be, because their classes notify the engine when their interest changes.
 */

const libraryMethods = new WeakSet<object>();
const libraryPrototypes = new WeakSet<object>();

/** Prototypes of users' classes that have passed the check of their method names. */
const checkedPrototypes = new WeakSet<object>();

/** Methods of asyncore and asynchat that a program overrides and the library calls, by their names here. */
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

/** Without those that a program calls itself, for which it may have a name of its own. */
const LOWER_CASE = new Map(
  [...CALLED.values()]
    .filter((name) => name !== "logInfo" && name !== "initiateSend")
    .map((name) => [name.toLowerCase(), name]),
);

/** Registers these methods as the library's. */
export function declareLibraryMethods(...methods: object[]): void {
  for (const method of methods) libraryMethods.add(method);
}

/** Registers the methods of this class as the library's. */
export function declareLibraryClass(type: { readonly prototype: object }): void {
  libraryPrototypes.add(type.prototype);
}

let methodAssigned: (to: object) => void = () => undefined;

/** Has `callback` called when one of the {@link declareSampledMethods} has been assigned to a handler, or to a prototype. */
export function onMethodAssigned(callback: (to: object) => void): void {
  methodAssigned = callback;
}

/**
 * Registers these methods of a library's class as the library's, and notices when a program assigns another one to a handler
 * rather than overrides it, as programs in Python do: `channel.writable = () => false`. What was found out when the handler
 * joined its map is no longer true then.
 */
export function declareSampledMethods(prototype: object, ...names: string[]): void {
  for (const name of names) {
    const method: unknown = Reflect.get(prototype, name);
    libraryMethods.add(method as object);
    Object.defineProperty(prototype, name, {
      get: () => method,
      set(this: object, value: unknown) {
        Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
        methodAssigned(this);
      },
      enumerable: false,
      configurable: true,
    });
  }
}

/** Was this method written by a user? */
export function isOverride(method: object): boolean {
  return !libraryMethods.has(method);
}

/**
 * Rejects a handler whose class has a method with asyncore's name, or with a callback's in another case, which would never
 * be called, unless the class also
 * overrides the method of the corresponding name here. Checks each class once.
 * @throws TypeError ERR_SNAKE_CASE
 */
export function checkMethodNames(handler: object): void {
  const prototype = Object.getPrototypeOf(handler) as object;
  if (checkedPrototypes.has(prototype) || libraryPrototypes.has(prototype)) return;
  const users = usersPrototypes(prototype);
  for (const each of users) {
    for (const name of Object.getOwnPropertyNames(each)) {
      const ours = CALLED.get(name) ?? differently(name);
      if (ours === undefined || users.some((user) => Object.hasOwn(user, ours))) continue;
      const message = `${prototype.constructor.name}.${name}() would never be called: the method's name is ${ours}() here`;
      throw Object.assign(new TypeError(message), { code: "ERR_SNAKE_CASE" });
    }
  }
  checkedPrototypes.add(prototype);
}

/** The callback that differs from this name in case alone: "handleread". */
function differently(name: string): string | undefined {
  const ours = LOWER_CASE.get(name.toLowerCase());
  return ours === name ? undefined : ours;
}

/** The prototypes from this one up to, but not including, the library's. */
function usersPrototypes(prototype: object): object[] {
  const users: object[] = [];
  let each: object | null = prototype;
  while (each !== null && !libraryPrototypes.has(each)) {
    users.push(each);
    each = Object.getPrototypeOf(each) as object | null;
  }
  return users;
}
