/** Makes everything that a benchmark leaves in `OUT/results`. */
import { join } from 'node:path';
import { encodePng } from '../../data/image.ts';
import { writeFolderAtomic } from '../../files.ts';
import { type RankedRow, rankSystems } from '../../metrics/ranking.ts';
import { mean } from '../../metrics/statistics.ts';
import { loadBenchmarkAssets } from '../../report/benchmark/assets.node.ts';
import { benchmarkHeadline, renderBenchmarkPage } from '../../report/benchmark/page.ts';
import {
  effectTable,
  type OrganScores,
  organTable,
  scoreTable,
} from '../../report/benchmark/score-tables.ts';
import { csvText } from '../../report/csv.ts';
import { latexTable, markdownTable, type TextTable } from '../../report/text-table.ts';
import { versions } from '../../run/run-folder.ts';
import { type Collection, type MergedScores, mergeScores } from './collect.ts';
import { datasetTable, readDevices } from './dataset-table.ts';
import { comparisonFigure, organFigure } from './figures.ts';
import { jobRows, jobTable, spreadTable } from './job-table.ts';
import type { JobList } from './jobs.ts';
import type { BenchmarkPlan, Entry } from './options.ts';
import { orderTable } from './paper-order.ts';
import { medianImage, readShownImage, spreadOverOrgans } from './pictures.ts';
import type { Scoring } from './scoring.ts';

export interface ResultsInput {
  readonly plan: BenchmarkPlan;
  readonly list: JobList;
  readonly scoring: Scoring;
  readonly collection: Collection;
  readonly command: string;
}

/** Chooses the image of a figure: the median of this metric. */
const FIGURE_METRIC = 'ssim';

/**
 * Writes tables (Markdown, LaTeX, CSV, JSON), figures and the report. The folder appears whole or not at
 * all and replaces an earlier one.
 * @returns the folder, and Table 2 for the terminal
 * @throws DataError if jobs do not go together, or the folder cannot be written
 */
export async function writeResults(
  input: ResultsInput,
): Promise<{ folder: string; table: TextTable }> {
  const { plan, list, scoring, collection } = input;
  const { done } = collection;
  const columns = scoring.columns;
  const metrics = columns.flatMap(({ metric, missing }) => (missing === undefined ? [metric] : []));
  const names = metrics.map(({ name }) => name);
  const merged = mergeScores(done, plan.entries, names);
  const present = plan.entries.filter(({ id }) => merged.systems.some((each) => each.id === id));
  const main = mainEntry(present);
  const ranked = rankSystems(merged.systems, names, main.id);

  const about = `${merged.images.length} held-out images`;
  const scores = scoreTable(ranked, columns, main.label, about);
  const notes = notesOf(input, merged);
  const effects = effectTable(ranked, columns, main.label);
  const organs = organTable(organScores(merged, names), columns);
  const [[, split]] = list.splits;
  const dataset = datasetTable(list.pairs, split, readDevices(plan.devices, plan.data));
  const jobs = jobTable(done, metrics);
  const spread = spreadTable(done, metrics);
  const order = orderTable(ranked, metrics);

  const shown = (image: MergedScores['images'][number]) =>
    readShownImage(image, present, done, list, plan);
  const labels = present.map(({ label }) => label);
  const mainScores = merged.systems.find(({ id }) => id === main.id)?.scores[FIGURE_METRIC] ?? [];
  const typical = medianImage(merged.images, mainScores);
  const eachOrgan = [...new Set(merged.images.map(({ organ }) => organ))].map((organ) => {
    const indices = merged.images.flatMap((image, at) => (image.organ === organ ? [at] : []));
    return medianImage(
      indices.map((at) => merged.images[at]),
      indices.map((at) => mainScores[at]),
    );
  });
  const figure3 = comparisonFigure(await shown(typical), labels);
  const figure4 = organFigure(await Promise.all(eachOrgan.map(shown)), labels);

  const viewed = await Promise.all(spreadOverOrgans(merged.images, plan.pictures).map(shown));
  const page = renderBenchmarkPage(
    {
      title: 'Benchmark of ultrasound enhancement',
      subtitle: `${labels.length} ${labels.length === 1 ? 'system' : 'systems'}, ${about}, ${plan.fit === 'crop' ? 'centre crops of' : 'resized to'} ${plan.size}x${plan.size}`,
      headline: benchmarkHeadline(ranked, metrics),
      tables: [scores, effects, order, organs, spread, dataset, jobs].filter(
        (each) => each !== undefined,
      ),
      views: ['Reference low', ...labels, 'Reference high'],
      metrics,
      images: viewed.map((image) => {
        const at = merged.images.findIndex(
          ({ organ, name }) => organ === image.organ && name === image.name,
        );
        return {
          organ: image.organ,
          name: image.name,
          pictures: [image.low, ...image.enhanced, image.high],
          scores: [
            ...merged.systems.map((system) => names.map((name) => system.scores[name][at])),
            undefined,
          ],
        };
      }),
      notes: [...notes, ...pictureNotes(viewed.length, merged.images.length)],
      command: input.command,
      settings: settingsOf(input),
    },
    loadBenchmarkAssets(),
  );

  // The page has the notes in a section of their own.
  const table: TextTable = { ...scores, notes: [...scores.notes, ...notes] };
  const text = new TextEncoder();
  const files: [string, Uint8Array][] = [
    ...tableFiles('table1', dataset),
    ...tableFiles('table2', table),
    ...tableFiles('effects', effects),
    ...tableFiles('organs', organs),
    ...(spread ? tableFiles('spread', spread) : []),
    ...(order ? tableFiles('order', order) : []),
    ['table1.csv', csvText(plainRows(dataset))],
    ['scores.csv', csvText(scoreRows(ranked))],
    ['organs.csv', csvText(plainRows(organs))],
    ['images.csv', csvText(imageRows(merged, names))],
    ['jobs.csv', csvText(jobRows(done, metrics))],
    ['results.json', `${JSON.stringify({ ...settingsOf(input), ranked, merged }, null, 1)}\n`],
    ['report.html', page],
  ].map(([name, content]) => [name, text.encode(content)]);
  files.push(['figure3.png', encodePng(figure3)], ['figure4.png', encodePng(figure4)]);
  const folder = join(plan.out, 'results');
  await writeFolderAtomic(folder, files);
  return { folder, table };
}

