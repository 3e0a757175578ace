import { blankImage, type GrayImage } from '../data/image.ts';
import { ShapeError } from '../errors.ts';
import { GLYPH_HEIGHT, GLYPH_WIDTH, glyphPixel, textWidth } from './font.ts';

export interface MontageOptions {
  /** Labels above the columns. Default: none. */
  readonly columnLabels?: readonly string[];
  /** Labels below the first image of each row. Default: none. */
  readonly rowLabels?: readonly string[];
  /** Whole factor by which every image is enlarged, pixel by pixel. Default 1. */
  readonly scale?: number;
  /** Pixels between images and around them. Default 4. */
  readonly gap?: number;
  /** Grey of the gaps, 0 to 1. Default 0.15, so that black image borders can be seen. */
  readonly background?: number;
}

/** Space above and below a line of text. */
const TEXT_MARGIN = 2;
const TEXT_GREY = 0.92;

function drawText(canvas: GrayImage, text: string, left: number, top: number, limit: number): void {
  const fits = Math.max(0, Math.floor((limit + 1) / (GLYPH_WIDTH + 1)));
  [...text].slice(0, fits).forEach((character, index) => {
    for (let y = 0; y < GLYPH_HEIGHT; y++) {
      for (let x = 0; x < GLYPH_WIDTH; x++) {
        if (!glyphPixel(character, x, y)) continue;
        const column = left + index * (GLYPH_WIDTH + 1) + x;
        canvas.data[(top + y) * canvas.width + column] = TEXT_GREY;
      }
    }
  });
}

function drawImage(
  canvas: GrayImage,
  image: GrayImage,
  left: number,
  top: number,
  scale: number,
): void {
  for (let y = 0; y < image.height * scale; y++) {
    const source = Math.floor(y / scale) * image.width;
    const target = (top + y) * canvas.width + left;
    for (let x = 0; x < image.width * scale; x++) {
      canvas.data[target + x] = image.data[source + Math.floor(x / scale)] as number;
    }
  }
}

/**
 * A grid of grey images as one image, row by row, each cell as large as the largest image and
 * images set at its top left. Labels are cut off where they do not fit.
 *
 * @param rows images of one row after the other; rows may differ in length
 * @throws ShapeError when there is no image, or labels do not match the rows or columns;
 *   RangeError of an option out of range; DataError when the montage would be too large
 */
export function montage(
  rows: readonly (readonly GrayImage[])[],
  options: MontageOptions = {},
): GrayImage {
  const { columnLabels, rowLabels, scale = 1, gap = 4, background = 0.15 } = options;
  const images = rows.flat();
  const columns = Math.max(0, ...rows.map((row) => row.length));
  if (images.length === 0) throw new ShapeError('montage: expected at least one image, found none');
  if (!Number.isInteger(scale) || scale < 1) {
    throw new RangeError(`montage: scale must be a positive whole number, found ${scale}`);
  }
  if (!Number.isInteger(gap) || gap < 0) {
    throw new RangeError(`montage: gap must be a whole number from 0, found ${gap}`);
  }
  if (columnLabels && columnLabels.length !== columns) {
    throw new ShapeError(
      `montage: expected ${columns} column labels, found ${columnLabels.length}`,
    );
  }
  if (rowLabels && rowLabels.length !== rows.length) {
    throw new ShapeError(`montage: expected ${rows.length} row labels, found ${rowLabels.length}`);
  }
  const cellWidth = scale * Math.max(...images.map((image) => image.width));
  const cellHeight = scale * Math.max(...images.map((image) => image.height));
  const lineHeight = GLYPH_HEIGHT + 2 * TEXT_MARGIN;
  const header = columnLabels ? lineHeight : 0;
  const rowHeight = cellHeight + gap + (rowLabels ? lineHeight : 0);
  const canvas = blankImage(
    gap + columns * (cellWidth + gap),
    gap + header + rows.length * rowHeight,
  );
  canvas.data.fill(background);
  const columnLeft = (column: number) => gap + column * (cellWidth + gap);
  columnLabels?.forEach((label, column) => {
    const indent = Math.max(0, Math.floor((cellWidth - textWidth(label)) / 2));
    drawText(canvas, label, columnLeft(column) + indent, gap + TEXT_MARGIN, cellWidth);
  });
  rows.forEach((row, rowIndex) => {
    const top = gap + header + rowIndex * rowHeight;
    row.forEach((image, column) => {
      drawImage(canvas, image, columnLeft(column), top, scale);
    });
    const label = rowLabels?.[rowIndex];
    if (label === undefined) return;
    const limit = canvas.width - 2 * gap;
    drawText(canvas, label, gap, top + cellHeight + TEXT_MARGIN, limit);
  });
  return canvas;
}
