const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text made safe for element content and quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** JSON that cannot end the script element it stands in. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value).replace(/</g, '\\u003c');
}

/**
 * A script or style sheet as it may stand inside its element.
 * @throws RangeError when the text would close the element early
 */
export function inlineText(element: 'script' | 'style', text: string): string {
  if (text.toLowerCase().includes(`</${element}`)) {
    throw new RangeError(`report: an inlined ${element} contains its own closing tag`);
  }
  return text;
}

/** Bytes as a `data:` address. */
export function dataUri(type: string, bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return `data:${type};base64,${btoa(binary)}`;
}
