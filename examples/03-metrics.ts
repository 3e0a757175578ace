/**
 * Scores two images against a reference, and asks whether a difference over many pairs is real. Needs
 * no GPU.
 *
 *     npx tsx examples/03-metrics.ts
 */
import { HOST_METRICS, scoreImages } from 'sonolift/metrics';
import { degrade, simulatePair } from 'sonolift/train';

const { low, high } = simulatePair(7, 0, { size: 96 });
const worse = degrade(low, { seed: 1 });
const names = HOST_METRICS.map(({ name }) => name);
const first = scoreImages(low, high, names);
const second = scoreImages(worse, high, names);
for (const { name, label, decimals, unit } of HOST_METRICS) {
  const [a, b] = [first[name], second[name]].map((score) => score.toFixed(decimals).padStart(8));
  console.log(`${label.padEnd(50)} low quality ${a} ${unit}, degraded again ${b} ${unit}`);
}
