/** Files as a visitor of the demo page brings them: dropped, pasted or chosen. */
import { readFileSync } from 'node:fs';
import type { Download, Page } from 'playwright-core';

export interface BroughtFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Drops a file on an element, or pastes it into the page. */
export async function bring(
  page: Page,
  how: 'drop' | 'paste',
  id: string,
  { name, bytes }: BroughtFile,
): Promise<void> {
  await page.evaluate(
    ([kind, target, fileName, content]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(content)], fileName));
      const place = document.getElementById(target);
      const event =
        kind === 'drop'
          ? new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true })
          : new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true });
      place?.dispatchEvent(event);
    },
    [how, id, name, [...bytes]] as const,
  );
}

/** Chooses files in a file input. */
export async function choose(page: Page, id: string, ...files: BroughtFile[]): Promise<void> {
  await page.setInputFiles(
    `#${id}`,
    files.map(({ name, bytes }) => ({
      name,
      mimeType: 'application/octet-stream',
      buffer: Buffer.from(bytes),
    })),
  );
}

/** Presses a button and returns what it lets the visitor download. */
export async function downloaded(page: Page, id: string): Promise<BroughtFile> {
  const coming: Promise<Download> = page.waitForEvent('download');
  await page.click(`#${id}`);
  const download = await coming;
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}
