/**
 * Owns what `wasyncore build` changes during compilation. Knows the parts of the compiler's syntax tree that are used
 * here; knows no file and no command line.
 *
 * A class of AssemblyScript cannot know its own name, nor which methods it overrides. So each class that extends another
 * is given getters that say it. And functions of the program are not merged into their callers, so that a trap names
 * them.
 */

/** Overriding one of these methods makes the getter say yes. */
const OVERRIDES: readonly (readonly [getter: string, methods: readonly string[]])[] = [
  ["overridesInterest", ["readable", "writable"]],
  ["overridesHandleWrite", ["handleWrite"]],
  ["overridesSend", ["send"]],
];

/** Where programs import these from. */
const IMPORTED_FROM: ReadonlySet<string> = new Set(["wasyncore", "wasyncore/guest"]);
const LOOPS: ReadonlySet<string> = new Set(["loop", "loopSync"]);

/** The library says of its own classes what is to be said. */
const LIBRARY = "~lib/wasyncore/";

interface SyntaxNode {
  readonly kind: number;
}

interface Member extends SyntaxNode {
  readonly name: { readonly text: string };
}

interface ClassDeclaration extends Member {
  readonly extendsType: object | null;
  readonly members: Member[];
}

interface NamespaceDeclaration extends SyntaxNode {
  readonly members: readonly SyntaxNode[];
}

interface Identifier extends SyntaxNode {
  text: string;
}

/** What is read of a statement, by its kind. */
interface Statement extends SyntaxNode {
  readonly expression?: SyntaxNode & { readonly expression?: Identifier };
  readonly path?: { readonly value: string };
  readonly declarations?: readonly { readonly name: Identifier; readonly foreignName: Identifier }[] | null;
}

interface Source {
  readonly sourceKind: number;
  readonly normalizedPath: string;
  readonly internalPath: string;
  readonly statements: readonly SyntaxNode[];
}

interface Parser {
  readonly sources: readonly Source[];
  parseFile(text: string, path: string, isEntry: boolean): void;
}

/** What is used of the module "assemblyscript". */
export interface Compiler {
  readonly Parser: new () => Parser;
  readonly NodeKind: {
    readonly ClassDeclaration: number;
    readonly NamespaceDeclaration: number;
    readonly MethodDeclaration: number;
    readonly Import: number;
    readonly Expression: number;
    readonly Call: number;
    readonly Identifier: number;
  };
}

interface BinaryenModule {
  runPasses(passes: string[]): void;
}

/** A transform, as asc takes it: a class, whose prototype asc gives what it has to give. */
export type GuestTransform = new () => {
  afterParse(parser: Parser): void;
  afterCompile(module: BinaryenModule): void;
};

/** What a loop at the end of a program is made into: see assembly/guest/loop.ts. */
const LAST_LOOP = "wasyncoreLastLoop";
/** `SourceKind.UserEntry`. */
const ENTRY = 1;

/** Makes the transform for a compiler. With `returnsToHost` a loop at the end of a program is one that the host calls back for. */
export function guestTransform({ Parser, NodeKind }: Compiler, returnsToHost = false): GuestTransform {
  /** The name of `loop`, called by the last statement of a program that imports it. */
  function lastLoop(statements: readonly Statement[]): Identifier | undefined {
    const last = statements.at(-1);
    const call = last?.kind === NodeKind.Expression ? last.expression : undefined;
    const callee = call?.kind === NodeKind.Call ? call.expression : undefined;
    if (callee?.kind !== NodeKind.Identifier) return undefined;
    for (const { kind, path, declarations } of statements) {
      if (kind !== NodeKind.Import || path === undefined || !IMPORTED_FROM.has(path.value)) continue;
      const found = declarations?.find(({ name }) => name.text === callee.text);
      if (found !== undefined && LOOPS.has(found.foreignName.text)) return callee;
    }
    return undefined;
  }

  function classesIn(statements: readonly SyntaxNode[]): ClassDeclaration[] {
    return statements.flatMap((statement) => {
      if (statement.kind === NodeKind.ClassDeclaration) return [statement as ClassDeclaration];
      if (statement.kind !== NodeKind.NamespaceDeclaration) return [];
      return classesIn((statement as NamespaceDeclaration).members);
    });
  }

  function getters(declaration: ClassDeclaration): readonly Member[] {
    const methods = new Set<string>();
    for (const { kind, name } of declaration.members) if (kind === NodeKind.MethodDeclaration) methods.add(name.text);
    const lines: string[] = [];
    if (!methods.has("className")) lines.push(`get className(): string { return "${declaration.name.text}"; }`);
    for (const [getter, overriding] of OVERRIDES) {
      if (overriding.some((name) => methods.has(name))) lines.push(`get ${getter}(): bool { return true; }`);
    }
    const parser = new Parser();
    parser.parseFile(`class Getters { ${lines.join(" ")} }`, "getters.ts", false);
    return classesIn(parser.sources[0]?.statements ?? [])[0]?.members ?? [];
  }

  return class {
    /** Given by asc. */
    declare readonly binaryen: { setPassArgument(name: string, value: string | null): void };
    readonly #own: string[] = [];

    afterParse(parser: Parser): void {
      for (const { normalizedPath, internalPath, sourceKind, statements } of parser.sources) {
        const loop = returnsToHost && sourceKind === ENTRY ? lastLoop(statements) : undefined;
        if (loop !== undefined) loop.text = LAST_LOOP;
        if (!normalizedPath.startsWith("~lib/")) this.#own.push(internalPath);
        if (normalizedPath.startsWith(LIBRARY)) continue;
        for (const declaration of classesIn(statements)) {
          if (declaration.extendsType !== null) declaration.members.push(...getters(declaration));
        }
      }
    }

    afterCompile(module: BinaryenModule): void {
      for (const path of this.#own) {
        this.binaryen.setPassArgument("no-inline", `${path}/*`);
        module.runPasses(["no-inline"]);
      }
      this.binaryen.setPassArgument("no-inline", null);
    }
  };
}
