/** Finding what index.html holds. */

/** @throws Error if the page has no such element: index.html and the code disagree */
export function element<Kind extends Element>(id: string, kind: abstract new () => Kind): Kind {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`index.html: expected ${kind.name} #${id}, found ${String(found)}`);
}

export const button = (id: string): HTMLButtonElement => element(id, HTMLButtonElement);
export const input = (id: string): HTMLInputElement => element(id, HTMLInputElement);
export const select = (id: string): HTMLSelectElement => element(id, HTMLSelectElement);
export const canvas = (id: string): HTMLCanvasElement => element(id, HTMLCanvasElement);
export const block = (id: string): HTMLElement => element(id, HTMLElement);

/** Calls `listener` when a radio button of a group is chosen, and returns how to read the group. */
export function radioGroup(
  parent: HTMLElement,
  name: string,
  listener: (value: string) => void,
): { value(): string; choose(value: string): void } {
  const radios = [...parent.querySelectorAll<HTMLInputElement>(`input[name="${name}"]`)];
  for (const radio of radios) radio.addEventListener('change', () => listener(radio.value));
  return {
    value: () => radios.find(({ checked }) => checked)?.value ?? '',
    choose(value) {
      for (const radio of radios) radio.checked = radio.value === value;
      listener(value);
    },
  };
}
