// Runs inside a report, after uPlot. Plain script: no modules, no network.
(() => {
  const root = document.documentElement;

  const styleValue = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  /** One uPlot on an article whose JSON names series, colours and columns. */
  function draw(article) {
    const data = JSON.parse(article.querySelector('script').textContent);
    const holder = article.querySelector('.canvas');
    const outputs = [...article.querySelectorAll('.legend output')];
    const ink = styleValue('--muted');
    const grid = { stroke: styleValue('--grid'), width: 1 };
    const font = '12px system-ui, sans-serif';
    const axis = { stroke: ink, font, grid, ticks: { show: false } };
    const shown = (value) => (value == null ? '' : Number(value.toPrecision(4)).toString());
    const readOut = (plot) => {
      const at = plot.cursor.idx ?? data.columns[0].length - 1;
      data.series.forEach((series, i) => {
        if (series.faint) return;
        outputs[series.colour].textContent = shown(data.columns[i + 1][at]);
      });
    };
    return new uPlot(
      {
        width: Math.max(240, holder.clientWidth),
        height: 230,
        padding: [10, 16, 0, 0],
        legend: { show: false },
        cursor: { points: { size: 6 }, drag: { x: true, y: false }, y: false },
        scales: { x: { time: false }, y: data.log ? { distr: 3 } : {} },
        axes: [
          { ...axis, label: data.xLabel, labelFont: font, labelSize: 20, size: 32 },
          {
            ...axis,
            size: 56,
            values: (_, ticks) =>
              ticks.map((tick) => (tick == null ? '' : `${Number(tick.toPrecision(6))}`)),
          },
        ],
        series: [
          {},
          ...data.series.map((series) => ({
            label: series.name,
            stroke: styleValue(`--s${series.colour % 6}`),
            alpha: series.faint ? 0.28 : 1,
            width: series.faint ? 1 : 2,
            points: {
              show: !series.faint && data.columns[0].length < 40,
              size: 5,
              fill: styleValue('--card'),
            },
            spanGaps: true,
          })),
        ],
        hooks: { setCursor: [readOut], ready: [readOut] },
      },
      data.columns,
      holder,
    );
  }

  const articles = [...document.querySelectorAll('[data-plot]')];
  let plots = [];
  function drawAll() {
    for (const plot of plots) plot.destroy();
    plots = articles.map(draw);
  }
  drawAll();
  let pending = 0;
  addEventListener('resize', () => {
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(() => {
      plots.forEach((plot, i) => {
        const width = articles[i].querySelector('.canvas').clientWidth;
        if (width !== plot.width)
          plot.setSize({ width: Math.max(240, width), height: plot.height });
      });
    });
  });

  // Canvases do not follow style sheets, so they are drawn again when the colours change.
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  const theme = document.getElementById('theme');
  const themes = ['auto', 'light', 'dark'];
  const wanted = new URLSearchParams(location.hash.slice(1));
  function setTheme(name) {
    if (name === 'auto') delete root.dataset.theme;
    else root.dataset.theme = name;
    theme.textContent = `Theme: ${name}`;
    drawAll();
  }
  theme.hidden = false;
  theme.addEventListener('click', () => {
    const at = themes.indexOf(root.dataset.theme ?? 'auto');
    setTheme(themes[(at + 1) % themes.length]);
  });
  if (themes.includes(wanted.get('theme'))) setTheme(wanted.get('theme'));

  const pictures = document.getElementById('pictures');
  if (!pictures) return;
  const buttons = [...pictures.querySelectorAll('button[data-view]')];
  function setView(view) {
    pictures.dataset.view = view;
    for (const button of buttons) {
      button.setAttribute('aria-pressed', String(button.dataset.view === view));
    }
  }
  for (const button of buttons) {
    button.addEventListener('click', () => setView(button.dataset.view));
  }
  if (buttons.some((button) => button.dataset.view === wanted.get('view'))) {
    setView(wanted.get('view'));
  }
  for (const input of pictures.querySelectorAll('input[type="range"]')) {
    const panels = input.closest('.panels');
    input.addEventListener('input', () => panels.style.setProperty('--cut', `${input.value}%`));
  }
})();
