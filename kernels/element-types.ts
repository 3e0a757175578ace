import type { Kernel } from './kernel.ts';

/*
 * Kernels over 16-bit storage.
 *
 * A kernel is written once, over arrays of f32. Where a tensor is stored as f16 its binding is declared
 * `array<f16>`, `array<vec2<f16>>` or `array<vec4<f16>>` instead, and every access is converted where it
 * happens:
 *
 *   x[i]                  f32(x[i])                   widened when read, exactly
 *   y[i] = v              y[i] = f16(v)               rounded once, when written
 *   y[i] += v             y[i] = f16(f32(y[i]) + (v))
 *
 * and likewise arrays in workgroup memory that only hold what such a binding holds (`Kernel.tiles`), which
 * loses nothing. All else stays f32: products, sums, statistics, other workgroup memory. That is a pass over the
 * text, not a parameter of every kernel, because the rule is the same for all of them: kernels stay
 * readable, there is no second copy of any, and text and key of f32 kernels stay what they are. WGSL has
 * no other way to touch a storage than an access in brackets; whatever the pass does not know is an
 * error, not a guess.
 */

/** How the elements of a tensor are stored. */
export const ELEMENT_TYPES = ['f32', 'f16'] as const;
export type ElementType = (typeof ELEMENT_TYPES)[number];

/** Bytes of one element. */
export const ELEMENT_BYTES: Readonly<Record<ElementType, number>> = { f32: 4, f16: 2 };

/** Types of elements in WGSL, wide and narrow. */
const NARROW: Readonly<Record<string, string>> = {
  f32: 'f16',
  vec2f: 'vec2<f16>',
  vec4f: 'vec4<f16>',
};

interface Binding {
  /** What is computed with. */
  readonly wide: string;
  /** What is stored. */
  readonly narrow: string;
  /** Indices that lead to an element. */
  readonly depth: number;
}

/** Occurs in no kernel. */
const MARK = '§';

const made = new WeakMap<Kernel, Map<string, Kernel>>();

/**
 * The same kernel over storages of which some hold f16.
 * @param types of what is bound, in order; bindings beyond them are f32
 * @throws TypeError, when its code is asked for, naming kernel and binding if that is no array of floats
 */
export function withElementTypes(kernel: Kernel, types: readonly ElementType[]): Kernel {
  const narrow = types.flatMap((type, binding) => (type === 'f16' ? [binding] : []));
  if (!narrow.length) return kernel;
  const tag = narrow.join();
  let known = made.get(kernel);
  if (!known) {
    known = new Map();
    made.set(kernel, known);
  }
  let result = known.get(tag);
  if (!result) {
    result = {
      ...kernel,
      key: `${kernel.key}.f16(${tag})`,
      requires: [...(kernel.requires ?? []), 'shader-f16'],
      code: () => narrowBindings(kernel, narrow),
    };
    known.set(tag, result);
  }
  return result;
}

/** @param bindings of group 0 that hold f16 */
function narrowBindings(kernel: Kernel, bindings: readonly number[]): string {
  const found = new Map<string, Binding>();
  /** Declares an array narrow. The mark says that the name there is no access. */
  const declare = (before: string, name: string, type: string): string | undefined => {
    const wide = /^(?:array<)+(\w+)/.exec(type)?.[1] ?? '';
    const narrow = NARROW[wide];
    if (!narrow) return undefined;
    found.set(name, { wide, narrow, depth: type.split('array<').length - 1 });
    return `${before}${MARK}${name}: ${type.replace(wide, narrow)};`;
  };
  const missing = new Set(bindings);
  const declarations = withoutComments(kernel.code()).replace(
    /(@binding\((\d+)\) var<storage, \w+> )(\w+): (array<[^;]*>);/g,
    (unchanged, before, binding, name, type) => {
      if (!bindings.includes(Number(binding))) return unchanged;
      const declaration = declare(before, name, type);
      if (declaration) missing.delete(Number(binding));
      return declaration ?? unchanged;
    },
  );
  if (missing.size) {
    throw new TypeError(
      `kernel ${kernel.key}: binding ${[...missing].join(', ')} is no array of floats and cannot hold f16`,
    );
  }
  const code = declarations.replace(
    /(var<workgroup> )(\w+): (array<[^;]*>);/g,
    (unchanged, before, name, type) => {
      const binding = kernel.tiles?.[name];
      const isNarrow = binding !== undefined && bindings.includes(binding);
      return (isNarrow ? declare(before, name, type) : undefined) ?? unchanged;
    },
  );
  const names = new RegExp(`(?<![\\w.${MARK}])(?:${[...found.keys()].join('|')})\\b`, 'g');
  const converted = new Accesses(found, names, kernel.key).convert(code);
  return `enable f16;\n${converted.replaceAll(MARK, '')}`;
}

function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/[^\n]*/g, '');
}

/** Converts accesses of some arrays. */
class Accesses {
  private readonly bindings: ReadonlyMap<string, Binding>;
  private readonly names: RegExp;
  private readonly kernel: string;

  constructor(bindings: ReadonlyMap<string, Binding>, names: RegExp, kernel: string) {
    this.bindings = bindings;
    this.names = names;
    this.kernel = kernel;
  }

  convert(text: string): string {
    let result = '';
    let done = 0;
    for (const match of text.matchAll(this.names)) {
      if (match.index < done) continue; // Within an index or a value that was converted already.
      const [name] = match;
      const binding = this.bindings.get(name);
      if (!binding || /arrayLength\(&$/.test(text.slice(0, match.index))) continue;
      let element = name;
      let end = match.index + name.length;
      for (let index = 0; index < binding.depth; index++) {
        if (text[end] !== '[') {
          const line = text.slice(text.lastIndexOf('\n', end) + 1).split('\n', 1)[0];
          throw new TypeError(
            `kernel ${this.kernel}: no access of the array ${name}: ${line.trim()}`,
          );
        }
        const close = closingBracket(text, end);
        element += `[${this.convert(text.slice(end + 1, close))}]`;
        end = close + 1;
      }
      const access = this.store(text, end, element, binding) ?? {
        code: `${binding.wide}(${element})`,
        end,
      };
      result += text.slice(done, match.index) + access.code;
      done = access.end;
    }
    return result + text.slice(done);
  }

  /** What `element…` becomes if it is assigned to, up to the semicolon. */
  private store(
    text: string,
    from: number,
    element: string,
    { wide, narrow }: Binding,
  ): { code: string; end: number } | undefined {
    const [, component, operator] =
      /^((?:\.\w|\[[^[\]]*\])?)\s*([-+*/]?)=(?!=)/.exec(text.slice(from)) ?? [];
    if (component === undefined) return undefined;
    const [before, stored] = component ? ['f32', 'f16'] : [wide, narrow];
    const end = text.indexOf(';', from);
    const value = this.convert(text.slice(text.indexOf('=', from) + 1, end)).trim();
    const sum = operator ? `${before}(${element}${component}) ${operator} (${value})` : value;
    return { code: `${element}${component} = ${stored}(${sum})`, end };
  }
}

/** Where the bracket at `open` is closed. */
function closingBracket(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === '[') depth++;
    if (text[at] === ']' && --depth === 0) return at;
  }
  throw new TypeError(`no bracket closes the one at ${text.slice(open, open + 40)}`);
}
