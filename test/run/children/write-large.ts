/** Child process of the disk-full test: writes a file and a folder, prints the errors met. */
import { writeFileAtomic, writeFolderAtomic } from '../../../src/files.ts';

const [folder = ''] = process.argv.slice(2);
const bytes = new Uint8Array(8_000_000);
const report = (error: unknown) => console.log(String(error));
await writeFileAtomic(`${folder}/large.bin`, bytes).catch(report);
await writeFolderAtomic(`${folder}/large`, [
  ['small', new Uint8Array(10)],
  ['big', bytes],
]).catch(report);