/** The system that the others are compared with: the proposed one, or the last. */
function mainEntry(entries: readonly Entry[]): Entry {
  return entries.find(({ id }) => id === 'proposed') ?? entries[entries.length - 1];
}

/** What a reader must know of how the scores came about. */
function notesOf({ plan, collection }: ResultsInput, { left }: MergedScores): string[] {
  const { done, missing } = collection;
  const steps = [...new Set(done.map(({ trained }) => trained.step))].sort((a, b) => a - b);
  const adapters = [...new Set(done.map(({ scores }) => scores.adapter))];
  const notes = [
    `Training: ${steps.join(' to ')} steps of each system, protocol ${plan.protocol}, seeds ${plan.seeds.join(', ')}, splits ${plan.folds.join(', ')}; an image's score is the mean over seeds and splits. Scored: the ${plan.select === 'best' ? 'checkpoint that was best on validation' : 'last checkpoint'}.`,
    `Scored on ${adapters.join('; ')}.`,
  ];
  if (plan.entries.some(({ label }) => label.includes('(reconstructed)'))) {
    notes.push(
      '(reconstructed): neither code nor all settings were published; built from the publication and our own choices.',
    );
  }
  if (missing.length > 0) {
    notes.push(
      `Missing jobs: ${missing.map(({ job, state }) => `${job.id} (${state})`).join(', ')}.`,
    );
  }
  if (left > 0) notes.push(`${left} images that not every system was scored on are left out.`);
  return notes;
}

function pictureNotes(shown: number, all: number): string[] {
  const notes = [
    `Figures 3 and 4 show the image in the middle of the ranking by SSIM of the main system, of all and of each organ.`,
  ];
  return shown < all ? [...notes, `The viewer shows ${shown} of ${all} images.`] : notes;
}

function settingsOf({ plan, scoring, collection, command }: ResultsInput) {
  const options = Object.fromEntries(
    plan.entries.map(({ id }) => [
      id,
      { ...collection.done.find(({ job }) => job.entry.id === id)?.job.options },
    ]),
  );
  return {
    command,
    versions: versions(),
    seeds: plan.seeds,
    folds: plan.folds,
    select: plan.select,
    distances: scoring.distances,
    systems: options,
  };
}

function organScores({ images, systems }: MergedScores, metrics: readonly string[]): OrganScores[] {
  return [...new Set(images.map(({ organ }) => organ))].map((organ) => {
    const indices = images.flatMap((image, at) => (image.organ === organ ? [at] : []));
    return {
      organ,
      count: indices.length,
      systems: systems.map(({ label, scores }) => ({
        label,
        means: Object.fromEntries(
          metrics.map((name) => [name, mean(indices.map((at) => scores[name][at]))]),
        ),
      })),
    };
  });
}

function imageRows({ images, systems }: MergedScores, metrics: readonly string[]) {
  return [
    ['organ', 'name', 'system', ...metrics],
    ...images.flatMap(({ organ, name }, at) =>
      systems.map(({ id, scores }) => [
        organ,
        name,
        id,
        ...metrics.map((metric) => scores[metric][at]),
      ]),
    ),
  ];
}

/** Every number of Table 2 and of the effect sizes, a row a system and metric. */
function scoreRows(ranked: readonly RankedRow[]): (string | number)[][] {
  const optional = (value: number | undefined): string | number =>
    value === undefined || Number.isNaN(value) ? '' : value;
  return [
    [
      ...['system', 'metric', 'images', 'mean', 'standard_deviation', 'median', 'mean_low'],
      ...['mean_high', 'best', 'improvement', 'improvement_low', 'improvement_high'],
      ...['images_improved', 'rank_biserial', 'wilcoxon_statistic', 'p'],
    ],
    ...ranked.flatMap(({ id, cells }) =>
      Object.entries(cells).map(([metric, { summary, isBest, comparison }]) => [
        ...[id, metric, summary.count, summary.mean, optional(summary.standardDeviation)],
        ...[summary.median, summary.interval.low, summary.interval.high, isBest ? 1 : 0],
        optional(comparison?.improvement),
        optional(comparison?.improvementInterval.low),
        optional(comparison?.improvementInterval.high),
        optional(comparison?.improvedCount),
        optional(comparison?.effect),
        optional(comparison?.test.statistic),
        optional(comparison?.test.pValue),
      ]),
    ),
  ];
}

/** A table as Markdown and LaTeX. */
function tableFiles(name: string, table: TextTable): [string, string][] {
  return [
    [`${name}.md`, markdownTable(table)],
    [`${name}.tex`, latexTable(table, `tab:${name}`)],
  ];
}

/** A table's sortable values, or texts, for a CSV file. */
function plainRows({ columns, rows }: TextTable): (string | number)[][] {
  return [
    columns.map(({ label }) => label),
    ...rows.map((row) => row.map(({ text, value }) => value ?? text)),
  ];
}
