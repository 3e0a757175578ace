/** What happened to a page that nobody looked at for a while. */

/** Shorter absences are not worth a word. */
const WORTH_TELLING = 60_000;

/**
 * @param onHide called when the page is hidden
 * @param onReturn called when it is seen again, with the minutes in between if they are worth telling
 */
export function watchVisibility(onHide: () => void, onReturn: (minutes?: number) => void): void {
  let hiddenAt: number | undefined;
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') {
      hiddenAt = Date.now();
      onHide();
      return;
    }
    const absence = hiddenAt === undefined ? 0 : Date.now() - hiddenAt;
    hiddenAt = undefined;
    onReturn(absence >= WORTH_TELLING ? Math.round(absence / 60_000) : undefined);
  });
}
