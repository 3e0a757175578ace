/** The enhance tab of the demo page in real Chromium. */
import jpeg from 'jpeg-js';
import type { Page } from 'playwright-core';
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeImage } from '../../src/data/decode-image.ts';
import { encodePng, type GrayImage, quantise } from '../../src/data/image.ts';
import { loadGenerator } from '../../src/embed/generator.ts';
import { scoreImages } from '../../src/embed/score-images.ts';
import { swiftShaderRunsHere } from '../../src/gpu/swiftshader.ts';
import { parseSafetensors, serializeSafetensors } from '../../src/nn/safetensors.ts';
import { openGpu } from '../../src/node.ts';
import { decodeDicom } from '../../web/src/images/dicom.ts';
import { dicomFile } from '../support/dicom-file.ts';
import { largestDifference, randomImage, tinyGenerator } from '../support/tiny-generator.ts';
import { type BroughtFile, bring, choose, downloaded } from './demo-files.ts';
import {
  canvasPixels,
  type Demo,
  hideForMinutes,
  openDemo,
  waitForText,
  withDemo,
} from './demo-page.ts';

const suite = createSuite('demo: enhance');

/** Grey levels of 8 bits; one, where a value lies next to the middle of two. */
const TOLERANCE = 1;

const IMAGE = randomImage(40, 28, 1);
const REFERENCE = randomImage(40, 28, 2);
const DONE = /^Enhanced .* in \d+ ms on ./;

/** Records a second of moving squares in the page, as the bytes of a WebM file. */
const RECORD_VIDEO = `new Promise((resolve, reject) => {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [96, 64];
  const context = canvas.getContext('2d');
  const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: 'video/webm' });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.onerror = () => reject(new Error('no recording'));
  recorder.onstop = async () =>
    resolve([...new Uint8Array(await new Blob(parts).arrayBuffer())]);
  recorder.start();
  let x = 0;
  const timer = setInterval(() => {
    context.fillStyle = x % 2 ? '#ddd' : '#444';
    context.fillRect((x++ * 5) % 96, 8, 30, 40);
  }, 40);
  setTimeout(() => { clearInterval(timer); recorder.stop(); }, 1500);
})`;

/** In front of a worker's script: its device refuses memory for images of more than 256x256. */
const REFUSE_MEMORY = `{
  const { createBuffer } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    if (descriptor.size > 4 * 2 * 2 * 128 * 128 * 2) {
      const error = new GPUOutOfMemoryError('refused by the test');
      this.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error }));
    }
    return createBuffer.call(this, descriptor);
  };
}`;

/** What Node makes of an image, in 8 bits. */
let expected: (image: GrayImage) => Promise<Uint8Array>;
let model: Uint8Array;

async function assertShown(page: Page, image: GrayImage, what: string): Promise<void> {
  await page.check('input[value="enhanced"]');
  const difference = largestDifference(
    await canvasPixels(page, 'canvas-under'),
    await expected(image),
  );
  console.log(`${what}: largest difference ${difference} of 255`);
  assert.ok(difference <= TOLERANCE, `${what}: ${difference}`);
}

async function prepare(): Promise<Demo> {
  const gpu = await openGpu();
  const tiny = await tinyGenerator(gpu);
  model = tiny.bytes;
  const generator = await loadGenerator(gpu, model);
  expected = async (image) => quantise(await generator.enhance(image));
  return openDemo(model, {
    flags: ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
  });
}

