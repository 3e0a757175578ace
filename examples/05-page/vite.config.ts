import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const place = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: place('.'),
  // Parts of the package are fetched on demand, which Vite's default format of workers cannot.
  worker: { format: 'es' },
  // In a project of your own the package is installed, and the model lies in its `public` folder.
  resolve: { alias: { sonolift: place('../../src/index.ts') } },
  publicDir: place('../../web/public'),
});
