"""The script behind the dial of the report page: picks members by slider, budget, click or address."""

DIAL_SCRIPT = r"""
const dial = figures.dial;
const one = (id) => document.getElementById(id);
const made = (tag, text, parent) => {
  const element = document.createElement(tag);
  element.textContent = text;
  parent.append(element);
  return element;
};

// The page is in the folder of its run, unless it was sent elsewhere.
function folder() {
  if (location.protocol !== "file:") return "RUN";
  const path = decodeURIComponent(location.pathname).replace(/\/[^/]*$/, "");
  return (/^\/[A-Za-z]:/.test(path) ? path.slice(1) : path) || "/";
}
const forShell = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function building(row) {
  const on = dial.on ? ` --on ${forShell(dial.on)}` : "";
  const device = dial.on ? `, device=${JSON.stringify(dial.on)}` : "";
  // A negative position would be parsed as an option.
  const at = row.at.startsWith("-") ? `--at=${row.at}` : `--at ${row.at}`;
  return [
    `archdial pick ${forShell(folder())} ${at}${on} --out member`,
    `module = archdial.load(${JSON.stringify(folder())}).at(${row.python}${device}).build()`,
  ];
}

function tellFacts(row) {
  const list = one("chosen");
  list.replaceChildren();
  const facts = { [dial.dial]: row.text, ...row.facts, "Pareto front": row.front ? "on it" : "beaten by others" };
  for (const [name, text] of Object.entries(facts)) {
    const pair = made("div", "", list);
    made("dt", name, pair);
    made("dd", text, pair);
  }
}

function tellKinds(row) {
  const bar = one("kinds");
  bar.replaceChildren();
  dial.kinds.forEach(([kind, colour], place) => {
    if (!row.counts[place]) return;
    const piece = made("span", `${row.counts[place]}× ${kind}`, bar);
    const swatch = document.createElement("i");
    swatch.className = "swatch square";
    swatch.style.background = colour;
    piece.prepend(swatch);
  });
}

function tellChoices(row) {
  const box = one("choices");
  box.hidden = !row.taken.length;
  if (!box.open) return;
  const list = box.querySelector("dl");
  list.replaceChildren();
  row.taken.forEach((option, place) => {
    if (option < 0) return;
    made("dt", dial.choices[place], list);
    made("dd", dial.options[option], list);
  });
}

function tellBuilding(row) {
  one("build").hidden = row.at === null;
  if (row.at === null) return;
  const [command, python] = building(row);
  one("build-command").textContent = command;
  one("build-python").textContent = python;
}

let chosen = dial.first;
// A shape, because plotly can move it without redrawing the chart.
function mark() {
  const row = dial.rows[chosen];
  const line = { color: getComputedStyle(document.body).color, width: 2.5 };
  const round = { type: "circle", xsizemode: "pixel", ysizemode: "pixel", x0: -10, x1: 10, y0: -10, y1: 10 };
  Plotly.relayout("front", { shapes: [{ ...round, xanchor: row.limits.latency_ms, yanchor: row.y, line }] });
}

let drawing = 0;
function show(index, address) {
  chosen = index;
  const row = dial.rows[index];
  const place = dial.order.indexOf(index);
  one("dial").value = place;
  const [score, latency] = Object.values(row.facts);
  one("dial").setAttribute("aria-valuetext", `${place + 1} of ${dial.order.length}: ${score} at ${latency}`);
  tellFacts(row);
  tellKinds(row);
  tellChoices(row);
  tellBuilding(row);
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(mark);
  if (address) history.replaceState(null, "", `#${address}`);
}

function showCells() {
  if (!picker || !(String(chosen) in figures.cells) || picker.value === String(chosen)) return;
  picker.value = String(chosen);
  picker.dispatchEvent(new Event("change"));
}

function within(kind, limit) {
  let best = null;
  // Fastest first: among equally good members, the fastest wins.
  for (const index of dial.order) {
    const row = dial.rows[index];
    if (row.limits[kind] <= limit && (best === null || row.merit > dial.rows[best].merit)) best = index;
  }
  return best;
}

function keepBudget() {
  const [kind, text] = [one("budget-kind").value, one("budget").value];
  const answer = one("budget-answer");
  const limit = Number(text);
  answer.textContent = "";
  if (text === "" || Number.isNaN(limit)) return;
  const found = within(kind, limit);
  if (found === null) {
    const least = Math.min(...dial.rows.map((row) => row.limits[kind]));
    const unit = one("budget-kind").selectedOptions[0].textContent;
    answer.textContent = `No member: the least is ${Number(least.toPrecision(3))} ${unit}.`;
    return;
  }
  show(found, `${kind}=${limit}`);
  showCells();
}

function forgetBudget() {
  one("budget").value = "";
  one("budget-answer").textContent = "";
}

function follow() {
  const told = new URLSearchParams(location.hash.slice(1));
  const member = Number(told.get("member") ?? NaN);
  forgetBudget();
  show(member in dial.rows ? member : dial.first);
  for (const { value } of one("budget-kind").options) {
    if (!told.has(value)) continue;
    one("budget-kind").value = value;
    one("budget").value = told.get(value);
    keepBudget();
  }
  showCells();
}

one("dial").addEventListener("input", () => {
  forgetBudget();
  const index = dial.order[one("dial").value];
  show(index, `member=${index}`);
});
one("dial").addEventListener("change", showCells);
one("budget").addEventListener("input", keepBudget);
one("budget-kind").addEventListener("change", keepBudget);
one("choices").addEventListener("toggle", () => tellChoices(dial.rows[chosen]));
one("front").on("plotly_click", ({ points: [point] }) => {
  if (point.curveNumber !== dial.trace) return;
  forgetBudget();
  show(point.pointNumber, `member=${point.pointNumber}`);
  showCells();
});
window.addEventListener("hashchange", follow);
dark.addEventListener("change", () => {
  drawAll();
  mark();
});
follow();
"""
