"""The style and script embedded in the report page."""

CSS = """
:root { color-scheme: light dark; --ink: #23272e; --soft: #5f6672; --line: #dfe3e8; --back: #f6f7f9;
  --card: #ffffff; --tint: #f1f6fb; --pale: #b6bcc6; --focus: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7ec; --soft: #a3aab6; --line: #353a44; --back: #12141a;
    --card: #1b1e24; --tint: #212b38; --pale: #6a717d; --focus: #56b4e9; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 48px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 0 0 4px; }
p { margin: 0 0 10px; color: var(--soft); max-width: 80ch; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 18px 20px; margin: 18px 0; }
.facts { display: flex; flex-wrap: wrap; gap: 10px 40px; margin: 16px 0 0; }
.facts div { min-width: 110px; }
.facts dt, .run dt { color: var(--soft); font-size: 13px; }
.facts dd { margin: 0; font-size: 19px; font-variant-numeric: tabular-nums; }
.as-good { margin: 14px 0 0; }
.scroll { overflow: auto; max-height: 640px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 8px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
th { position: sticky; top: 0; background: var(--card); box-shadow: inset 0 -1px var(--line); border: 0; }
th button { all: unset; cursor: pointer; font-weight: 600; }
th button:focus-visible, .dial :focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
th button::after { content: "\\2195"; color: var(--pale); padding-left: 4px; }
th[aria-sort=ascending] button::after { content: "\\2191"; color: var(--ink); }
th[aria-sort=descending] button::after { content: "\\2193"; color: var(--ink); }
tr.front td { background: var(--tint); }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 50%; margin-right: 7px; }
.square { border-radius: 2px; margin-right: 5px; }
select, input { font: inherit; color: inherit; }
select, input[type=number] { padding: 3px 6px; margin: 4px 0 8px; max-width: 100%;
  background: var(--back); border: 1px solid var(--line); border-radius: 5px; }
input[type=number] { width: 9em; }
input[type=range] { width: 100%; height: 28px; margin: 6px 0 0; accent-color: var(--focus); }
.ends { display: flex; justify-content: space-between; color: var(--soft); font-size: 13px; }
.budget { margin: 10px 0 0; }
.kinds { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 12px 0; font-size: 14px; }
#build p { margin: 8px 0 0; }
details { margin: 12px 0 0; }
summary { cursor: pointer; }
.run { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 8px 0; }
.run dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--back); border-radius: 6px; padding: 10px 14px; overflow: auto;
  font-size: 13px; margin: 6px 0 0; }
@media (max-width: 600px) {
  main { padding: 18px 10px 32px; }
  section { padding: 14px 12px; }
  .facts { gap: 8px 24px; }
  .facts dd { font-size: 17px; }
}
"""

SCRIPT = """
"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const options = { displaylogo: false, responsive: true,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
const dark = matchMedia("(prefers-color-scheme: dark)");
const shades = { "white": "#1B1E24", "#23272E": "#E4E7EC", "#E8EAEE": "#353A44", "#C9CED6": "#4A505C" };
// Figures come in the colours of a light page. In dark mode, only background and text colours change.
const dressed = (figure) => !dark.matches ? structuredClone(figure)
  : JSON.parse(JSON.stringify(figure), (key, value) => key.endsWith("color") && shades[value] || value);
function drawAll() {
  for (const [name, plain] of Object.entries(figures.charts)) {
    const figure = dressed(plain);
    Plotly.react(name, figure.data, figure.layout, options);
  }
  if (picker) drawCells();
}
const picker = document.getElementById("member");
function drawCells() {
  const figure = dressed(figures.cells[picker.value]);
  Plotly.react("cells", figure.data, figure.layout, { displayModeBar: false, responsive: true });
}
if (picker) picker.addEventListener("change", drawCells);
drawAll();
function sortBy(header, column) {
  const body = header.closest("table").tBodies[0];
  const down = header.getAttribute("aria-sort") === "ascending";
  const sign = down ? -1 : 1;
  const value = (row) => Number(row.cells[column].dataset.value);
  const rows = Array.from(body.rows).sort((a, b) => sign * (value(a) - value(b)));
  for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
  body.append(...rows);
}
for (const header of document.querySelectorAll("table.members th")) {
  header.addEventListener("click", () => sortBy(header, header.cellIndex));
}
"""
