/** Tables once, written as plain text, Markdown, LaTeX and HTML. */
import { ShapeError } from '../errors.ts';
import { escapeHtml } from './html.ts';

/** One cell. */
export interface TableCell {
  readonly text: string;
  /** What a reader sorts by; the text where there is none. */
  readonly value?: number;
  readonly isBold?: boolean;
  /** Smaller print after the text. */
  readonly detail?: string;
}

export interface TableColumn {
  readonly label: string;
  /** Default `right`, as suits numbers. */
  readonly align?: 'left' | 'right';
}

/** A table of plain text; every row has a cell a column. */
export interface TextTable {
  /** Such as "Table 2". */
  readonly name: string;
  readonly caption: string;
  readonly columns: readonly TableColumn[];
  readonly rows: readonly (readonly TableCell[])[];
  /** Sentences below the table. */
  readonly notes: readonly string[];
}

/** @throws ShapeError if a row has more or fewer cells than there are columns */
function requireRectangle({ name, columns, rows }: TextTable): void {
  for (const row of rows) {
    if (row.length !== columns.length) {
      throw new ShapeError(`${name}: expected ${columns.length} cells a row, found ${row.length}`);
    }
  }
}

/** Text that Markdown (GitHub's) shows as it is. */
function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_[\]|]|<(?=[A-Za-z/!?])/g, '\\$&').replace(/\s+/g, ' ');
}

/**
 * The table as GitHub-flavoured Markdown.
 * @throws ShapeError of a ragged table
 */
export function markdownTable(table: TextTable): string {
  requireRectangle(table);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  const body = table.rows.map((row) =>
    line(
      row.map(({ text, isBold, detail }) => {
        const shown = escapeMarkdown(text);
        const main = isBold && shown !== '' ? `**${shown}**` : shown;
        return detail ? `${main} ${escapeMarkdown(detail)}`.trim() : main;
      }),
    ),
  );
  const notes = table.notes.map((note) => `${escapeMarkdown(note)}\n`).join('\n');
  return [
    `**${escapeMarkdown(table.name)}.** ${escapeMarkdown(table.caption)}\n\n`,
    line(table.columns.map(({ label }) => escapeMarkdown(label))),
    line(table.columns.map(({ align }) => (align === 'left' ? '---' : '---:'))),
    ...body,
    notes === '' ? '' : `\n${notes}`,
  ].join('');
}

/**
 * The table as aligned plain text, for a terminal.
 * @throws ShapeError of a ragged table
 */
export function plainTable(table: TextTable): string {
  requireRectangle(table);
  const shown = ({ text, isBold, detail }: TableCell): string =>
    [isBold ? `*${text}` : text, detail].filter(Boolean).join(' ');
  const rows = [
    table.columns.map(({ label }) => label),
    ...table.rows.map((row) => row.map(shown)),
  ];
  const widths = table.columns.map((_, column) =>
    Math.max(...rows.map((row) => row[column].length)),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        table.columns[column].align === 'left'
          ? cell.padEnd(widths[column])
          : cell.padStart(widths[column]),
      )
      .join('  ')
      .trimEnd(),
  );
  return [`${table.name}. ${table.caption}`, '', ...lines, '', ...table.notes, '']
    .join('\n')
    .replace(/\n+$/, '\n');
}

const LATEX: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '&': '\\&',
  '%': '\\%',
  $: '\\$',
  '#': '\\#',
  _: '\\_',
  '{': '\\{',
  '}': '\\}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '<': '$<$',
  '>': '$>$',
  '±': '$\\pm$',
  '−': '$-$',
  '↑': '$\\uparrow$',
  '↓': '$\\downarrow$',
  '²': '$^2$',
  '×': '$\\times$',
};

/** Text that LaTeX sets as it is. */
function escapeLatex(text: string): string {
  return text.replace(/[\\&%$#_{}~^<>±−↑↓²×]/g, (character) => LATEX[character] ?? character);
}

/**
 * The table as LaTeX, for a document that loads `booktabs`.
 * @param label what `\ref` finds it by, e.g. `tab:scores`
 * @throws ShapeError of a ragged table
 */
export function latexTable(table: TextTable, label: string): string {
  requireRectangle(table);
  const cell = ({ text, isBold, detail }: TableCell): string => {
    const main = isBold ? `\\textbf{${escapeLatex(text)}}` : escapeLatex(text);
    return detail ? `${main} {\\footnotesize ${escapeLatex(detail)}}` : main;
  };
  const line = (cells: readonly string[]): string => `    ${cells.join(' & ')} \\\\\n`;
  const notes = table.notes.map((note) => `\n  \\par\\footnotesize ${escapeLatex(note)}`).join('');
  return `% needs \\usepackage{booktabs}
\\begin{table}
  \\centering
  \\caption{${escapeLatex(table.caption)}}
  \\label{${label}}
  \\begin{tabular}{${table.columns.map(({ align }) => (align === 'left' ? 'l' : 'r')).join('')}}
    \\toprule
${line(table.columns.map((column) => escapeLatex(column.label)))}    \\midrule
${table.rows.map((row) => line(row.map(cell))).join('')}    \\bottomrule
  \\end{tabular}${notes}
\\end{table}
`;
}

function htmlCell({ text, value, isBold, detail }: TableCell, column: TableColumn): string {
  const sort = value === undefined ? '' : ` data-value="${value}"`;
  const side = column.align === 'left' ? ' class="left"' : '';
  const main = isBold ? `<b>${escapeHtml(text)}</b>` : escapeHtml(text);
  const small = detail ? ` <span class="muted nowrap small">${escapeHtml(detail)}</span>` : '';
  return `<td${side}${sort}>${main}${small}</td>`;
}

/**
 * The table as HTML whose columns a page script sorts by (`data-value`, else the text). Its name is for
 * the heading above.
 * @throws ShapeError of a ragged table
 */
export function htmlTable(table: TextTable): string {
  requireRectangle(table);
  const heads = table.columns.map(
    ({ label, align }) =>
      `<th scope="col"${align === 'left' ? ' class="left"' : ''}>${escapeHtml(label)}</th>`,
  );
  const rows = table.rows.map((row) => {
    const cells = row.map((cell, index) => htmlCell(cell, table.columns[index]));
    return `<tr>${cells.join('')}</tr>`;
  });
  const notes = table.notes.map((note) => `<p class="small muted">${escapeHtml(note)}</p>`);
  return `<p class="muted">${escapeHtml(table.caption)}</p>
<div class="scroll"><table class="sortable" aria-label="${escapeHtml(table.name)}">
<thead><tr>${heads.join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody>
</table></div>
${notes.join('\n')}`;
}
