import { escapeHtml, inlineText } from './html.ts';

/** Nothing may be fetched: what the page shows is inside it. */
const POLICY =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/** A self-contained page: one file that loads nothing from elsewhere. */
export interface ReportDocument {
  readonly title: string;
  readonly subtitle: string;
  /** HTML below the subtitle. */
  readonly header: string;
  /** HTML of the page's sections. */
  readonly main: string;
  readonly styles: readonly string[];
  readonly scripts: readonly string[];
}

/** @throws RangeError when a style or script would close its element early */
export function renderDocument(page: ReportDocument): string {
  const styles = page.styles.map((style) => inlineText('style', style));
  const scripts = page.scripts.map((text) => `<script>\n${inlineText('script', text)}\n</script>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Sonolift">
<title>${escapeHtml(page.title)} · Sonolift</title>
<style>
${styles.join('\n')}
</style>
</head>
<body>
<header>
<div class="top"><span class="brand">Sonolift</span><button type="button" id="theme" hidden>Theme: auto</button></div>
<h1>${escapeHtml(page.title)}</h1>
<p class="subtitle">${escapeHtml(page.subtitle)}</p>
${page.header}
</header>
<main>
${page.main}
</main>
<footer>Research software, not for diagnosis. This page is one file and loads nothing from elsewhere.</footer>
${scripts.join('\n')}
</body>
</html>
`;
}
