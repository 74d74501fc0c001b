/**
 * Owns modules made at random, as text, that end by themselves: every loop has a counter, and a function calls only those
 * after it. Between them they have each shape of immediate that metering must read. Knows nothing of metering.
 */

/** mulberry32: the same numbers for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** 0 up to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  of<T>(list: readonly [T, ...T[]]): T {
    return list[this.below(list.length)] ?? list[0];
  }
}

type Type = "i32" | "i64" | "f64" | "v128";

const FUNCTIONS = 5;
const DEPTH = 4;
const BINARY = {
  i32: ["add", "sub", "mul", "and", "xor", "shl", "rotl", "div_u", "rem_s", "eq", "lt_s", "gt_u"],
  i64: ["add", "sub", "mul", "or", "xor", "shr_u", "rotr", "div_s", "rem_u"],
  f64: ["add", "sub", "mul", "div", "min", "max", "copysign"],
} as const;

class Maker {
  readonly #random: Random;
  #index = 0;
  #labels = 0;
  #counters = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  module(): string {
    const functions = Array.from({ length: FUNCTIONS }, (_, index) => this.#function(index));
    return `(module
      (type $f (func (param i32 i64 f64) (result i64)))
      (import "host" "see" (func $see (param i32) (result i32)))
      (memory (export "memory") 1 3)
      (table $t 4 20 funcref)
      (elem (table $t) (i32.const 0) func $f3 $f4 $f4 $see)
      (elem $passive func $f3 $f4)
      (global $g (mut i32) (i32.const 7))
      (tag $e (param i32))
      (data $d "some bytes that memory.init copies")
      ${functions.join("\n")}
      (export "run" (func $f0)))`;
  }

  #function(index: number): string {
    this.#index = index;
    this.#counters = 0;
    const body = this.#statements(DEPTH);
    const result = this.#expression("i64", 2);
    const counters = Array.from({ length: this.#counters }, (_, each) => `(local $c${each} i32)`).join("");
    return `(func $f${index} (type $f) (param $a i32) (param $b i64) (param $x f64) (result i64)
      (local $i i32) (local $j i64) (local $v v128) ${counters} ${body} ${result})`;
  }

  #statements(depth: number): string {
    return Array.from({ length: 1 + this.#random.below(4) }, () => this.#statement(depth)).join("\n");
  }

  #statement(depth: number): string {
    const random = this.#random;
    const i32 = (): string => this.#expression("i32", 2);
    const small = (limit: number): string => `(i32.rem_u ${i32()} (i32.const ${limit}))`;
    const at = (): string => `(i32.and ${i32()} (i32.const 65528))`;
    switch (random.below(depth > 0 ? 19 : 10)) {
      case 0:
        return `(local.set $i ${i32()})`;
      case 1:
        return `(local.set $j ${this.#expression("i64", 2)})`;
      case 2:
        return `(global.set $g ${i32()})`;
      case 3:
        return random.of([
          `(i64.store offset=8 align=4 ${at()} ${this.#expression("i64", 2)})`,
          `(i32.store8 ${at()} ${i32()})`,
          `(f64.store ${at()} ${this.#expression("f64", 2)})`,
          `(v128.store32_lane 1 ${at()} ${this.#expression("v128", 1)})`,
        ]);
      case 4:
        return `(memory.fill ${at()} ${i32()} ${small(90)})`;
      case 5:
        return `(memory.copy ${at()} ${at()} ${small(90)})`;
      case 6:
        return `(memory.init $d ${at()} (i32.const 2) ${small(9)})`;
      case 7:
        return `(drop ${random.of([`(memory.grow ${small(2)})`, `(table.grow $t (ref.null func) ${small(3)})`])})`;
      case 8:
        return `(local.set $v ${this.#expression("v128", 2)})`;
      case 9:
        return random.of([
          `(table.set $t ${small(4)} (ref.func $f4))`,
          `(table.copy $t $t (i32.const 0) (i32.const 1) ${small(3)})`,
          `(table.init $t $passive (i32.const 0) (i32.const 0) ${small(3)})`,
          `(drop (i32.atomic.rmw.add (i32.and ${i32()} (i32.const 65532)) ${i32()}))`,
        ]);
      case 10:
      case 11:
        return `(if ${i32()} (then ${this.#statements(depth - 1)}) (else ${this.#statements(depth - 1)}))`;
      case 12:
      case 13: {
        const label = this.#labels++;
        const counter = `$c${this.#counters++}`;
        return `(local.set ${counter} (i32.const ${1 + random.below(4)}))
          (loop $l${label} ${this.#statements(depth - 2)}
            (br_if $l${label} (local.tee ${counter} (i32.sub (local.get ${counter}) (i32.const 1)))))`;
      }
      case 14: {
        const label = this.#labels++;
        return `(block $l${label} ${this.#statements(depth - 1)} (br_if $l${label} ${i32()}) ${this.#statements(depth - 1)})`;
      }
      case 15: {
        const label = this.#labels++;
        return `(block $o${label} (block $l${label} ${this.#statements(depth - 1)}
          (br_table $l${label} $o${label} $l${label} ${small(5)})) ${this.#statements(depth - 1)})`;
      }
      case 16:
        return `(try (do ${this.#statements(depth - 1)} (if ${i32()} (then (throw $e ${i32()}))))
          ${random.of([`(catch $e (global.set $g) ${this.#statements(0)})`, "(catch_all)"])})`;
      case 17:
        return `(if ${i32()} (then (return ${this.#expression("i64", 2)})))`;
      default:
        return `(local.set $j ${this.#call()})`;
    }
  }

  #call(): string {
    const random = this.#random;
    const parameters = `${this.#expression("i32", 1)} ${this.#expression("i64", 1)} ${this.#expression("f64", 1)}`;
    const left = FUNCTIONS - 1 - this.#index;
    if (left === 0) return "(i64.const 5)";
    if (left > 2 && random.below(3) === 0) {
      return `(call_indirect $t (type $f) ${parameters} (i32.rem_u ${this.#expression("i32", 1)} (i32.const 4)))`;
    }
    return `(call $f${this.#index + 1 + random.below(left)} ${parameters})`;
  }

  #expression(type: Type, depth: number): string {
    const random = this.#random;
    if (depth === 0 || random.below(4) === 0) return this.#leaf(type);
    const one = (of: Type): string => this.#expression(of, depth - 1);
    if (type === "v128") {
      return random.of([
        `(i32x4.add ${one("v128")} ${one("v128")})`,
        `(i8x16.shuffle 0 17 2 3 4 5 6 7 8 9 10 30 12 13 14 15 ${one("v128")} ${one("v128")})`,
        `(i64x2.replace_lane 1 ${one("v128")} ${one("i64")})`,
        `(i32x4.splat ${one("i32")})`,
        `(v128.load16_splat offset=4 (i32.and ${one("i32")} (i32.const 32767)))`,
        `(v128.load8_lane 3 (i32.and ${one("i32")} (i32.const 32767)) ${one("v128")})`,
      ]);
    }
    if (random.below(2) === 0) {
      const operator = BINARY[type][random.below(BINARY[type].length)] ?? "add";
      return `(${type}.${operator} ${one(type)} ${one(type)})`;
    }
    const at = `(i32.and ${one("i32")} (i32.const 65528))`;
    switch (type) {
      case "i32":
        return random.of([
          `(call $see ${one("i32")})`,
          `(i32.wrap_i64 ${one("i64")})`,
          `(i32.extend8_s ${one("i32")})`,
          `(i32.load16_u offset=3 ${at})`,
          `(i32x4.extract_lane 2 ${one("v128")})`,
          `(i32.trunc_sat_f64_s ${one("f64")})`,
          `(i32.trunc_f64_s ${one("f64")})`,
          `(select (result i32) ${one("i32")} ${one("i32")} ${one("i32")})`,
          `(ref.is_null (table.get $t (i32.const 1)))`,
        ]);
      case "i64":
        return random.of([
          `(i64.extend_i32_u ${one("i32")})`,
          `(i64.load32_s ${at})`,
          `(i64.clz ${one("i64")})`,
          `(i64x2.extract_lane 0 ${one("v128")})`,
          `(i64.reinterpret_f64 ${one("f64")})`,
          `(i64.atomic.load ${at})`,
        ]);
      default:
        return random.of([
          `(f64.sqrt ${one("f64")})`,
          `(f64.convert_i32_s ${one("i32")})`,
          `(f64.promote_f32 (f32.add (f32.const 1.25) (f32.demote_f64 ${one("f64")})))`,
          `(f64.load ${at})`,
        ]);
    }
  }

  #leaf(type: Type): string {
    const random = this.#random;
    switch (type) {
      case "i32":
        return random.of([
          "(local.get $a)",
          "(local.get $i)",
          "(global.get $g)",
          "(memory.size)",
          this.#constant("i32"),
        ]);
      case "i64":
        return random.of(["(local.get $b)", "(local.get $j)", this.#constant("i64")]);
      case "f64":
        return random.of(["(local.get $x)", "(f64.const -0.5)", "(f64.const 1e100)"]);
      default:
        return random.of(["(local.get $v)", "(v128.const i32x4 1 2 3 0x7fffffff)"]);
    }
  }

  #constant(type: "i32" | "i64"): string {
    return `(${type}.const ${this.#random.of([0, 1, -1, 63, 64, 8191, -65_537, 2 ** 31 - 1])})`;
  }
}

/** The text of a module that exports `run` and `memory`. */
export function randomModule(seed: number): string {
  return new Maker(new Random(seed)).module();
}
