/** A message of the library as a sentence: names of files and options at its beginning keep their case. */
export function sentence(message: string): string {
  const text = message.replace(/^[a-z]+(?= )/, (word) => word[0].toUpperCase() + word.slice(1));
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
