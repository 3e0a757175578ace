import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { RandomStream } from '../../src/autograd/philox.ts';
import type { GrayImage } from '../../src/data/image.ts';
import { PairLoader } from '../../src/data/loader.ts';
import { type Device, HAND_HELD, HIGH_END } from '../../src/data/simulator/device.ts';
import { scan, scatter } from '../../src/data/simulator/imaging.ts';
import { moveMap, randomMotion } from '../../src/data/simulator/motion.ts';
import { GradientNoise } from '../../src/data/simulator/noise.ts';
import { emptyPhantom } from '../../src/data/simulator/phantom.ts';
import { degrade, simulatedSource, simulatePair } from '../../src/data/simulator/simulator.ts';
import { makePhantom, TISSUES } from '../../src/data/simulator/tissues.ts';
import { UsageError } from '../../src/errors.ts';
import { ssim } from '../../src/metrics/ssim.ts';

const suite = createSuite('simulator');

function psnr(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return 10 * Math.log10(a.length / sum);
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function rows(image: GrayImage, from: number, to: number): Float32Array {
  return image.data.slice(from * image.width, to * image.width);
}

/** A device without noise or attenuation whose grey is linear in dB over 200 dB. */
const PLAIN: Device = {
  ...HIGH_END,
  looks: 1,
  attenuation: 0,
  noise: -150,
  white: 100,
  dynamicRange: 200,
};

function decibel(grey: number): number {
  return (grey - 1) * PLAIN.dynamicRange + PLAIN.white;
}

function scanPlain(echo: (x: number, y: number) => number, device: Device, size = 96): GrayImage {
  const phantom = emptyPhantom(size);
  for (let i = 0; i < size * size; i++) {
    phantom.echogenicity[i] = echo(i % size, Math.floor(i / size));
  }
  return scan(phantom, scatter(size, new RandomStream(1, 's')), device, new RandomStream(1, 'n'));
}

suite('is a pure function of seed and index, and differs between them', () => {
  const one = simulatePair(3, 2, { size: 48 });
  assert.equal(simulatePair(3, 2, { size: 48 }), one);
  assert.not.equal(simulatePair(4, 2, { size: 48 }).low.data, one.low.data);
  assert.not.equal(
    simulatePair(3, 7, { size: 48 }).high.data,
    simulatePair(3, 2, { size: 48 }).high.data,
  );
});

suite('makes every tissue at any size, in [0, 1], with contrast', () => {
  for (const tissue of TISSUES) {
    for (const size of [16, 37, 64]) {
      const { low, high, organ } = simulatePair(1, 0, { size, tissue });
      assert.is(organ, tissue);
      for (const image of [low, high]) {
        assert.is(image.width, size);
        assert.is(image.data.length, size * size);
        assert.ok(image.data.every((value) => value >= 0 && value <= 1));
        assert.ok(Math.max(...image.data) - Math.min(...image.data) > 0.5);
      }
    }
  }
  assert.throws(
    () => simulatePair(1, 0, { size: 8 }),
    (error: Error) => error instanceof UsageError && /from 16 to 2048, found 8/.test(error.message),
  );
});

suite('uniform tissue gives fully developed speckle at its own level', () => {
  for (const device of [PLAIN, { ...PLAIN, lateralWidth: 2.5, axialWidth: 1.6 }]) {
    for (const level of [0, -20]) {
      const image = scanPlain(() => level, device, 128);
      const amplitude = image.data.map((grey) => 10 ** (decibel(grey) / 20));
      const power = mean(amplitude.map((value) => value * value));
      assert.ok(Math.abs(10 * Math.log10(power) - level) < 0.7, `power ${power} at ${level} dB`);
      // Rayleigh statistics: mean / standard deviation = sqrt(pi / (4 - pi)) = 1.91.
      const ratio = mean(amplitude) / Math.sqrt(power - mean(amplitude) ** 2);
      assert.ok(Math.abs(ratio - 1.91) < 0.15, `signal-to-noise ${ratio}`);
    }
  }
});

suite('a point is as wide as the point-spread function, wider away from the focus', () => {
  const size = 97;
  const widths = (device: Device, depth: number): [number, number] => {
    const phantom = emptyPhantom(size);
    phantom.echogenicity.fill(-400);
    phantom.specular[depth * size + 48] = 1;
    const scatterers = scatter(size, new RandomStream(1, 's'));
    const image = scan(phantom, scatterers, device, new RandomStream(1, 'n'));
    let total = 0;
    let across = 0;
    let along = 0;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const level = decibel(image.data[y * size + x] as number);
        // The envelope is a Gaussian of the field's width; its square is narrower by sqrt(2).
        const power = level > -50 ? 10 ** (level / 10) : 0;
        total += power;
        across += power * (x - 48) ** 2;
        along += power * (y - depth) ** 2;
      }
    }
    return [Math.sqrt((2 * across) / total), Math.sqrt((2 * along) / total)];
  };
  const device = { ...PLAIN, lateralWidth: 2, axialWidth: 1.5, focus: 0.5, divergence: 6 };
  const [focused, pulse] = widths(device, 48);
  assert.ok(Math.abs(focused - 2) < 0.05, `lateral ${focused}`);
  assert.ok(Math.abs(pulse - 1.5) < 0.05, `axial ${pulse}`);
  const [wide] = widths(device, 84);
  const expected = Math.hypot(2, 6 * (84.5 / 97 - 0.5));
  assert.ok(Math.abs(wide - expected) < 0.15, `out of focus ${wide}, expected ${expected}`);
});

