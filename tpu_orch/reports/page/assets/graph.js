// The reference as a graph: each step below (or right of) the steps whose results it needs, marked with what came of it.
const BOX = { width: 168, height: 50, gapAcross: 26, gapAlong: 56 };

/** Levels of the steps: the longest way from a step that needs nothing. */
function levels(steps) {
  const found = [];
  steps.forEach((step) => found.push(step.after.length ? 1 + Math.max(...step.after.map((parent) => found[parent])) : 0));
  return found;
}

/** Places of the boxes: columns by level if there is room, rows by level otherwise. */
function layout(steps, across) {
  const level = levels(steps);
  const inLevel = {};
  const boxes = steps.map((_, place) => {
    const row = (inLevel[level[place]] = (inLevel[level[place]] ?? -1) + 1);
    const along = level[place];
    return across
      ? { x: along * (BOX.width + BOX.gapAlong), y: row * (BOX.height + BOX.gapAcross) }
      : { x: row * (BOX.width + BOX.gapAcross), y: along * (BOX.height + BOX.gapAlong) };
  });
  return boxes;
}

function edge(from, to, across, label) {
  const [x1, y1] = across ? [from.x + BOX.width, from.y + BOX.height / 2] : [from.x + BOX.width / 2, from.y + BOX.height];
  const [x2, y2] = across ? [to.x, to.y + BOX.height / 2] : [to.x + BOX.width / 2, to.y];
  const bend = across ? `C${x1 + 30},${y1} ${x2 - 34},${y2} ${x2 - 7},${y2}` : `C${x1},${y1 + 30} ${x2},${y2 - 34} ${x2},${y2 - 7}`;
  const head = across
    ? `${x2},${y2} ${x2 - 8},${y2 - 4} ${x2 - 8},${y2 + 4}`
    : `${x2},${y2} ${x2 - 4},${y2 - 8} ${x2 + 4},${y2 - 8}`;
  return [
    draw("path", { d: `M${x1},${y1} ${bend}`, style: "fill:none;stroke:var(--grey);stroke-width:1.6" }, draw("title", {}, label)),
    draw("polygon", { points: head, style: "fill:var(--grey)" }),
  ];
}

function short(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** A figure with the graph and the same in words. `state`: of each step, the fault of its call or "missing". */
function graphCard(task, state, width) {
  const chain = Math.max(...levels(task.steps)) + 1;
  const across = chain * (BOX.width + BOX.gapAlong) < width;
  const boxes = layout(task.steps, across);
  const right = Math.max(...boxes.map((box) => box.x)) + BOX.width;
  const bottom = Math.max(...boxes.map((box) => box.y)) + BOX.height;
  const needs = task.steps.map((step) =>
    step.after.map((parent) => {
      const names = step.bindings.filter((one) => one[1] === parent).map((one) => `${one[0]} from ${one[2]}`);
      return [parent, names.join(", ")];
    }),
  );
  const words = task.steps.map((step, place) => {
    const from = needs[place].map(([parent, names]) => `step ${parent}${names ? ` (${names})` : ""}`).join(" and ");
    return `Step ${place}, ${step.name}: ${FAULTS[state[place]][1]}${from ? `; needs ${from}` : ""}.`;
  });
  const svg = draw(
    "svg",
    {
      viewBox: `-4 -4 ${right + 8} ${bottom + 8}`,
      width: right + 8,
      height: bottom + 8,
      role: "group",
      "aria-label": `Dependency graph of the reference: ${words.join(" ")}`,
    },
    needs.flatMap((parents, place) =>
      parents.flatMap(([parent, names]) => edge(boxes[parent], boxes[place], across, names || "depends on it")),
    ),
    task.steps.map((step, place) => node(step, place, state[place], boxes[place])),
  );
  return make(
    "figure",
    { class: "card", id: "graph" },
    make(
      "div",
      { class: "head" },
      make("h3", {}, "The reference, step by step"),
      make("button", { type: "button", class: "save", "data-name": "dependencies", "data-title": short(task.query, 80) }, "Save as PNG"),
    ),
    make("div", { class: "graph" }, svg),
    make("details", {}, make("summary", {}, "In words"), make("ul", {}, words.map((line) => make("li", {}, line)))),
  );
}

const NODE_COLOUR = {
  right: "green",
  dependency: "blue",
  value: "gold",
  structure: "orange",
  name: "pink",
  extra: "teal",
  malformed: "grey",
  missing: "red",
  unknown: "grey",
};

function node(step, place, fault, box) {
  const [mark, words] = FAULTS[fault];
  const colour = `var(--${NODE_COLOUR[fault]})`;
  const dashed = fault === "right" ? "" : "stroke-dasharray:6 3";
  const link = draw(
    "a",
    { href: `#step-${place}`, "aria-label": `Step ${place}, ${step.name}: ${words}. Go to it` },
    draw("rect", { x: box.x, y: box.y, width: BOX.width, height: BOX.height, rx: 10, style: `fill:var(--raised);stroke:${colour};stroke-width:2;${dashed}` }),
    draw("text", { x: box.x + 12, y: box.y + 20, style: "font:600 12px system-ui,sans-serif;fill:var(--ink)" }, short(`${place} ${step.name}`, 22)),
    draw("text", { x: box.x + 12, y: box.y + 38, style: `font:600 11px system-ui,sans-serif;fill:${colour}` }, `${mark} ${words.split(":")[0]}`),
  );
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const target = byId(`step-${place}`);
    target.scrollIntoView({ block: "center" });
    target.focus({ preventScroll: true });
  });
  return link;
}
