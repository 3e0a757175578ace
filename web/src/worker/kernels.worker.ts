/** Times kernels away from the page's thread. */
import { expose } from 'comlink';
import { allCases, filterCases } from '../../../bench/cases/all-cases.ts';
import { type CaseResult, runCase } from '../../../bench/cases/run-case.ts';
import { measurePeak, type Peak } from '../../../bench/measure/peak.ts';
import { WALL_CLOCK } from '../../../bench/measure/stopwatch.ts';
import { DeviceHolder } from './device.ts';
import { carryFailures } from './failures.ts';

let stopAsked = false;
let peak: Peak | undefined;

const device = new DeviceHolder(() => {
  peak = undefined;
});

const service = {
  openDevice: async (): Promise<string> => (await device.open()).description,

  /** Names of the kernels that have every word in their name. */
  names: (words: readonly string[]): string[] =>
    filterCases(allCases(), words).map(({ name }) => name),

  /** Measures what the adapter does at best; once for each device. */
  async measurePeak(): Promise<Peak> {
    peak ??= await measurePeak(await device.open(), WALL_CLOCK);
    return peak;
  },

  /** Checks and times kernels one after the other, until `stop` is called. */
  async run(names: readonly string[], onResult: (result: CaseResult) => void): Promise<void> {
    stopAsked = false;
    try {
      const best = await service.measurePeak();
      for (const each of allCases()) {
        if (!names.includes(each.name)) continue;
        if (stopAsked) return;
        onResult(await runCase(await device.open(), WALL_CLOCK, best, each));
        // A turn of the event loop, for `stop` to be heard.
        await new Promise((resolve) => setTimeout(resolve));
      }
    } catch (error) {
      device.note(error);
      throw error;
    }
  },

  /** Ends `run` after the kernel under way. */
  stop(): void {
    stopAsked = true;
  },
};

export type KernelsService = typeof service;

carryFailures();
expose(service);
