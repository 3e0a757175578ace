/**
 * One WGSL kernel on its own: prints its code, runs it on the device, checks the result on the host.
 *
 *     npx tsx examples/04-kernel.ts
 */
import { openGpu } from 'sonolift';
import { elementwiseActivation } from 'sonolift/kernels';

const input = Float32Array.of(-2, -1, 0, 1, 2, 3, -4, 8);
const kernel = elementwiseActivation({ kind: 'leaky_relu', slope: 0.25 }, input.length);
console.log(`${kernel.key}: ${kernel.workgroups} workgroups\n${kernel.code()}`);

const gpu = await openGpu();
const source = gpu.upload(input);
const result = gpu.allocate(input.byteLength);
gpu.run(kernel, [source, result]);
const output = new Float32Array(await gpu.read(result, input.length));
gpu.dispose(source);
gpu.dispose(result);
gpu.close();

const expected = input.map((x) => (x < 0 ? 0.25 * x : x));
console.log([...output].join(' '));
if (output.join() !== expected.join()) throw new Error(`expected ${expected.join(' ')}`);
console.log('as computed on the host');
