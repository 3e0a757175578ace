/** Light or dark: as the system says, or as chosen here. */
import { button } from './elements.ts';

const THEMES = ['automatic', 'light', 'dark'] as const;
const KEY = 'sonolift-theme';

/** Whether the page is dark now. */
export function isDark(): boolean {
  const chosen = document.documentElement.dataset.theme;
  if (chosen) return chosen === 'dark';
  return matchMedia('(prefers-color-scheme: dark)').matches;
}

/** @param onChange told after every change, for what is drawn in colours of its own */
export function offerThemes(onChange: () => void): void {
  const control = button('theme');
  let theme = stored();
  const apply = (): void => {
    if (theme === 'automatic') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    control.textContent = `Theme: ${theme}`;
  };
  control.addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    apply();
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Storage may be switched off; the choice then lasts as long as the page.
    }
    onChange();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', onChange);
  apply();
}

function stored(): (typeof THEMES)[number] {
  try {
    const found = localStorage.getItem(KEY);
    return THEMES.find((theme) => theme === found) ?? 'automatic';
  } catch {
    return 'automatic';
  }
}
