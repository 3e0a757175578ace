/** The table of scores against a reference. */
import { metricNamed } from 'sonolift/metrics';
import { element } from '../ui/elements.ts';

type Scores = Readonly<Record<string, number>>;

/** @param after missing before the image was enhanced */
export function showScores(before: Scores | undefined, after: Scores | undefined): void {
  const table = element('scores', HTMLTableElement);
  table.hidden = before === undefined;
  const rows = Object.entries(before ?? {}).map(([name, value]) => {
    const { label, direction, unit, decimals } = metricNamed(name);
    const other = after?.[name];
    const row = document.createElement('tr');
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = `${label} ${direction === 'higher' ? '↑' : '↓'}`;
    const show = (score: number | undefined, isBetter: boolean): HTMLTableCellElement => {
      const cell = document.createElement('td');
      cell.className = isBetter ? 'number better' : 'number';
      cell.textContent = score === undefined ? '–' : `${score.toFixed(decimals)} ${unit}`.trim();
      return cell;
    };
    const gain = other === undefined ? 0 : direction === 'higher' ? other - value : value - other;
    row.append(head, show(value, gain < 0), show(other, gain > 0));
    return row;
  });
  table.tBodies[0].replaceChildren(...rows);
}
