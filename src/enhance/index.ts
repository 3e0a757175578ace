import { runEnhance } from './program.ts';

await runEnhance('npx tsx src/enhance', process.argv.slice(2));
