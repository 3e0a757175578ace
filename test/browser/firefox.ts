import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleScript, servePage } from './page.ts';

/** What makes Firefox offer WebGPU on a machine without GPU, and ask for nothing else. */
const PREFERENCES = {
  'dom.webgpu.enabled': true,
  'gfx.webgpu.ignore-blocklist': true,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};

interface Report {
  readonly value?: unknown;
  readonly failure?: string;
}

/**
 * Opens a page in a headless Firefox, the one that SONOLIFT_FIREFOX names. Nothing drives it: the page evaluates
 * `expression` after a script of this folder, and says by itself what comes of it.
 * @param files content by path, for example `/model.safetensors`
 * @throws Error with what the page threw, or after `minutes`
 */
export async function evaluateInFirefox<Value>(
  executable: string,
  script: string,
  expression: string,
  { minutes, files = new Map() }: { minutes: number; files?: ReadonlyMap<string, Uint8Array> },
): Promise<Value> {
  const html = `<!doctype html><title>test page</title><script type="module">
const report = (content) => fetch('/', { method: 'POST', body: JSON.stringify(content) });
try {
  await import('/script.js');
  report({ value: await (${expression}) });
} catch (error) {
  report({ failure: String(error) + '\\n' + error?.stack });
}
</script>`;
  const profile = mkdtempSync(join(tmpdir(), 'sonolift-firefox-'));
  const lines = Object.entries(PREFERENCES).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
  );
  writeFileSync(join(profile, 'user.js'), lines.join('\n'));
  const { promise, resolve, reject } = deferred<Report>();
  const scripts = new Map([['/script.js', await bundleScript(script)]]);
  const page = await servePage(scripts, files, {
    html,
    onPost: (text) => resolve(JSON.parse(text)),
  });
  const browser = spawn(executable, ['--headless', '--no-remote', '--profile', profile, page.url], {
    stdio: 'ignore',
    env: { ...process.env, HOME: profile },
  });
  const ended = new Promise<void>((done) => browser.once('exit', () => done()));
  browser.once('error', reject);
  browser.once('exit', (code) => reject(new Error(`Firefox ended by itself, code ${code}`)));
  const limit = setTimeout(
    () => reject(new Error(`no answer of Firefox in ${minutes} minutes`)),
    minutes * 60_000,
  );
  try {
    const { value, failure } = await promise;
    if (failure !== undefined) throw new Error(`in Firefox: ${failure}`);
    return value as Value;
  } finally {
    clearTimeout(limit);
    page.close();
    if (browser.exitCode === null && browser.kill('SIGKILL')) await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

function deferred<Value>() {
  let resolve: (value: Value) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<Value>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}
