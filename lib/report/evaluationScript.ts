// What runs in the page of an evaluation: the table's order and filter, and links into what is folded.
// Without it the page has everything but these.

export const evaluationScript = `
(() => {
  'use strict';
  const table = document.getElementById('utterances');
  const body = table && table.tBodies[0];
  const rows = body ? [...body.rows] : [];
  const collator = new Intl.Collator('en', { numeric: true });
  const textOf = (row, column) => row.cells[column].textContent.trim();

  const sort = (header, column, descending) => {
    const isNumber = header.dataset.kind === 'number';
    const keys = new Map(rows.map((row) => {
      const text = textOf(row, column);
      return [row, isNumber && text !== '' ? parseFloat(text) : text];
    }));
    rows.sort((a, b) => {
      const [x, y] = [keys.get(a), keys.get(b)];
      // What has no value stays last.
      if (x === '' || y === '') return (x === '') - (y === '');
      const order = isNumber ? x - y : collator.compare(x, y);
      return descending ? -order : order;
    });
    body.append(...rows);
    for (const other of header.parentElement.cells) other.removeAttribute('aria-sort');
    header.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
  };

  for (const [column, header] of table ? [...table.tHead.rows[0].cells].entries() : []) {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener('click', () => {
      const now = header.getAttribute('aria-sort');
      // Numbers begin with the largest, which is the worst.
      const first = header.dataset.kind === 'number' ? 'descending' : 'ascending';
      sort(header, column, now ? now === 'ascending' : first === 'descending');
    });
  }

  const controls = document.getElementById('filter');
  if (controls) {
    const [search, status, shown] = ['search', 'status', 'shown'].map((id) => document.getElementById(id));
    const contents = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    const filter = () => {
      const wanted = search.value.toLowerCase();
      let count = 0;
      for (const row of rows) {
        const fits = contents.get(row).includes(wanted) &&
          (status.value === '' || row.dataset.status === status.value);
        row.hidden = !fits;
        if (fits) count += 1;
      }
      shown.textContent = count + ' of ' + rows.length + ' rows';
    };
    search.addEventListener('input', filter);
    status.addEventListener('change', filter);
    controls.hidden = false;
    filter();
  }

  const unfold = () => {
    const target = document.getElementById(location.hash.slice(1));
    const folded = target && target.closest('details');
    if (!folded || folded.open) return;
    folded.open = true;
    target.scrollIntoView();
  };
  addEventListener('hashchange', unfold);
  unfold();
  // Paper cannot be unfolded.
  addEventListener('beforeprint', () => {
    for (const folded of document.querySelectorAll('details')) folded.open = true;
  });
})();
`;
