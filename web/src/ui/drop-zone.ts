/** Files that are dropped on an element, folders with all that is in them. */
import type { NamedFile } from '../train/data.ts';

export function acceptDrops(zone: HTMLElement, onFiles: (files: NamedFile[]) => void): void {
  const mark = (over: boolean): void => {
    zone.classList.toggle('over', over);
  };
  zone.addEventListener('dragover', (event) => {
    event.preventDefault();
    mark(true);
  });
  zone.addEventListener('dragleave', () => mark(false));
  zone.addEventListener('drop', (event) => {
    event.preventDefault();
    mark(false);
    if (event.dataTransfer) void filesOf(event.dataTransfer).then(onFiles);
  });
}

/** A file dropped beside a zone must not replace the page. */
export function ignoreStrayDrops(): void {
  for (const kind of ['dragover', 'drop'] as const) {
    window.addEventListener(kind, (event) => event.preventDefault());
  }
}

/** The chosen files of an input, with paths where a folder was chosen. */
export function chosenFiles(input: HTMLInputElement): NamedFile[] {
  return [...(input.files ?? [])].map((file) => ({
    path: file.webkitRelativePath || file.name,
    content: file,
  }));
}

async function filesOf(transfer: DataTransfer): Promise<NamedFile[]> {
  // Entries must be taken before the first wait: the transfer is empty afterwards.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  const plain = [...transfer.files].map((file) => ({ path: file.name, content: file }));
  if (!entries.some((entry) => entry?.isDirectory)) return plain;
  const files: NamedFile[] = [];
  for (const entry of entries) if (entry) await collect(entry, files);
  return files;
}

async function collect(entry: FileSystemEntry, files: NamedFile[]): Promise<void> {
  if (entry instanceof FileSystemFileEntry) {
    const content = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    files.push({ path: entry.fullPath.replace(/^\//, ''), content });
    return;
  }
  if (!(entry instanceof FileSystemDirectoryEntry)) return;
  const reader = entry.createReader();
  for (;;) {
    // A reader gives a hundred entries at a time, and none at the end.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (!some.length) return;
    for (const each of some) await collect(each, files);
  }
}
