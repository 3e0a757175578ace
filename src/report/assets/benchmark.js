// Runs inside a benchmark's page. Plain script: no modules, no network.
(() => {
  const root = document.documentElement;

  const wanted = new URLSearchParams(location.hash.slice(1));
  const theme = document.getElementById('theme');
  const themes = ['auto', 'light', 'dark'];
  function setTheme(name) {
    if (name === 'auto') delete root.dataset.theme;
    else root.dataset.theme = name;
    theme.textContent = `Theme: ${name}`;
  }
  theme.hidden = false;
  theme.addEventListener('click', () => {
    const at = themes.indexOf(root.dataset.theme ?? 'auto');
    setTheme(themes[(at + 1) % themes.length]);
  });
  if (themes.includes(wanted.get('theme'))) setTheme(wanted.get('theme'));

  /** Sorts by a column: ascending, descending, then the order of the page again. */
  function makeSortable(table) {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    const keyOf = (row, column) => {
      const cell = row.cells[column];
      const number = Number(cell.dataset.value);
      return cell.dataset.value !== undefined && !Number.isNaN(number) ? number : null;
    };
    function compare(a, b, column) {
      const [p, q] = [keyOf(a, column), keyOf(b, column)];
      if (p !== null && q !== null) return p - q;
      if (p !== null || q !== null) return p !== null ? -1 : 1;
      return a.cells[column].textContent.localeCompare(b.cells[column].textContent, 'en');
    }
    heads.forEach((head, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener('click', () => {
        const before = head.getAttribute('aria-sort');
        for (const each of heads) each.removeAttribute('aria-sort');
        let rows = original;
        if (before !== 'descending') {
          const order = before === 'ascending' ? 'descending' : 'ascending';
          const sign = order === 'ascending' ? 1 : -1;
          rows = [...original].sort((a, b) => sign * compare(a, b, column));
          head.setAttribute('aria-sort', order);
        }
        body.replaceChildren(...rows);
      });
    });
  }
  for (const table of document.querySelectorAll('table.sortable')) makeSortable(table);

  const viewer = document.getElementById('viewer');
  if (!viewer) return;
  const data = JSON.parse(document.getElementById('viewer-data').textContent);
  const byId = (id) => document.getElementById(id);
  const buttons = [...viewer.querySelectorAll('button[data-view]')];
  const highest = data.views.length - 1;
  /** Images up to this width are shown with their pixels visible rather than blurred. */
  const pixelatedWidth = 160;
  let image = 0;
  let view = Math.max(0, highest - 1);

  function show() {
    const { title, width, pictures, scores } = data.images[image];
    byId('picture').src = pictures[view];
    byId('picture').alt = `${title}: ${data.views[view]}`;
    byId('target').src = pictures[highest];
    viewer.classList.toggle('pixelated', width <= pixelatedWidth);
    viewer.classList.toggle('is-difference', byId('difference').checked);
    byId('shown').textContent = data.views[view];
    byId('place').textContent = `${image + 1} of ${data.images.length}`;
    byId('image').value = String(image);
    const rows = (scores[view] ?? []).map((value, index) => {
      const { label, direction } = data.metrics[index];
      const row = document.createElement('div');
      const name = document.createElement('dt');
      name.textContent = `${label} ${direction === 'higher' ? '↑' : '↓'}`;
      const number = document.createElement('dd');
      number.textContent = value;
      row.append(name, number);
      return row;
    });
    byId('scores').replaceChildren(...rows);
    buttons.forEach((button, index) => {
      button.setAttribute('aria-pressed', String(index === view));
      button.querySelector('img').src = pictures[index];
    });
  }
  function step(images, views) {
    image = (image + images + data.images.length) % data.images.length;
    view = (view + views + data.views.length) % data.views.length;
    show();
  }

  for (const button of buttons) {
    button.addEventListener('click', () => {
      view = Number(button.dataset.view);
      show();
    });
  }
  byId('previous').addEventListener('click', () => step(-1, 0));
  byId('next').addEventListener('click', () => step(1, 0));
  byId('difference').addEventListener('change', show);
  byId('image').addEventListener('change', (event) => {
    image = Number(event.target.value);
    show();
  });
  const moves = {
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
  };
  viewer.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // A list of images has arrow keys of its own.
    if (event.target.tagName === 'SELECT') return;
    if (moves[event.key]) step(...moves[event.key]);
    else if (event.key === 'd' || event.key === 'D') {
      byId('difference').checked = !byId('difference').checked;
      show();
    } else if (/^[1-9]$/.test(event.key) && Number(event.key) <= data.views.length) {
      view = Number(event.key) - 1;
      show();
    } else return;
    event.preventDefault();
  });
  const first = Number(wanted.get('image'));
  if (Number.isInteger(first) && first >= 1 && first <= data.images.length) image = first - 1;
  show();
})();
