/** DICOM images as the demo page reads them. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '../../src/errors.ts';
import { decodeDicom, isDicom } from '../../web/src/images/dicom.ts';
import { type DicomImage, dicomFile } from '../support/dicom-file.ts';

const suite = createSuite('DICOM');

function pixels(image: Omit<DicomImage, 'width' | 'height'>): number[] {
  const width = image.values.length / (image.samples ?? 1);
  const found = decodeDicom(dicomFile({ ...image, width, height: 1 }), 'scan.dcm');
  assert.equal([found.width, found.height], [width, 1]);
  return [...found.data];
}

function assertClose(found: readonly number[], expected: readonly number[]): void {
  assert.is(found.length, expected.length);
  found.forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]) < 1e-6, `${value}, ${expected[i]}`);
  });
}

function refused(bytes: Uint8Array, message: RegExp): void {
  assert.throws(
    () => decodeDicom(bytes, 'scan.dcm'),
    (error: Error) => error instanceof DataError && message.test(error.message),
  );
}

type Tag = readonly [group: number, element: number];
const WINDOW_CENTRE: Tag = [0x28, 0x1050];
const WINDOW_WIDTH: Tag = [0x28, 0x1051];
const INTERCEPT: Tag = [0x28, 0x1052];
const SLOPE: Tag = [0x28, 0x1053];

suite('is told by its preamble', () => {
  assert.ok(isDicom(dicomFile({ width: 1, height: 1, values: [3] })));
  assert.not.ok(isDicom(new Uint8Array(200)));
  assert.not.ok(isDicom(new Uint8Array(3)));
});

suite('grey of 8 bits keeps its levels', () => {
  assertClose(pixels({ values: [0, 51, 255] }), [0, 0.2, 1]);
  assertClose(pixels({ values: [0, 51, 255], photometric: 'MONOCHROME1' }), [1, 0.8, 0]);
});

suite('grey of 16 bits: window, rescaling, sign, or the range that is there', () => {
  assertClose(pixels({ bits: 16, values: [100, 150, 300] }), [0, 0.25, 1]);
  assertClose(pixels({ bits: 16, signed: true, values: [-100, 0, 100] }), [0, 0.5, 1]);
  // PS3.3, C.11.2.1.2.1: y = (x - (c - 0.5)) / (w - 1) + 0.5, here c - 0.5 = 100 and w - 1 = 200.
  const window = new Map([
    [WINDOW_CENTRE, '100.5'],
    [WINDOW_WIDTH, '201'],
  ]);
  const seen = pixels({ bits: 16, values: [0, 50, 100, 200, 999], decimals: window });
  assertClose(seen, [0, 0.25, 0.5, 1, 1]);
  const rescaled = new Map([...window, [INTERCEPT, '-100'], [SLOPE, '2']]);
  assertClose(
    pixels({ bits: 16, values: [50, 75, 100, 150], decimals: rescaled }),
    [0, 0.25, 0.5, 1],
  );
});

suite('colour becomes luma, interleaved or in planes', () => {
  const red = 0.299;
  const colour = { samples: 3, photometric: 'RGB' } as const;
  assertClose(pixels({ ...colour, values: [255, 0, 0, 51, 51, 51] }), [red, 0.2]);
  assertClose(pixels({ ...colour, planar: 1, values: [255, 51, 0, 51, 0, 51] }), [red, 0.2]);
  const ybr = { samples: 3, photometric: 'YBR_FULL' } as const;
  assertClose(pixels({ ...ybr, values: [255, 128, 128, 51, 90, 200] }), [1, 0.2]);
});

suite('what is not read is named', () => {
  const image = { width: 2, height: 1, values: [1, 2] };
  const jpeg = dicomFile({ ...image, transferSyntax: '1.2.840.10008.1.2.4.50' });
  refused(jpeg, /transfer syntax 1\.2\.840\.10008\.1\.2\.4\.50: only uncompressed/);
  refused(dicomFile({ ...image, photometric: 'PALETTE COLOR' }), /PALETTE COLOR/);
  refused(dicomFile({ ...image, height: 9 }), /expected 18 bytes of pixels, found 2/);
  refused(dicomFile({ ...image, width: 20_000, height: 20_000 }), /found 20000x20000/);
  refused(dicomFile({ ...image, width: 0 }), /found 0x1/);
  refused(dicomFile(image).slice(0, 200), /damage|pixels/);
});

suite.run();
