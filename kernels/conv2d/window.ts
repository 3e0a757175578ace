import type { PaddingMode } from './geometry.ts';
import { exchangedPixel, exchangesRim, type RimmedWindow } from './window-rim.ts';

/*
 * How the convolution kernels read images: four neighbouring outputs of a row need, of one image row,
 * the pixels
 *
 *   base + e,  first ≤ e < end,  base = 4·stride·quad
 *
 * of the image extended by zeros or by reflection. Nothing is copied into a padded image first: where
 * the image's width allows, pixels are loaded as whole aligned vec4s, and those of the rim, of which a
 * vec4 would bring one or two only, one by one; otherwise all are loaded one by one. What lies outside
 * is replaced by zeros after the load, or is read where reflection finds it. Where a subgroup has whole rows the
 * rim is not loaded but exchanged (`window-rim.ts`).
 *
 * The WGSL made here reads an image called `source` from the storages `${source}Pixels: array<f32>` and,
 * the same memory, `${source}Vectors: array<vec4f>`.
 */

export interface Window extends RimmedWindow {
  /** Whether vec4s can be loaded: rows start at multiples of four pixels. */
  readonly vectors: boolean;
  /** Whether a load may meet what is outside of the image. */
  readonly checked: boolean;
  /** Whether the rim is exchanged. */
  readonly exchanged: boolean;
}

/** A run of pixels that one load brings: a vec4 that starts at `e`, or the pixel `e`; or that pixel from another lane. */
interface Load {
  readonly e: number;
  readonly isVector: boolean;
  readonly isExchanged: boolean;
}

export interface WindowShape {
  readonly stride: number;
  /** First pixel of output 0 that any tap meets, and the end of those of output 3. */
  readonly first: number;
  readonly end: number;
  readonly width: number;
  /** Quads of outputs in a row. */
  readonly quads: number;
  readonly mode: PaddingMode;
  /** Whether all rows that are read are in the image. */
  readonly rowsInside: boolean;
  /** Lanes of a subgroup if they take quads in order, row by row; default 0. */
  readonly lanes?: number;
}

export function windowOf(shape: WindowShape): Window {
  const { stride, first, end, width, quads, rowsInside, lanes = 0 } = shape;
  const columnsInside = first >= 0 && 4 * stride * (quads - 1) + Math.max(end, 4 * stride) <= width;
  const checked = !(rowsInside && columnsInside);
  const mode = checked ? shape.mode : 'zeros';
  // A reflected row must not have its mirror images inside of a vec4.
  const vectors = width % 4 === 0 && (mode === 'zeros' || 4 * stride * quads <= width);
  const exchanged = exchangesRim({ stride, first, end, mode }, { width, quads, lanes });
  return { stride, first, end, mode, vectors, checked, exchanged };
}

/** Part of a kernel's key. */
export function windowKey(window: Window): string {
  const { stride, first, end, mode, vectors, checked, exchanged } = window;
  const border = !checked ? 'i' : mode === 'zeros' ? 'z' : 'r';
  return `${border}${stride}[${first},${end})${vectors ? 'v' : 's'}${exchanged ? 'x' : ''}`;
}

/** What a window consists of; what is exchanged comes last. */
function loadsOf({ stride, first, end, mode, vectors, exchanged }: Window): Load[] {
  const loads: Load[] = [];
  const rim: Load[] = [];
  for (let v = Math.floor(first / 4); 4 * v < end; v++) {
    const from = Math.max(first, 4 * v);
    const to = Math.min(end, 4 * v + 4);
    const isInterior = v >= 0 && v < stride;
    const isExchanged = exchanged && !isInterior;
    if (vectors && (isInterior || (!isExchanged && mode === 'zeros' && to - from > 2))) {
      loads.push({ e: 4 * v, isVector: true, isExchanged });
    } else {
      for (let e = from; e < to; e++) {
        (isExchanged ? rim : loads).push({ e, isVector: false, isExchanged });
      }
    }
  }
  return [...loads, ...rim];
}

const label = (e: number): string => (e < 0 ? `m${-e}` : `${e}`);

/** WGSL functions that windows use. */
export function windowFunctions(mode: PaddingMode): string {
  if (mode === 'zeros') return '';
  return `
fn reflect_at(i: i32, size: i32) -> i32 {
  let folded = abs(i);
  // What is out of reach of reflection belongs to outputs that are not stored.
  return clamp(select(folded, 2 * (size - 1) - folded, folded >= size), 0, size - 1);
}`;
}

