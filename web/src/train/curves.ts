/** Loss curves that grow while a run goes on. */

import type { RunStep } from 'sonolift/train';
import uPlot from 'uplot';
import { block } from '../ui/elements.ts';
import { isDark } from '../ui/theme.ts';

const GROUPS = [
  {
    title: 'What the generators should lower',
    hint: 'Distances to the true image, and of images there and back. H: towards high quality, L: towards low.',
    pattern: /^G_(l1|perceptual|registration|smooth|cycle|identity|smc|tsc)/,
  },
  {
    title: 'The contest',
    hint: 'Generators against discriminators: neither side should reach zero.',
    pattern: /^(G_adversarial|D_)/,
  },
] as const;

const LIGHT = ['#0b5a7a', '#b45309', '#166534', '#9b1c5b', '#5b4bb5', '#575f68'];
const DARK = ['#7cc7e8', '#f6ad55', '#86d993', '#f199c8', '#b6a6ff', '#c0c8d0'];
const HEIGHT = 220;
/** Points drawn at most; every other one is left out when there are more. */
const MOST_POINTS = 2000;

/** Has the legend tell the latest values where the pointer is on no others. */
function tellLatest(plot: uPlot): void {
  const latest = plot.data[0].length - 1;
  if (latest >= 0 && typeof plot.cursor.idx !== 'number') plot.setLegend({ idx: latest });
}

export class Curves {
  private readonly parent = block('curves');
  private plots: { plot: uPlot; names: readonly string[] }[] = [];
  private names: readonly string[] = [];
  private steps: number[] = [];
  private readonly values = new Map<string, number[]>();
  private stride = 1;
  private isDue = false;

  constructor() {
    new ResizeObserver(() => this.resize()).observe(this.parent);
  }

  clear(): void {
    this.names = [];
    this.steps = [];
    this.values.clear();
    this.stride = 1;
    this.rebuild();
  }

  add({ step, losses }: RunStep): void {
    if (!this.names.length) {
      this.names = Object.keys(losses);
      this.rebuild();
    }
    if (step % this.stride) return;
    this.steps.push(step);
    for (const [name, value] of Object.entries(losses)) {
      const list = this.values.get(name) ?? [];
      list.push(value);
      this.values.set(name, list);
    }
    if (this.steps.length > MOST_POINTS) this.thin();
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      for (const { plot, names } of this.plots) {
        plot.setData(this.dataOf(names));
        tellLatest(plot);
      }
    });
  }

  /** Makes the plots anew, for other colours or another width. */
  rebuild(): void {
    for (const { plot } of this.plots) plot.destroy();
    this.parent.replaceChildren();
    this.plots = [];
    for (const { title, hint, pattern } of GROUPS) {
      const names = this.names.filter((name) => pattern.test(name));
      if (!names.length) continue;
      const plot = this.make(title, hint, names);
      tellLatest(plot);
      this.plots.push({ plot, names });
    }
  }

  private thin(): void {
    const keep = (_: number, index: number): boolean => index % 2 === 1;
    this.steps = this.steps.filter(keep);
    for (const [name, list] of this.values) this.values.set(name, list.filter(keep));
    this.stride *= 2;
  }

  private dataOf(names: readonly string[]): uPlot.AlignedData {
    return [this.steps, ...names.map((name) => this.values.get(name) ?? [])];
  }

  private make(title: string, hint: string, names: readonly string[]): uPlot {
    const figure = document.createElement('div');
    figure.className = 'curve';
    const heading = document.createElement('h4');
    heading.textContent = title;
    const text = document.createElement('p');
    text.textContent = hint;
    figure.append(heading, text);
    this.parent.append(figure);
    const colours = isDark() ? DARK : LIGHT;
    const ink = isDark() ? '#e8edf2' : '#16202a';
    const line = isDark() ? '#3b4753' : '#dde3e9';
    const axis = { stroke: ink, grid: { stroke: line }, ticks: { stroke: line } };
    return new uPlot(
      {
        width: this.width(),
        height: HEIGHT,
        scales: { x: { time: false } },
        axes: [
          { ...axis, label: 'step' },
          { ...axis, size: 60 },
        ],
        series: [
          { label: 'step' },
          ...names.map((label, index) => ({
            label,
            stroke: colours[index % colours.length],
            width: 1.5,
            value: (_: uPlot, value: number | null) => value?.toPrecision(3) ?? '–',
          })),
        ],
        cursor: { drag: { x: true, y: false } },
        hooks: { setCursor: [tellLatest] },
      },
      this.dataOf(names),
      figure,
    );
  }

  private width(): number {
    return Math.max(200, this.parent.clientWidth);
  }

  private resize(): void {
    const width = this.width();
    for (const { plot } of this.plots) {
      if (plot.width !== width) plot.setSize({ width, height: HEIGHT });
    }
  }
}
