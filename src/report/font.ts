/** Width and height of a glyph in font pixels; letters are set one pixel apart. */
export const GLYPH_WIDTH = 5;
export const GLYPH_HEIGHT = 7;

/**
 * Capitals, digits and a few signs, drawn for labels in pictures: seven rows from the top, each a
 * base-32 digit whose five bits are the pixels from the left.
 */
const GLYPHS: Record<string, string> = {
  A: 'ehhvhhh',
  B: 'uhhuhhu',
  C: 'ehggghe',
  D: 'uhhhhhu',
  E: 'vggsggv',
  F: 'vggsggg',
  G: 'ehgnhhf',
  H: 'hhhvhhh',
  I: 'e44444e',
  J: '72222ic',
  K: 'hikokih',
  L: 'ggggggv',
  M: 'hrllhhh',
  N: 'hhplljh',
  O: 'ehhhhhe',
  P: 'uhhuggg',
  Q: 'ehhhlid',
  R: 'uhhukih',
  S: 'fgge11u',
  T: 'v444444',
  U: 'hhhhhhe',
  V: 'hhhhha4',
  W: 'hhhllla',
  X: 'hha4ahh',
  Y: 'hha4444',
  Z: 'v1248gv',
  '0': 'ehjlphe',
  '1': '4c4444e',
  '2': 'eh1248v',
  '3': 'v2421he',
  '4': '26aiv22',
  '5': 'vgu11he',
  '6': '68guhhe',
  '7': 'v124888',
  '8': 'ehhehhe',
  '9': 'ehhf12c',
  '.': '00000cc',
  ',': '0000cc8',
  ':': '0cc0cc0',
  '-': '000v000',
  '+': '044v440',
  '/': '01248g0',
  '%': 'op248j3',
  '(': '2488842',
  ')': '8422248',
  '=': '00v0v00',
  '<': '248g842',
  '>': '8421248',
  _: '000000v',
  '#': 'aavavaa',
  ' ': '0000000',
};
/** Stands for characters that the font lacks. */
const UNKNOWN = 'eh12404';

/** Whether the pixel of a character's glyph is set; small letters look like capitals. */
export function glyphPixel(character: string, x: number, y: number): boolean {
  const rows = GLYPHS[character.toUpperCase()] ?? UNKNOWN;
  const row = Number.parseInt(rows[y] ?? '0', 32);
  return ((row >> (GLYPH_WIDTH - 1 - x)) & 1) === 1;
}

/** Width in font pixels of a line of text. */
export function textWidth(text: string): number {
  return text.length === 0 ? 0 : text.length * (GLYPH_WIDTH + 1) - 1;
}