/**
 * WGSL that tells a row of the image: defines `${source}Row` (u32, inside of the image) and
 * `${source}Inside` (whether the row is in the image at all).
 * @param y i32 expression @param height i32 expression
 */
export function windowRow(window: Window, source: string, y: string, height: string): string[] {
  const row = `let ${source}Row`;
  if (!window.checked) return [`${row} = u32(${y});`, `let ${source}Inside = true;`];
  if (window.mode === 'reflect') {
    return [`${row} = u32(reflect_at(${y}, ${height}));`, `let ${source}Inside = true;`];
  }
  return [
    `let ${source}Y = ${y};`,
    `let ${source}Inside = u32(${source}Y) < u32(${height});`,
    `${row} = u32(clamp(${source}Y, 0, ${height} - 1));`,
  ];
}

/**
 * WGSL of what depends on the quad alone: places of pixels within a row, and whether they are inside.
 * @param quad u32 expression @param width i32 expression
 */
export function windowColumns(
  window: Window,
  source: string,
  quad: string,
  width: string,
): string[] {
  const base = `${source}Base`;
  const lines = [`let ${base} = i32(${quad}) * ${4 * window.stride};`];
  for (const { e, isVector, isExchanged } of loadsOf(window)) {
    const column = `${base} + ${e}`;
    const last = isVector ? `${width} - 4` : `${width} - 1`;
    let place = column;
    if (window.checked && (window.mode === 'zeros' || isExchanged)) {
      lines.push(`let ${source}Inside${label(e)} = u32(${column}) < u32(${width});`);
      place = `clamp(${column}, 0, ${last})`;
    } else if (window.checked && !isVector) {
      place = `reflect_at(${column}, ${width})`;
    }
    lines.push(`let ${source}Column${label(e)} = u32(${place})${isVector ? ' / 4u' : ''};`);
  }
  return lines;
}

/**
 * WGSL that loads a window, as values named after `name`.
 * @param row u32 expression: where the row starts, in pixels
 */
export function windowLoads(window: Window, source: string, name: string, row: string): string[] {
  return loadsOf(window).map(({ e, isVector, isExchanged }) => {
    if (isExchanged) {
      const pixel = (other: number): string => windowPixel(window, name, other);
      const value = exchangedPixel(window, e, pixel, `${source}Inside${label(e)}`);
      return `let ${name}_${label(e)} = ${value};`;
    }
    const column = `${source}Column${label(e)}`;
    const value = isVector
      ? `${source}Vectors[(${row}) / 4u + ${column}]`
      : `${source}Pixels[${row} + ${column}]`;
    const zero = isVector ? 'vec4f(0.0)' : '0.0';
    const isMasked = window.checked && window.mode === 'zeros';
    const inside = `${source}Inside && ${source}Inside${label(e)}`;
    return `let ${name}_${label(e)} = ${isMasked ? `select(${zero}, ${value}, ${inside})` : value};`;
  });
}

const COMPONENTS = 'xyzw';

/** WGSL of pixel e of a window loaded as `name`. */
export function windowPixel(window: Window, name: string, e: number): string {
  const found = loadsOf(window).find((load) =>
    load.isVector ? load.e <= e && e < load.e + 4 : load.e === e,
  );
  if (!found) throw new RangeError(`pixel ${e} is not in the window`);
  const loaded = `${name}_${label(found.e)}`;
  return found.isVector ? `${loaded}.${COMPONENTS[e - found.e]}` : loaded;
}

/** WGSL of a vector made of pixels `first`, `first + step`, … of a window loaded as `name`. */
export function windowVector(window: Window, name: string, pixels: readonly number[]): string {
  const parts = pixels.map((e) => windowPixel(window, name, e));
  if (parts.length === 1) return parts[0];
  const [vector, ...others] = new Set(parts.map((part) => part.split('.')[0]));
  if (others.length === 0 && parts.every((part) => part.includes('.'))) {
    const swizzle = parts.map((part) => part.split('.')[1]).join('');
    return swizzle === 'xyzw' ? vector : `${vector}.${swizzle}`;
  }
  return `vec${parts.length}f(${parts.join(', ')})`;
}
