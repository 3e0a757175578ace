import { parseAst } from 'vite';

/** What is needed of a node of the syntax tree (ESTree). */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly quasis?: readonly Node[];
}

/**
 * A kernel file's JavaScript whose WGSL has neither comments nor indentation: what a page fetches is for
 * compilers. Line breaks stay, so that line numbers do. Texts without a line break (keys, messages) stay as
 * they are, and so does a comment that runs into an expression.
 */
export function compactWgsl(source: string): string {
  let result = '';
  let at = 0;
  for (const { start, end } of templateTexts(source)) {
    const text = source
      .slice(start, end)
      .replace(/[ \t]*\/\/[^\n]*(?=\n)/g, '')
      .replace(/\n[ \t]+/g, '\n');
    result += source.slice(at, start) + text;
    at = end;
  }
  return result + source.slice(at);
}

/** The texts between expressions of all templates that have a line break, in order. */
function templateTexts(source: string): Node[] {
  const texts: Node[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) visit(item);
    else if (typeof value === 'object' && value !== null) {
      const { type, start, end, quasis } = value as Partial<Node>;
      if (type === 'TemplateLiteral' && source.slice(start, end).includes('\n')) {
        texts.push(...(quasis ?? []));
      }
      for (const child of Object.values(value)) visit(child);
    }
  };
  visit(parseAst(source));
  return texts.sort((a, b) => a.start - b.start);
}
