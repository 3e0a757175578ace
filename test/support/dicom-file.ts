/** Small DICOM files in explicit little endian (PS3.10, PS3.5), written element by element. */

export interface DicomImage {
  readonly width: number;
  readonly height: number;
  /** Stored values, one after the other. */
  readonly values: readonly number[];
  readonly bits?: 8 | 16;
  readonly samples?: 1 | 3;
  readonly photometric?: string;
  readonly transferSyntax?: string;
  readonly signed?: boolean;
  readonly planar?: 0 | 1;
  /** Decimal strings by tag: window, rescaling. */
  readonly decimals?: ReadonlyMap<readonly [group: number, element: number], string>;
}

const LONG = new Set(['OB', 'OW', 'OF', 'SQ', 'UT', 'UN']);

function element(group: number, number: number, type: string, value: Buffer): Buffer {
  const padded = value.length % 2 ? Buffer.concat([value, Buffer.from([0])]) : value;
  const head = Buffer.alloc(LONG.has(type) ? 12 : 8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(type, 4, 'latin1');
  if (LONG.has(type)) head.writeUInt32LE(padded.length, 8);
  else head.writeUInt16LE(padded.length, 6);
  return Buffer.concat([head, padded]);
}

const text = (group: number, number: number, type: string, value: string): Buffer =>
  element(group, number, type, Buffer.from(value.length % 2 ? `${value} ` : value, 'latin1'));

function short(group: number, number: number, value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return element(group, number, 'US', bytes);
}

export function dicomFile(image: DicomImage): Uint8Array {
  const { width, height, values, bits = 8, samples = 1, photometric = 'MONOCHROME2' } = image;
  const pixels = Buffer.alloc((values.length * bits) / 8);
  values.forEach((value, i) => {
    if (bits === 8) pixels.writeUInt8(value & 0xff, i);
    else pixels.writeUInt16LE(value & 0xffff, 2 * i);
  });
  const decimals = [...(image.decimals ?? [])].map(([[group, number], value]) =>
    text(group, number, 'DS', value),
  );
  // Its padding is a zero byte, unlike that of other texts.
  const syntax = Buffer.from(image.transferSyntax ?? '1.2.840.10008.1.2.1', 'latin1');
  return new Uint8Array(
    Buffer.concat([
      Buffer.alloc(128),
      Buffer.from('DICM', 'latin1'),
      element(2, 0x10, 'UI', syntax),
      text(8, 0x60, 'CS', 'US'),
      short(0x28, 2, samples),
      text(0x28, 4, 'CS', photometric),
      ...(samples === 3 ? [short(0x28, 6, image.planar ?? 0)] : []),
      short(0x28, 0x10, height),
      short(0x28, 0x11, width),
      short(0x28, 0x100, bits),
      short(0x28, 0x101, bits),
      short(0x28, 0x102, bits - 1),
      short(0x28, 0x103, image.signed ? 1 : 0),
      ...decimals,
      element(0x7fe0, 0x10, bits === 8 ? 'OB' : 'OW', pixels),
    ]),
  );
}
