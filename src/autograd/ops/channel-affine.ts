import {
  type ChannelAffineSpec,
  channelAffineBackward,
  channelAffineForward,
} from '../../../kernels/channel-affine.ts';
import { ShapeError } from '../../errors.ts';
import { attach } from '../tape.ts';
import { emptyLike, emptyTensor, formatShape, runKernel, type Tensor } from '../tensor.ts';
import { requireFinite, requireImage } from './check.ts';

/**
 * y[n,c] = (x[n,c] - shift[c])/scale[c] with constants per channel. A single input channel is used
 * for every output channel (a grey image for three colours), its gradient being their sum: the
 * scaling layer of LPIPS (PerceptualSimilarity, lpips/lpips.py).
 * @param elementType how y is stored; default as x is
 * @throws ShapeError unless scale and shift have one length, equal to x's channels if x has several; UsageError if
 *   32-bit floats cannot hold a shift or the inverse of a scale
 */
export function channelAffine(
  x: Tensor,
  scale: readonly number[],
  shift: readonly number[],
  elementType = x.elementType,
): Tensor {
  const { batch, channels, height, width } = requireImage('channelAffine', x);
  const fits = channels === scale.length || channels === 1;
  if (!scale.length || scale.length !== shift.length || !fits) {
    throw new ShapeError(
      `channelAffine of ${scale.length} scales and ${shift.length} shifts does not fit ${formatShape(x.shape)}`,
    );
  }
  requireFinite('channelAffine', '1/scale', ...scale.map((value) => 1 / value));
  requireFinite('channelAffine', 'shift', ...shift);
  const spec: ChannelAffineSpec = {
    batch,
    pixels: height * width,
    scale,
    shift,
    broadcast: channels === 1 && scale.length > 1,
  };
  const y = emptyTensor(x.gpu, [batch, scale.length, height, width], elementType);
  runKernel(channelAffineForward(spec), [x, y]);
  return attach(y, 'channel_affine', [x], (dy) => [
    () => {
      const dx = emptyLike(x);
      runKernel(channelAffineBackward(spec), [dy, dx]);
      return dx;
    },
  ]);
}