suite('attenuation darkens with depth and compensation makes it good', () => {
  const difference = (compensation: number): number => {
    const image = scanPlain(() => 0, { ...PLAIN, attenuation: 40, compensation }, 128);
    return decibel(mean(rows(image, 96, 128))) - decibel(mean(rows(image, 0, 32)));
  };
  assert.ok(Math.abs(difference(0) + 30) < 1.5, `${difference(0)}`);
  assert.ok(Math.abs(difference(1)) < 1.5, `${difference(1)}`);
  assert.ok(Math.abs(difference(0.5) + 15) < 1.5, `${difference(0.5)}`);
});

suite('a fluid region enhances and a stone shadows what lies behind', () => {
  const behind = (attenuation: number): number => {
    const size = 96;
    const phantom = emptyPhantom(size);
    for (let y = 30; y < 50; y++) {
      phantom.attenuation.fill(attenuation, y * size, (y + 1) * size);
    }
    const device = { ...PLAIN, attenuation: 30, compensation: 1 };
    const scatterers = scatter(size, new RandomStream(1, 's'));
    const image = scan(phantom, scatterers, device, new RandomStream(1, 'n'));
    return decibel(mean(rows(image, 60, 96)));
  };
  const gain = (30 * 20) / 96;
  assert.ok(Math.abs(behind(0) - behind(1) - gain) < 0.5);
  assert.ok(Math.abs(behind(3) - behind(1) + 2 * gain) < 0.5);
});

suite('electronic noise grows with depth in empty tissue', () => {
  const device = { ...PLAIN, attenuation: 40, compensation: 0.8, noise: -30 };
  const image = scanPlain(() => -200, device, 96);
  const difference = decibel(mean(rows(image, 64, 96))) - decibel(mean(rows(image, 0, 32)));
  assert.ok(Math.abs(difference - (0.8 * 40 * 64) / 96) < 1, `${difference}`);
});

suite('devices see related tissue with different speckle', () => {
  const scatterers = scatter(96, new RandomStream(1, 's'));
  const phantom = emptyPhantom(96);
  const look = (carrier: number): Float32Array =>
    scan(phantom, scatterers, { ...PLAIN, carrier }, new RandomStream(1, 'n')).data;
  const correlation = (a: Float32Array, b: Float32Array): number => {
    let ab = 0;
    let aa = 0;
    let bb = 0;
    for (let i = 0; i < a.length; i++) {
      const da = (a[i] as number) - mean(a.subarray(0));
      const db = (b[i] as number) - mean(b.subarray(0));
      ab += da * db;
      aa += da * da;
      bb += db * db;
    }
    return ab / Math.sqrt(aa * bb);
  };
  const small = (carrier: number): Float32Array => look(carrier).slice(0, 2000);
  assert.ok(correlation(small(2.35), small(2.36)) > 0.9);
  assert.ok(Math.abs(correlation(small(HIGH_END.carrier), small(HAND_HELD.carrier))) < 0.3);
});

suite('motion is small and smooth, and zero motion changes nothing', () => {
  const motion = randomMotion(64, 3, 2, new RandomStream(1, 'm'));
  for (const axis of [motion.dx, motion.dy]) {
    assert.ok(axis.every((value) => Math.abs(value) <= 3 + 2 * 1.05));
    for (let i = 1; i < 64; i++) {
      assert.ok(Math.abs((axis[i] as number) - (axis[i - 1] as number)) < 0.4);
    }
  }
  const map = Float32Array.from({ length: 64 * 64 }, (_, i) => Math.sin(i));
  assert.equal(moveMap(map, randomMotion(64, 0, 0, new RandomStream(1, 'm'))), map);
  const shift = { size: 3, dx: new Float32Array(9).fill(0.5), dy: new Float32Array(9) };
  assert.equal(
    [...moveMap(Float32Array.of(0, 1, 2, 0, 1, 2, 0, 1, 2), shift)].slice(0, 3),
    [0.5, 1.5, 2],
  );
});

