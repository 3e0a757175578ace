/** The jobs of a benchmark one by one, and how much systems differ between seeds. */
import type { MetricDescription } from '../../metrics/metrics.ts';
import { mean, standardDeviation } from '../../metrics/statistics.ts';
import { formatDuration, formatNumber } from '../../report/format.ts';
import type { TextTable } from '../../report/text-table.ts';
import type { DoneJob } from './collect.ts';

function meanOf({ scores }: DoneJob, metric: string): number {
  return mean(scores.pairs.map(({ enhanced }) => enhanced[metric]));
}

/** A row a job: mean scores over its own held-out images. */
export function jobTable(
  done: readonly DoneJob[],
  metrics: readonly MetricDescription[],
): TextTable {
  return {
    name: 'Jobs',
    caption: 'Every training run: mean over its held-out images.',
    columns: [
      { label: 'System', align: 'left' },
      { label: 'Split' },
      { label: 'Seed' },
      { label: 'Steps' },
      { label: 'Scored step' },
      { label: 'Training time' },
      ...metrics.map(({ label, direction }) => ({
        label: `${label} ${direction === 'higher' ? '↑' : '↓'}`,
      })),
    ],
    rows: done.map((item) => [
      { text: item.job.entry.label },
      { text: String(item.job.fold), value: item.job.fold },
      { text: String(item.job.seed), value: item.job.seed },
      { text: String(item.trained.step), value: item.trained.step },
      { text: String(item.scores.step), value: item.scores.step },
      { text: formatDuration(item.trained.seconds), value: item.trained.seconds },
      ...metrics.map(({ name }) => {
        const value = meanOf(item, name);
        return { text: formatNumber(value, 4), value };
      }),
    ]),
    notes: ['Training time is wall time of the steps; other work on the machine adds to it.'],
  };
}

/**
 * How far training runs of one system lie apart: mean ± standard deviation over the runs of their mean
 * scores. Undefined if no system has more than one.
 */
export function spreadTable(
  done: readonly DoneJob[],
  metrics: readonly MetricDescription[],
): TextTable | undefined {
  const systems = [...new Set(done.map(({ job }) => job.entry))];
  const runsOf = (entry: DoneJob['job']['entry']) => done.filter(({ job }) => job.entry === entry);
  if (systems.every((entry) => runsOf(entry).length < 2)) return undefined;
  return {
    name: 'Spread of runs',
    caption:
      'Mean ± standard deviation over training runs (seeds and splits) of their mean scores.',
    columns: [
      { label: 'System', align: 'left' },
      { label: 'Runs' },
      ...metrics.map(({ label, direction }) => ({
        label: `${label} ${direction === 'higher' ? '↑' : '↓'}`,
      })),
    ],
    rows: systems.map((entry) => {
      const runs = runsOf(entry);
      return [
        { text: entry.label },
        { text: String(runs.length), value: runs.length },
        ...metrics.map(({ name }) => {
          const means = runs.map((run) => meanOf(run, name));
          const detail = means.length < 2 ? '' : `± ${formatNumber(standardDeviation(means), 4)}`;
          return { text: formatNumber(mean(means), 4), value: mean(means), detail };
        }),
      ];
    }),
    notes: [],
  };
}

/** The rows of {@link jobTable} for a CSV file. */
export function jobRows(
  done: readonly DoneJob[],
  metrics: readonly MetricDescription[],
): (string | number)[][] {
  const names = metrics.map(({ name }) => name);
  return [
    ['system', 'fold', 'seed', 'steps', 'scored_step', 'seconds', 'adapter', ...names],
    ...done.map((item) => [
      item.job.entry.id,
      item.job.fold,
      item.job.seed,
      item.trained.step,
      item.scores.step,
      item.trained.seconds,
      item.scores.adapter,
      ...names.map((name) => meanOf(item, name)),
    ]),
  ];
}
