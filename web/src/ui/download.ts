/** Hands bytes to the visitor as a file. */
export function download(name: string, bytes: Uint8Array | string, type: string): void {
  const content = typeof bytes === 'string' ? bytes : (bytes as Uint8Array<ArrayBuffer>);
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The browser has taken the content when the click returns, but some start reading a little later.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
