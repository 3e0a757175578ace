/** Table 1: the dataset by organ and device. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PairName } from '../../data/pairs.ts';
import { organGroup, type Split } from '../../data/split.ts';
import { DataError } from '../../errors.ts';
import { readFailure } from '../../files.ts';
import { parseCsv } from '../../report/csv.ts';
import type { TableCell, TextTable } from '../../report/text-table.ts';

/** Who made an organ's images. */
export interface OrganDevices {
  readonly low: string;
  readonly high: string;
  readonly patients: number | undefined;
}

const COLUMNS = ['organ', 'low_device', 'high_device', 'patients'] as const;
const UNSTATED = 'not stated';

/**
 * Reads which devices made an organ's images: CSV with the columns `organ,low_device,high_device` and
 * optionally `patients`.
 * @param file as asked for; else `devices.csv` of the data folder, if there is one
 * @returns by organ group, empty without a file
 * @throws DataError naming file and row if something is missing or no number
 */
export function readDevices(file: string | undefined, data: string): Map<string, OrganDevices> {
  const path = file ?? join(data, 'devices.csv');
  if (file === undefined && !existsSync(path)) return new Map();
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new DataError(`${path}: cannot be read: ${readFailure(cause)}`, { cause });
  }
  const [head = [], ...rows] = parseCsv(text);
  const at = COLUMNS.map((name) => head.indexOf(name));
  const missing = COLUMNS.find((name, index) => at[index] < 0 && name !== 'patients');
  if (missing !== undefined) {
    throw new DataError(`${path}: expected a column ${missing}, found ${head.join(', ')}`);
  }
  const devices = new Map<string, OrganDevices>();
  for (const row of rows) {
    const [organ, low, high, count = ''] = at.map((index) => row[index] ?? '');
    const patients = count === '' ? undefined : Number(count);
    if (patients !== undefined && !(Number.isInteger(patients) && patients >= 0)) {
      throw new DataError(`${path}: patients of ${organ}: expected a whole number, found ${count}`);
    }
    const group = organGroup(organ);
    if (devices.has(group)) throw new DataError(`${path}: organ ${group} is there twice`);
    devices.set(group, { low: low || UNSTATED, high: high || UNSTATED, patients });
  }
  return devices;
}

/** "233 (27.7)", as the paper prints counts. */
export function countCell(count: number, total: number): TableCell {
  const share = total === 0 ? 0 : (100 * count) / total;
  // The paper prints 16 for 16.0.
  return { text: `${count} (${Number(share.toFixed(1))})`, value: count };
}

/**
 * Pairs by organ group and device, in descending order of pairs as in the paper. "Training" counts the
 * pairs that choose the model, too.
 * @throws DataError if the devices of an organ are stated that the data does not have
 */
export function datasetTable(
  pairs: readonly PairName[],
  split: Split,
  devices: ReadonlyMap<string, OrganDevices>,
): TextTable {
  const count = (indices: readonly number[]): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const index of indices) {
      const group = organGroup(pairs[index].organ);
      counts.set(group, (counts.get(group) ?? 0) + 1);
    }
    return counts;
  };
  const all = count(pairs.map((_, index) => index));
  const test = count(split.test);
  const stranger = [...devices.keys()].find((group) => !all.has(group));
  if (stranger !== undefined) {
    throw new DataError(
      `devices: organ ${stranger} is not in the data, which has ${[...all.keys()].join(', ')}`,
    );
  }
  const patients = [...devices.values()].reduce((sum, item) => sum + (item.patients ?? 0), 0);
  const trainTotal = pairs.length - split.test.length;
  const rows = [...all]
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([group, total]): TableCell[] => {
      const stated = devices.get(group);
      const held = test.get(group) ?? 0;
      return [
        { text: group.charAt(0).toUpperCase() + group.slice(1) },
        { text: stated?.low ?? UNSTATED },
        { text: stated?.high ?? UNSTATED },
        stated?.patients === undefined ? { text: UNSTATED } : countCell(stated.patients, patients),
        countCell(total - held, trainTotal),
        countCell(held, split.test.length),
        countCell(total, pairs.length),
      ];
    });
  return {
    name: 'Table 1',
    caption: 'Dataset summary across different ultrasound devices and organs.',
    columns: [
      { label: 'Organ', align: 'left' },
      { label: 'Low-end device', align: 'left' },
      { label: 'High-end device', align: 'left' },
      { label: patients > 0 ? `Patients (n=${patients}), n (%)` : 'Patients, n (%)' },
      { label: `Training (n=${trainTotal}), n (%)` },
      { label: `Testing (n=${split.test.length}), n (%)` },
      { label: `Total (n=${pairs.length}), n (%)` },
    ],
    rows,
    notes: [
      `Training counts the ${split.val.length} validation pairs that choose the model, too.`,
      ...(devices.size === 0
        ? ['The data does not say which devices made it (devices.csv, or --devices).']
        : []),
    ],
  };
}
