/** The kernels tab. */
import { proxy } from 'comlink';
import type { CaseResult } from '../../../bench/cases/run-case.ts';
import { percent, significant } from '../../../bench/output/table.ts';
import { block, button, element, input } from '../ui/elements.ts';
import { messagesOf } from '../ui/messages.ts';
import { kernelsWorker } from '../worker/client.ts';

interface Report {
  readonly date: string;
  readonly userAgent: string;
  readonly adapter: string;
  readonly clock: string;
  readonly peak: { readonly gigaflops: number; readonly gigabytes: number };
  readonly results: CaseResult[];
}

export function startKernels(): void {
  const messages = messagesOf(block('kernels-status'), block('kernels-error'));
  const filter = input('kernels-filter');
  const progress = element('kernels-progress', HTMLProgressElement);
  let report: Report | undefined;
  let isRunning = false;

  const update = (): void => {
    button('kernels-run').disabled = isRunning;
    button('kernels-stop').disabled = !isRunning;
    button('kernels-copy').disabled = !report?.results.length;
  };

  const run = async (): Promise<void> => {
    if (isRunning) return;
    isRunning = true;
    update();
    try {
      const worker = kernelsWorker();
      const names = await worker.names(filter.value.split(/\s+/).filter(Boolean));
      block('kernels-count').textContent =
        `${names.length} kernels have these words in their name.`;
      if (!names.length)
        throw new Error('No kernel has these words in its name: try "conv" or "norm".');
      messages.say('Opening the device and measuring what it does at best …');
      const adapter = await worker.openDevice();
      const peak = await worker.measurePeak();
      const best = `At best ${significant(peak.gigaflops)} GFLOP/s and ${significant(peak.gigabytes)} GB/s on ${adapter}`;
      const results: CaseResult[] = [];
      report = {
        date: new Date().toISOString(),
        userAgent: navigator.userAgent,
        adapter,
        clock: 'wall time, submission and waiting included',
        peak,
        results,
      };
      element('kernels-table', HTMLTableElement).tBodies[0].replaceChildren();
      progress.max = names.length;
      progress.value = 0;
      messages.say(`${best}. Timing ${names.length} kernels …`);
      await worker.run(
        names,
        proxy((result: CaseResult) => {
          results.push(result);
          progress.value = results.length;
          addRow(result);
          update();
        }),
      );
      const wrong = results.filter(({ correct }) => !correct).length;
      const stopped = results.length < names.length ? ', stopped' : '';
      messages.say(
        `${best}. ${results.length} of ${names.length} kernels timed${stopped}, ${wrong} with wrong results.`,
      );
    } catch (error) {
      messages.fail(error);
    }
    isRunning = false;
    update();
  };

  element('kernels-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    void run();
  });
  button('kernels-stop').addEventListener('click', () => kernelsWorker().stop());
  button('kernels-copy').addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(JSON.stringify(report, null, 2));
      messages.say(`Copied ${report?.results.length} results as JSON.`);
    } catch (error) {
      messages.fail(new Error(`The clipboard cannot be written: ${String(error)}`));
    }
  });
  update();
}

function addRow(result: CaseResult): void {
  const { name, shape, milliseconds, spread, gigaflops, gigabytes, roof, share } = result;
  const rate =
    gigaflops === undefined
      ? `${significant(gigabytes)} GB/s`
      : `${significant(gigaflops)} GFLOP/s`;
  const head = document.createElement('th');
  head.scope = 'row';
  const detail = document.createElement('span');
  detail.className = 'hint';
  detail.textContent = shape;
  head.append(name, detail);
  const row = element('kernels-table', HTMLTableElement).tBodies[0].insertRow();
  row.append(head);
  const cell = (text: string, className = ''): void => {
    const made = row.insertCell();
    made.textContent = text;
    made.className = className;
  };
  for (const text of [
    `${significant(milliseconds)} ± ${percent(spread)}`,
    rate,
    `${percent(share)} (${roof.limit})`,
  ]) {
    cell(text, 'number');
  }
  cell(result.correct ? 'right' : `WRONG by ${result.error.toExponential(1)}`);
}
