/** A CSV field, quoted where its content would break the row. */
function field(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Rows as CSV text (RFC 4180, line feeds). */
export function csvText(rows: readonly (readonly (string | number)[])[]): string {
  return rows.map((row) => `${row.map(field).join(',')}\n`).join('');
}

/**
 * The rows of CSV text: fields by commas, quotes as in RFC 4180; blank lines are passed over. Spaces
 * around an unquoted field are not part of it.
 */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let value = '';
  let quoted = false;
  let wasQuoted = false;
  const endField = (): void => {
    row.push(wasQuoted ? value : value.trim());
    value = '';
    wasQuoted = false;
  };
  const endRow = (): void => {
    endField();
    if (row.some((item) => item !== '')) rows.push(row);
    row = [];
  };
  const source = text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  for (let i = 0; i < source.length; i++) {
    const character = source[i];
    if (quoted) {
      if (character !== '"') value += character;
      else if (source[i + 1] === '"') value += source[++i];
      else quoted = false;
    } else if (character === '"' && value.trim() === '') {
      quoted = true;
      wasQuoted = true;
      value = '';
    } else if (character === ',') endField();
    else if (character === '\n') endRow();
    else value += character;
  }
  endRow();
  return rows;
}