suite('gradient noise is zero on the lattice, centred and continuous', () => {
  const noise = new GradientNoise(new RandomStream(1, 'noise'));
  let sum = 0;
  let largest = 0;
  for (let i = 0; i < 5000; i++) {
    const x = i * 0.0371;
    const y = i * 0.0113;
    const value = noise.at(x, y);
    sum += value;
    largest = Math.max(largest, Math.abs(value));
    assert.ok(Math.abs(noise.at(x + 1e-4, y) - value) < 1e-3);
  }
  assert.is(Math.abs(noise.at(3, -7)), 0);
  assert.ok(Math.abs(sum / 5000) < 0.05);
  assert.ok(largest > 0.5 && largest < 1.05);
});

suite('the phantom of a tissue keeps its shape at another size', () => {
  for (const tissue of TISSUES) {
    const small = makePhantom(tissue, 64, new RandomStream(2, 'p'));
    const large = makePhantom(tissue, 128, new RandomStream(2, 'p'));
    let far = 0;
    for (let y = 0; y < 64; y++) {
      for (let x = 0; x < 64; x++) {
        const a = small.attenuation[y * 64 + x] as number;
        const b = large.attenuation[2 * y * 128 + 2 * x] as number;
        if (Math.abs(a - b) > 0.5) far++;
      }
    }
    assert.ok(far < 0.04 * 64 * 64, `${tissue}: ${far}`);
  }
});

suite("pairs are as far apart as the paper's reference low, and a filter can close part of it", () => {
  const size = 128;
  const before: number[] = [];
  let similarity = 0;
  const filtered: { blurred: Float32Array; high: Float32Array }[] = [];
  for (let index = 0; index < 10; index++) {
    const { low, high } = simulatePair(21, index, { size });
    before.push(psnr(low.data, high.data));
    similarity += ssim(low.data, high.data, size, size) / 10;
    // The mean of a 5x3 neighbourhood stands for a first, very weak network.
    const blurred = new Float32Array(size * size);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        let sum = 0;
        for (let dy = -1; dy <= 1; dy++) {
          for (let dx = -2; dx <= 2; dx++) {
            const sy = Math.min(size - 1, Math.max(0, y + dy));
            const sx = Math.min(size - 1, Math.max(0, x + dx));
            sum += low.data[sy * size + sx] as number;
          }
        }
        blurred[y * size + x] = sum / 15;
      }
    }
    filtered.push({ blurred, high: high.data });
  }
  const reference = before.reduce((a, b) => a + b, 0) / before.length;
  assert.ok(reference > 13 && reference < 16, `reference low ${reference} dB`);
  assert.ok(similarity > 0.18 && similarity < 0.32, `reference low SSIM ${similarity}`);
  // Least squares line from filtered low to high over all pairs.
  let n = 0;
  let sx = 0;
  let sy = 0;
  let sxx = 0;
  let sxy = 0;
  for (const { blurred, high } of filtered) {
    for (let i = 0; i < high.length; i++) {
      const x = blurred[i] as number;
      const y = high[i] as number;
      n++;
      sx += x;
      sy += y;
      sxx += x * x;
      sxy += x * y;
    }
  }
  const slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
  const offset = (sy - slope * sx) / n;
  assert.ok(slope > 0.3, `slope ${slope}`);
  const after = filtered.map(({ blurred, high }) =>
    psnr(
      blurred.map((value) => slope * value + offset),
      high,
    ),
  );
  const gain = after.reduce((a, b) => a + b, 0) / after.length - reference;
  assert.ok(gain > 1.5, `gain ${gain} dB`);
});

suite('degrades a real-looking picture: deterministic, similar, blurred', () => {
  const { high } = simulatePair(5, 3, { size: 64 });
  const low = degrade(high, { seed: 2, index: 1 });
  assert.equal(degrade(high, { seed: 2, index: 1 }), low);
  assert.not.equal(degrade(high, { seed: 2, index: 2 }).data, low.data);
  const score = psnr(low.data, high.data);
  const other = simulatePair(5, 8, { size: 64, tissue: 'vessel' }).high;
  assert.ok(score > 9 && score < 20, `${score}`);
  assert.ok(score > psnr(low.data, other.data));
  const wide = { width: 20, height: 30, data: new Float32Array(600) };
  assert.throws(() => degrade(wide), /square image, found 20x30/);
});

suite('serves the loader', async () => {
  const loader = new PairLoader(simulatedSource(1, 3, { size: 32 }), { batch: 2, size: 32 });
  const batch = await loader.batch(0, 0);
  assert.equal(batch.organs, ['vessel', 'layers']);
  assert.equal(batch.names, ['0001', '0002']);
  const pair = simulatePair(1, 1, { size: 32 });
  assert.is(batch.high[32 * 32 + 5], Math.fround(2 * (pair.high.data[5] as number) - 1));
});

suite.run();