if (!swiftShaderRunsHere && !process.env.SONOLIFT_CHROMIUM) {
  console.log('demo: skipped, the bundled Chromium is for Linux x64; set SONOLIFT_CHROMIUM');
  suite.skip('the page enhances as Node does');
} else {
  const demo = await prepare();
  suite.after(() => demo.close());

  suite('PNG, JPEG and DICOM, dropped, pasted and chosen, are enhanced as in Node', async () => {
    const rgba = new Uint8Array(4 * 32 * 16).map((_, i) => (i % 4 === 3 ? 255 : (7 * i) & 255));
    const { data: photo } = jpeg.encode({ width: 32, height: 16, data: rgba }, 90);
    const values = Array.from({ length: 24 * 16 }, (_, i) => (i * 89) % 4096);
    const files = [
      { name: 'scan.png', bytes: encodePng(IMAGE), decode: decodeImage },
      { name: 'photo.jpg', bytes: new Uint8Array(photo), decode: decodeImage },
      {
        name: 'slice.dcm',
        bytes: dicomFile({ width: 24, height: 16, bits: 16, values }),
        decode: decodeDicom,
      },
    ];
    await withDemo(demo, {}, async (page) => {
      const state = /^Model: the bundled model \(method proposed, width 2, 4 levels/;
      await waitForText(page, 'model-state', state);
      assert.ok(await page.isVisible('#placeholder'));
      assert.not.ok(await page.isVisible('#slider'));
      const ways: Readonly<Record<string, (file: BroughtFile) => Promise<void>>> = {
        dropped: (file) => bring(page, 'drop', 'enhance-drop', file),
        'dropped on the picture': (file) => bring(page, 'drop', 'stage', file),
        pasted: (file) => bring(page, 'paste', 'panel-enhance', file),
        chosen: (file) => choose(page, 'enhance-file', file),
      };
      for (const [way, take] of Object.entries(ways)) {
        for (const { name, bytes, decode } of files) {
          const image = decode(bytes, name);
          const stem = `${way.replaceAll(' ', '-')}-${name.split('.')[0]}`;
          await take({ name: `${stem}.${name.split('.')[1]}`, bytes });
          const size = `${image.width}x${image.height}`;
          const said = await waitForText(page, 'enhance-status', new RegExp(`^Enhanced ${stem} `));
          assert.ok(said.includes(`(${size}) in `), said);
          assert.match(said, / ms on .*swiftshader/i);
          await assertShown(page, image, `${name}, ${way}`);
        }
      }
      await bring(page, 'drop', 'enhance-drop', files[0]);
      await waitForText(page, 'enhance-status', /^Enhanced scan /);
      const saved = await downloaded(page, 'enhance-download');
      assert.is(saved.name, 'scan-enhanced.png');
      const levels = quantise(decodeImage(saved.bytes, saved.name));
      const wanted = await expected(decodeImage(files[0].bytes, 'scan.png'));
      assert.ok(largestDifference(levels, wanted) <= TOLERANCE);
    });
  });

  suite('views, scores, slider by keyboard and by hand', async () => {
    await withDemo(demo, {}, async (page) => {
      await waitForText(page, 'model-state', /^Model/);
      await choose(page, 'enhance-file', { name: 'scan.png', bytes: encodePng(IMAGE) });
      await waitForText(page, 'enhance-status', DONE);
      assert.not.ok(await page.isVisible('#scores'));
      await page.click('summary');
      await choose(page, 'reference-file', { name: 'high.png', bytes: encodePng(REFERENCE) });
      await page.waitForSelector('#scores td:nth-child(3):has-text("dB")');
      const read = (image: GrayImage) => decodeImage(encodePng(image), 'image');
      const { psnr } = scoreImages(read(IMAGE), read(REFERENCE));
      const shown = await page.textContent('#scores tbody tr:first-child td');
      assert.is(shown, `${psnr.toFixed(2)} dB`);

      await page.focus('#slider');
      await page.keyboard.press('Home');
      const split = 'getComputedStyle(stage).getPropertyValue("--split")';
      assert.is(await page.evaluate(split), '0%');
      const { x, y, width } = (await page.locator('#stage').boundingBox()) ?? {
        x: 0,
        y: 0,
        width: 0,
      };
      await page.mouse.move(x + width / 4, y + 20);
      await page.mouse.down();
      await page.mouse.move(x + (3 * width) / 4, y + 40);
      await page.mouse.up();
      assert.is(await page.evaluate(split), '75%');
      assert.is(await page.inputValue('#slider'), '75');
      await page.check('input[value="reference"]');
      assert.equal(await canvasPixels(page, 'canvas-under'), [...quantise(read(REFERENCE))]);
      await page.check('input[value="difference"]');
      assert.match(await waitForText(page, 'view-note', /minus reference/), /of 255 grey levels/);
      assert.ok((await canvasPixels(page, 'canvas-under')).some((level) => level > 0));
      assert.not.ok(await page.isVisible('#slider'));
    });
  });

  suite('what cannot be used is named, and what was there stays', async () => {
    await withDemo(demo, {}, async (page) => {
      await waitForText(page, 'model-state', /^Model/);
      const good = encodePng(IMAGE);
      await choose(page, 'enhance-file', { name: 'good.png', bytes: good });
      await waitForText(page, 'enhance-status', DONE);
      const refused = async (name: string, bytes: Uint8Array, message: RegExp) => {
        await choose(page, 'enhance-file', { name, bytes });
        console.log(await waitForText(page, 'enhance-error', message));
        await assertShown(page, decodeImage(good, 'good.png'), `after ${name}`);
      };
      await refused(
        'text.png',
        new TextEncoder().encode('not an image'),
        /text.png: expected a PNG/,
      );
      const corrupt = good.slice();
      corrupt.fill(0x55, 60, 90);
      await refused(
        'corrupt.png',
        corrupt,
        /corrupt.png: expected a readable PNG image, found damage/,
      );
      const huge = good.slice();
      new DataView(huge.buffer).setUint32(16, 20_000);
      new DataView(huge.buffer).setUint32(20, 20_000);
      await refused('huge.png', huge, /huge.png: image size .* found 20000x20000/);
      const values = [1, 2, 3, 4];
      const syntax = '1.2.840.10008.1.2.4.90';
      const packed = dicomFile({ width: 2, height: 2, values, transferSyntax: syntax });
      await refused('packed.dcm', packed, /only uncompressed images are read/);

      const other = serializeSafetensors(new Map(), { architecture: '{"method":"other"}' });
      await choose(page, 'model-file', { name: 'other.safetensors', bytes: other });
      await waitForText(page, 'enhance-error', /architecture.method: expected proposed or/);
      await choose(page, 'model-file', { name: 'cut.safetensors', bytes: model.slice(0, 900) });
      await waitForText(page, 'enhance-error', /safetensors/);
      const { tensors, metadata } = parseSafetensors(model, 'model');
      const back = new Map(
        [...tensors].map(([name, tensor]) => [name.replace('G_H', 'G_L'), tensor]),
      );
      const wider = { architecture: metadata.architecture.replace('"ngf":2', '"ngf":4') };
      for (const [name, bytes, message] of [
        [
          'G_L',
          serializeSafetensors(back, metadata),
          /^G_L.safetensors: expected floats of G_H, found G_L/,
        ],
        [
          'wider',
          serializeSafetensors(tensors, wider),
          /^wider.safetensors: tensor .* has shape .*, expected/,
        ],
      ] as const) {
        await choose(page, 'model-file', { name: `${name}.safetensors`, bytes });
        console.log(await waitForText(page, 'enhance-error', message));
      }
      assert.match((await page.textContent('#model-state')) ?? '', /the bundled model/);
      await page.click('#enhance-run');
      await waitForText(page, 'enhance-status', DONE);
      await assertShown(page, decodeImage(good, 'good.png'), 'after other models');
    });
  });

  suite('memory that is refused and a GPU that crashes: told, and gone on from', async () => {
    const expectedNoise = /GPU|gpu|WebGL|context|device/;
    await withDemo(demo, { expected: expectedNoise }, async (page) => {
      await waitForText(page, 'model-state', /^Model/);
      await page.click('summary');
      await page.fill('#enhance-memory', '1');
      await page.press('#enhance-memory', 'Tab');
      const image = randomImage(512, 384);
      const bytes = encodePng(image);
      await choose(page, 'enhance-file', { name: 'large.png', bytes });
      console.log(
        await waitForText(page, 'enhance-error', /[Mm]emory budget .* exceeded.* Take tiles/),
      );
      await page.fill('#enhance-memory', '0');
      await page.press('#enhance-memory', 'Tab');
      await choose(page, 'enhance-file', { name: 'scan.png', bytes: encodePng(IMAGE) });
      await waitForText(page, 'enhance-status', /^Enhanced scan \(40x28\)/);

      const session = await demo.browser.newBrowserCDPSession();
      await session.send('Browser.crashGpuProcess');
      // The loss may be noticed before the next call, which then opens a device anew, or by it.
      const until = Date.now() + 60_000;
      for (;;) {
        await page.click('#enhance-run');
        await page.waitForSelector('#enhance-run:not([disabled])');
        const error = await page.textContent('#enhance-error');
        if (!error) break;
        console.log(error);
        assert.match(error, /Nothing you chose is gone|usable graphics adapter/);
        assert.ok(Date.now() < until, error);
        await page.waitForTimeout(500);
      }
      await assertShown(page, decodeImage(encodePng(IMAGE), 'scan.png'), 'after a crash');
    });
  });

  suite('memory that the driver refuses: told, and gone on from', async () => {
    await withDemo(demo, {}, async (page) => {
      // No driver here runs out of memory in time: the worker's device reports that it has.
      await page.route(/enhance\.worker.*\.js$/, async (route) => {
        const code = await (await route.fetch()).text();
        await route.fulfill({ contentType: 'text/javascript', body: `${REFUSE_MEMORY}\n${code}` });
      });
      await page.reload();
      await waitForText(page, 'model-state', /^Model/);
      const small = encodePng(IMAGE);
      await choose(page, 'enhance-file', { name: 'scan.png', bytes: small });
      await waitForText(page, 'enhance-status', /^Enhanced scan /);
      const large = encodePng(randomImage(512, 384));
      await choose(page, 'enhance-file', { name: 'large.png', bytes: large });
      console.log(await waitForText(page, 'enhance-error', /[Rr]efused by the test.* Take tiles/));
      await page.click('summary');
      await page.selectOption('#tile', '256');
      await page.click('#enhance-run');
      await waitForText(page, 'enhance-status', /^Enhanced large \(512x384, tiles of 256\)/);
      await choose(page, 'enhance-file', { name: 'scan.png', bytes: small });
      await waitForText(page, 'enhance-status', /^Enhanced scan /);
      await assertShown(page, decodeImage(small, 'scan.png'), 'after memory was refused');
    });
  });

  suite('large images go in tiles and can be stopped', async () => {
    await withDemo(demo, {}, async (page) => {
      await waitForText(page, 'model-state', /^Model/);
      await page.click('summary');
      await page.selectOption('#tile', '256');
      // A visitor's hand within the page: from here the click may come after the last tile.
      await page.evaluate(`{
        const progress = document.getElementById('enhance-progress');
        const press = () => progress.hidden || document.getElementById('enhance-cancel').click();
        new MutationObserver(press).observe(progress, { attributes: true });
      }`);
      await choose(page, 'enhance-file', {
        name: 'wide.png',
        bytes: encodePng(randomImage(20_000, 20)),
      });
      await waitForText(page, 'enhance-status', /^Stopped\.$/);
      assert.ok(await page.isEnabled('#enhance-run'));
    });
  });

  suite('a video file is enhanced live, and one that is none is named', async () => {
    await withDemo(demo, {}, async (page) => {
      await waitForText(page, 'model-state', /^Model/);
      const text = new TextEncoder().encode('no video');
      await choose(page, 'video-file', { name: 'text.webm', bytes: text });
      await waitForText(page, 'live-error', /^text.webm: this browser cannot decode it/);
      const video = Uint8Array.from(await page.evaluate<number[]>(RECORD_VIDEO));
      await choose(page, 'video-file', { name: 'scan.webm', bytes: video });
      const rate = await waitForText(page, 'live-status', /frames per second/);
      console.log(rate);
      assert.match(rate, /^scan.webm: 96x64, [\d.]+ frames per second$/);
      const again = /per second; it waited while this page was hidden for 5 min$/;
      console.log(await hideForMinutes(page, 'live-status', again));
      await page.click('#live-stop');
      await waitForText(page, 'live-status', /^Stopped/);
    });
  });

  suite('a camera is enhanced live', async () => {
    await withDemo(demo, {}, async (page) => {
      await waitForText(page, 'model-state', /^Model/);
      await page.selectOption('#live-side', '128');
      await page.click('#webcam');
      const rate = await waitForText(page, 'live-status', /frames per second/);
      console.log(rate);
      assert.match(rate, /^camera: 128x96, [\d.]+ frames per second$/);
      assert.ok(new Set(await canvasPixels(page, 'live-canvas')).size > 8);
      await page.click('#live-stop');
      await waitForText(page, 'live-status', /^Stopped/);
    });
  });
}

suite.run();
