import { levelsOf, type StepShape, shapeText } from '../step/step-shape.ts';
import { stepImages } from '../step/training-step.ts';
import { readState } from './step-state.ts';
import {
  iterate,
  lpips,
  patchGan,
  type Singular,
  squeezeFeatures,
  unet,
  Weights,
} from './tfjs-networks.ts';
import type { Tf, TfOptimiser, TfTensor, TfVariable } from './tfjs-types.ts';

const SPECTRAL_LAYERS = 4;

/** A discriminator and the vectors of its power iterations. */
interface Discriminator {
  readonly weights: Weights<TfVariable>;
  u: TfTensor[];
}

/** One training step of the proposed method in tfjs, as src/methods/proposed.ts takes it. */
export class TfjsStep {
  private readonly tf: Tf;
  private readonly levels: number;
  private readonly generators: { readonly H: Weights<TfVariable>; readonly L: Weights<TfVariable> };
  private readonly discriminators: { readonly H: Discriminator; readonly L: Discriminator };
  private readonly trunk: Weights<TfTensor>;
  private readonly images: { readonly low: TfTensor; readonly high: TfTensor };
  private readonly optimisers: { readonly G: TfOptimiser; readonly D: TfOptimiser };

  /** @param folder where our own process left the initial weights */
  constructor(tf: Tf, shape: StepShape, folder: string) {
    this.tf = tf;
    this.levels = levelsOf(shape);
    const state = readState(folder, shapeText(shape));
    const isBuffer = (name: string): boolean => /weight_[uv]$/.test(name);
    const trained = new Map([...state].filter(([name]) => !isBuffer(name)));
    const variables = (prefix: string) =>
      new Weights(trained, prefix, (data, name) => tf.variable(data, true, name), tf);
    this.generators = { H: variables('G_H.'), L: variables('G_L.') };
    const discriminator = (prefix: string): Discriminator => ({
      weights: variables(prefix),
      u: Array.from({ length: SPECTRAL_LAYERS }, (_, i) => {
        const u = state.get(`${prefix}conv${i + 1}.weight_u`);
        if (!u) throw new Error(`no vector of ${prefix}conv${i + 1}`);
        return tf.tensor(u.data, [u.data.length, 1]);
      }),
    });
    this.discriminators = { H: discriminator('D_H.'), L: discriminator('D_L.') };
    const frozen = new Map([...state].filter(([name]) => /^(trunk\.|lin\d)/.test(name)));
    this.trunk = new Weights<TfTensor>(frozen, '', (data) => data, tf);
    const { low, high } = stepImages(shape);
    const extents = [shape.batch, shape.size, shape.size, 1];
    this.images = { low: tf.tensor(low, extents), high: tf.tensor(high, extents) };
    const adam = () => tf.train.adam(3e-4, 0.9, 0.999, 1e-8);
    this.optimisers = { G: adam(), D: adam() };
  }

  /** Takes one step; the two totals stay on the device and are the caller's to dispose. */
  take(): { readonly D: TfTensor; readonly G: TfTensor } {
    const D = this.discriminatorStep();
    const G = this.generatorStep();
    return { D, G };
  }

  dispose(): void {
    const { tf, generators, discriminators, trunk, images } = this;
    for (const weights of [generators.H, generators.L, trunk]) tf.dispose(weights.all());
    for (const { weights, u } of [discriminators.H, discriminators.L]) {
      tf.dispose(weights.all());
      tf.dispose(u);
    }
    tf.dispose([images.low, images.high]);
  }

  private fakes(): { readonly high: TfTensor; readonly low: TfTensor } {
    const { tf, generators, levels, images } = this;
    return {
      high: unet(tf, generators.H, levels, images.low),
      low: unet(tf, generators.L, levels, images.high),
    };
  }

  /** Renews the vectors of a discriminator, as every forward pass in training does. */
  private renew(discriminator: Discriminator): Singular[] {
    const { tf } = this;
    const made = tf.tidy(() => iterate(tf, discriminator.weights, discriminator.u));
    tf.dispose(discriminator.u);
    discriminator.u = made.map(({ u }) => u);
    return made;
  }

