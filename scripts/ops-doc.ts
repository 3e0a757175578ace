/**
 * Writes docs/ops.md, the table of all ops, from the registry: `npm run docs:ops`.
 * A test fails when the committed table is not what this makes.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { RandomStream } from '../src/autograd/philox.ts';
import { OPS } from '../src/autograd/registry/index.ts';
import type { AnyOpRow, Tolerance } from '../src/autograd/registry/row.ts';

const INTRODUCTION = `# Ops

Made from the registry (\`src/autograd/registry\`) by \`npm run docs:ops\`; do not edit.

Every op has a forward and a backward pass twice: in WGSL, and as a reference in double precision. The
reference's backward agrees with central differences of its forward within PyTorch's settings for double
precision (ε 1e-6, 1e-5 absolute, 1e-3 relative); WGSL agrees with the reference within
\`|a - b| ≤ (absolute·min(1, max|b|) + relative·|b|)·√terms\`, where terms is how many products or values
a sample adds up to one element (1 unless its row says so). *Samples* are the shapes and settings that
are tried, of which *probed* ones go through finite differences too (the others are too large, or lie on
a kink). *f16* are the inputs, counted from 0, that \`--precision f16\` stores as f16: on such inputs, rounded, the
output may be off by half a unit in its last place besides, and gradients by 2⁻⁹ of the largest and 2⁻¹⁰ relative.

| op | formula | samples | probed | forward: absolute, relative | backward: absolute, relative | f16 |
|---|---|---|---|---|---|---|
`;

const number = (value: number): string => (value === 0 ? '0' : value.toExponential());

function bounds({ atol, rtol }: Tolerance): string {
  return atol === 0 && rtol === 0 ? 'exact' : `${number(atol)}, ${number(rtol)}`;
}

function line(row: AnyOpRow): string {
  const cases = row.cases(new RandomStream(1, row.name));
  const probed = cases.filter(({ skipGradcheck }) => !skipGradcheck).length;
  const cells = [
    `\`${row.name}\``,
    row.formula.replaceAll('|', '\\|'),
    cases.length,
    probed,
    bounds(row.tolerance.forward),
    bounds(row.tolerance.backward),
    row.halves.join(', ') || '–',
  ];
  return `| ${cells.join(' | ')} |\n`;
}

/** The text of docs/ops.md. */
export function opsDocument(): string {
  return INTRODUCTION + OPS.map(line).join('');
}

export const OPS_DOCUMENT = fileURLToPath(new URL('../docs/ops.md', import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(OPS_DOCUMENT, opsDocument());
  console.log(`${OPS.length} ops in docs/ops.md`);
}
