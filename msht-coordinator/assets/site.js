// What pages gain where scripts run: tooltips over charts, and tables that can be put in another order.
// Nothing is lost without it: a tooltip repeats a number of the table, and tables come in the codebook's order.

const tip = document.createElement('div');
tip.className = 'tip';
tip.hidden = true;
tip.setAttribute('aria-hidden', 'true');
document.body.append(tip);

/** Shows the words of a marked part of a chart beside the pointer. */
function show(event) {
  const part = event.target.closest?.('.part');
  tip.hidden = !part;
  if (!part) return;
  tip.textContent = part.dataset.tip;
  const left = Math.min(event.pageX + 14, scrollX + document.documentElement.clientWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(left, scrollX + 8)}px`;
  tip.style.top = `${event.pageY + 18}px`;
}
for (const chart of document.querySelectorAll('svg.chart')) {
  // The browser would show its own tooltip of a title beside ours.
  for (const part of chart.querySelectorAll('.part')) {
    const title = part.querySelector('title');
    part.dataset.tip = title?.textContent ?? '';
    title?.remove();
  }
  chart.addEventListener('pointermove', show);
  chart.addEventListener('pointerleave', () => { tip.hidden = true; });
}

/** What a cell is sorted by: its number where it has one, its words otherwise. */
function value(row, column) {
  const text = row.cells[column]?.querySelector('.n')?.textContent ?? row.cells[column]?.textContent ?? '';
  const number = Number(text.replaceAll(',', '').replace('\u2212', '-'));
  return text.trim() !== '' && Number.isFinite(number) ? number : text;
}

function sort(table, column, button) {
  const body = table.tBodies[0];
  const head = button.closest('th');
  const up = head.getAttribute('aria-sort') !== 'ascending';
  for (const other of table.tHead.querySelectorAll('th')) other.removeAttribute('aria-sort');
  head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
  const rows = [...body.rows].sort((a, b) => {
    const [x, y] = [value(a, column), value(b, column)];
    const order = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y));
    return up ? order : -order;
  });
  body.append(...rows);
}

for (const table of document.querySelectorAll('table[data-sortable]')) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    button.addEventListener('click', () => sort(table, column, button));
    head.append(button);
  });
}