  private update(optimiser: TfOptimiser, variables: TfVariable[], loss: () => TfTensor): TfTensor {
    const { value, grads } = optimiser.computeGradients(loss, variables);
    optimiser.applyGradients(grads);
    this.tf.dispose(grads);
    return value;
  }

  private discriminatorStep(): TfTensor {
    const { tf, images, discriminators } = this;
    const fakes = tf.tidy(() => this.fakes());
    const passes = (['H', 'L'] as const).map((domain) => {
      const discriminator = discriminators[domain];
      const real = this.renew(discriminator);
      // The vectors of the first pass must outlive the second, which replaces them.
      const kept = real.map(({ u, v }) => ({ u: tf.keep(tf.mul(u, 1)), v }));
      return {
        weights: discriminator.weights,
        real: kept,
        fake: this.renew(discriminator),
        images:
          domain === 'H'
            ? { real: images.high, fake: fakes.high }
            : { real: images.low, fake: fakes.low },
      };
    });
    const total = this.update(
      this.optimisers.D,
      [...discriminators.H.weights.all(), ...discriminators.L.weights.all()],
      () =>
        passes
          .map((pass) => {
            const onReal = patchGan(tf, pass.weights, pass.real, pass.images.real);
            const onFake = patchGan(tf, pass.weights, pass.fake, pass.images.fake);
            const real = tf.mean(tf.square(tf.sub(onReal, this.label(onReal, onFake))));
            return tf.add(real, tf.mean(tf.square(onFake)));
          })
          .reduce((sum, loss) => tf.add(sum, loss)),
    );
    for (const { real, fake } of passes) {
      for (const { u, v } of real) tf.dispose([u, v]);
      for (const { v } of fake) v.dispose();
    }
    tf.dispose([fakes.high, fakes.low]);
    return total;
  }

  /** 1 while both means are below 0.9, else 0.9; `step` has a gradient of zeros, comparisons none. */
  private label(onReal: TfTensor, onFake: TfTensor): TfTensor {
    const { tf } = this;
    const below = (logits: TfTensor): TfTensor => tf.step(tf.sub(0.9, tf.mean(logits)));
    return tf.add(tf.mul(tf.mul(below(onReal), below(onFake)), 0.1), 0.9);
  }

  private generatorStep(): TfTensor {
    const { tf, images, generators, discriminators, levels, trunk } = this;
    const singular = { H: this.renew(discriminators.H), L: this.renew(discriminators.L) };
    const features = tf.tidy(() => ({
      high: squeezeFeatures(tf, trunk, images.high),
      low: squeezeFeatures(tf, trunk, images.low),
    }));
    const l1 = (a: TfTensor, b: TfTensor): TfTensor => tf.mean(tf.abs(tf.sub(a, b)));
    const total = this.update(
      this.optimisers.G,
      [...generators.H.all(), ...generators.L.all()],
      () => {
        const fakes = this.fakes();
        const cycledHigh = unet(tf, generators.H, levels, fakes.low);
        const cycledLow = unet(tf, generators.L, levels, fakes.high);
        const real = (domain: 'H' | 'L', fake: TfTensor): TfTensor => {
          const logits = patchGan(tf, discriminators[domain].weights, singular[domain], fake);
          return tf.mean(tf.square(tf.sub(logits, 1)));
        };
        const perceptual = (of: readonly TfTensor[], fake: TfTensor): TfTensor =>
          lpips(tf, trunk, of, squeezeFeatures(tf, trunk, fake));
        const terms: [number, TfTensor][] = [
          [1, real('H', fakes.high)],
          [1, real('L', fakes.low)],
          [10, l1(cycledHigh, images.high)],
          [10, l1(cycledLow, images.low)],
          [2, l1(fakes.high, images.high)],
          [2, l1(fakes.low, images.low)],
          [10, perceptual(features.high, fakes.high)],
          [10, perceptual(features.low, fakes.low)],
        ];
        return terms
          .map(([weight, term]) => tf.mul(term, weight))
          .reduce((sum, term) => tf.add(sum, term));
      },
    );
    for (const { v } of [...singular.H, ...singular.L]) v.dispose();
    tf.dispose([features.high, features.low].flat());
    return total;
  }
}
