/**
 * The first object key that occurs twice in one object of a JSON text, else undefined.
 * `JSON.parse` keeps the last of two equal keys without a word; a file format that forbids them
 * must look at the text. The text must already have passed `JSON.parse`.
 */
export function firstDuplicateKey(json: string): string | undefined {
  // Strings and the structural characters are enough: in valid JSON a string before ':' is a key.
  const tokens = json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:,]/g);
  const open: (Set<string> | undefined)[] = [];
  let lastString = '';
  for (const [token] of tokens) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const key: string = JSON.parse(lastString);
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    } else if (token !== ',') lastString = token;
  }
  return undefined;
}
