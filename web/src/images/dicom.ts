/** Uncompressed DICOM images as grey images. */
import dicomParser, { type DataSet } from 'dicom-parser';
import { DataError, type GrayImage, MAX_IMAGE_PIXELS } from 'sonolift';

/** Transfer syntaxes without compression: implicit and explicit little endian, explicit big endian. */
const UNCOMPRESSED = new Map([
  ['1.2.840.10008.1.2', true],
  ['1.2.840.10008.1.2.1', true],
  ['1.2.840.10008.1.2.2', false],
]);

const TAG = {
  transferSyntax: 'x00020010',
  samples: 'x00280002',
  photometric: 'x00280004',
  planar: 'x00280006',
  frames: 'x00280008',
  rows: 'x00280010',
  columns: 'x00280011',
  allocated: 'x00280100',
  stored: 'x00280101',
  signed: 'x00280103',
  centre: 'x00281050',
  width: 'x00281051',
  intercept: 'x00281052',
  slope: 'x00281053',
  pixels: 'x7fe00010',
} as const;

/** Whether a file has the preamble of DICOM (PS3.10, section 7.1). */
export function isDicom(bytes: Uint8Array): boolean {
  return String.fromCharCode(...bytes.subarray(128, 132)) === 'DICM';
}

/**
 * The first frame of an uncompressed DICOM image in [0,1]: grey after its rescaling and its first window
 * (PS3.3, C.11.2.1.2.1), colour as luma.
 * @throws DataError naming what is not read here: compressed transfer syntaxes, palettes, odd depths
 */
export function decodeDicom(bytes: Uint8Array, name: string): GrayImage {
  let set: DataSet;
  try {
    set = dicomParser.parseDicom(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : JSON.stringify(cause);
    throw new DataError(`${name}: expected a readable DICOM file, found damage: ${reason}`, {
      cause,
    });
  }
  const syntax = set.string(TAG.transferSyntax) ?? 'none';
  const littleEndian = UNCOMPRESSED.get(syntax);
  if (littleEndian === undefined) {
    throw new DataError(
      `${name}: DICOM of transfer syntax ${syntax}: only uncompressed images are read here; convert ` +
        'it, for example with dcmdjpeg or gdcmconv --raw',
    );
  }
  return imageOf(set, littleEndian, name);
}

function imageOf(set: DataSet, littleEndian: boolean, name: string): GrayImage {
  const height = set.uint16(TAG.rows) ?? 0;
  const width = set.uint16(TAG.columns) ?? 0;
  const pixels = width * height;
  if (!(pixels > 0 && pixels <= MAX_IMAGE_PIXELS)) {
    throw new DataError(
      `${name}: image size must be between 1 and ${MAX_IMAGE_PIXELS} pixels, found ${width}x${height}`,
    );
  }
  const samples = set.uint16(TAG.samples) ?? 1;
  const photometric = set.string(TAG.photometric) ?? 'none';
  const values = storedValues(set, littleEndian, pixels * samples, name);
  const isGrey = samples === 1 && /^MONOCHROME[12]$/.test(photometric);
  if (isGrey) {
    const shown = window(rescale(values, set), set);
    // MONOCHROME1 has white at its least value.
    const data = photometric === 'MONOCHROME1' ? shown.map((value) => 1 - value) : shown;
    return { width, height, data };
  }
  if (samples === 3 && (photometric === 'RGB' || photometric === 'YBR_FULL')) {
    return { width, height, data: lumaOf(values, set, photometric) };
  }
  throw new DataError(
    `${name}: DICOM of photometric interpretation ${photometric} with ${samples} samples: only grey, ` +
      'RGB and YBR_FULL are read here',
  );
}

/** Samples as stored, sign and unused high bits accounted for. */
function storedValues(
  set: DataSet,
  littleEndian: boolean,
  count: number,
  name: string,
): Float32Array<ArrayBuffer> {
  const allocated = set.uint16(TAG.allocated) ?? 0;
  const stored = set.uint16(TAG.stored) ?? allocated;
  const signed = set.uint16(TAG.signed) === 1;
  if ((allocated !== 8 && allocated !== 16) || stored < 1 || stored > allocated) {
    throw new DataError(
      `${name}: DICOM of ${stored} bits in ${allocated}: only 8 and 16 are read here`,
    );
  }
  const element = set.elements[TAG.pixels];
  const needed = (count * allocated) / 8;
  if (!element || element.length < needed) {
    throw new DataError(
      `${name}: expected ${needed} bytes of pixels, found ${element?.length ?? 'none'} (damaged file)`,
    );
  }
  const { buffer, byteOffset } = set.byteArray;
  const view = new DataView(buffer, byteOffset + element.dataOffset, needed);
  const values = new Float32Array(count);
  const unused = 32 - stored;
  for (let i = 0; i < count; i++) {
    const raw = allocated === 8 ? view.getUint8(i) : view.getUint16(2 * i, littleEndian);
    values[i] = signed ? (raw << unused) >> unused : (raw << unused) >>> unused;
  }
  return values;
}

function numberOf(set: DataSet, tag: string): number | undefined {
  const value = set.elements[tag] ? set.floatString(tag) : undefined;
  return value !== undefined && Number.isFinite(value) ? value : undefined;
}

function rescale(values: Float32Array<ArrayBuffer>, set: DataSet): Float32Array<ArrayBuffer> {
  const slope = numberOf(set, TAG.slope) ?? 1;
  const intercept = numberOf(set, TAG.intercept) ?? 0;
  return values.map((value) => slope * value + intercept);
}

/** The linear window; without one, all that 8 bits can hold, or what deeper images do hold. */
function window(values: Float32Array<ArrayBuffer>, set: DataSet): Float32Array<ArrayBuffer> {
  const [low, high] = windowOf(set) ?? wholeRange(set) ?? extremes(values);
  const span = high - low || 1;
  return values.map((value) => Math.min(1, Math.max(0, (value - low) / span)));
}

type Range = readonly [low: number, high: number];

function windowOf(set: DataSet): Range | undefined {
  const centre = numberOf(set, TAG.centre);
  const width = numberOf(set, TAG.width);
  if (centre === undefined || width === undefined || width <= 1) return undefined;
  const low = centre - 0.5 - (width - 1) / 2;
  return [low, low + width - 1];
}

function wholeRange(set: DataSet): Range | undefined {
  const stored = set.uint16(TAG.stored) ?? 8;
  if (stored > 8 || set.uint16(TAG.signed) === 1) return undefined;
  const ends = rescale(Float32Array.of(0, 2 ** stored - 1), set);
  return [ends[0], ends[1]];
}

function extremes(values: Float32Array): Range {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

/** Luma of 8-bit or 16-bit colour, interleaved or in planes; Y of YBR_FULL is luma already. */
function lumaOf(values: Float32Array, set: DataSet, photometric: string): Float32Array {
  const pixels = values.length / 3;
  const planes = set.uint16(TAG.planar) === 1;
  const most = 2 ** (set.uint16(TAG.stored) ?? 8) - 1;
  const at = (i: number, k: number): number => values[planes ? k * pixels + i : 3 * i + k];
  const weights = photometric === 'RGB' ? [0.299, 0.587, 0.114] : [1, 0, 0];
  return Float32Array.from({ length: pixels }, (_, i) => {
    const [red, green, blue] = [at(i, 0), at(i, 1), at(i, 2)];
    // Grey keeps its value exactly, as in PNG and JPEG.
    const luma =
      red === green && red === blue
        ? red
        : weights[0] * red + weights[1] * green + weights[2] * blue;
    return luma / most;
  });
}
