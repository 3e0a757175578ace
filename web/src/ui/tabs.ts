/** Tabs after the ARIA pattern: arrow keys, Home and End move, the address remembers. */

export function showTabs(onShow: (name: string) => void): { show(name: string): void } {
  const tabs = [...document.querySelectorAll<HTMLButtonElement>('[role="tab"]')];
  const nameOf = (tab: HTMLButtonElement): string => tab.id.replace('tab-', '');

  const show = (chosen: HTMLButtonElement): void => {
    for (const tab of tabs) {
      const selected = tab === chosen;
      tab.setAttribute('aria-selected', String(selected));
      tab.tabIndex = selected ? 0 : -1;
      const panel = document.getElementById(tab.getAttribute('aria-controls') ?? '');
      if (panel) panel.hidden = !selected;
    }
    history.replaceState(null, '', `#${nameOf(chosen)}`);
    onShow(nameOf(chosen));
  };

  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener('click', () => show(tab));
    tab.addEventListener('keydown', (event) => {
      const steps: Record<string, number> = {
        ArrowRight: index + 1,
        ArrowLeft: index - 1,
        Home: 0,
        End: tabs.length - 1,
      };
      const next = steps[event.key];
      if (next === undefined) return;
      event.preventDefault();
      const target = tabs[(next + tabs.length) % tabs.length];
      target.focus();
      show(target);
    });
  }
  const find = (name: string) => tabs.find((tab) => nameOf(tab) === name);
  const follow = (): void => show(find(location.hash.slice(1)) ?? tabs[0]);
  window.addEventListener('hashchange', follow);
  follow();
  return {
    show(name) {
      const tab = find(name);
      if (tab) show(tab);
    },
  };
}
