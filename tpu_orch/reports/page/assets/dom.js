// Small helpers. Text always goes in by textContent or setAttribute: nothing that a model or a tool wrote becomes markup.
const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; a string among the children becomes a text node. */
function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same in SVG. */
function draw(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

const byId = (id) => document.getElementById(id);

/** A word with its mark, in its colour: the colour repeats what the other two say. */
function chip(kind, text, tag = "span") {
  return make(tag, { class: `chip c-${kind}` }, text);
}

const FAULTS = {
  right: ["✓", "right"],
  dependency: ["⤷", "dependency: needs what an earlier step did not get right"],
  value: ["≠", "wrong value"],
  structure: ["▤", "wrong structure: an argument is missing, surplus or of another type"],
  name: ["✗", "not a tool of the reference"],
  extra: ["+", "extra: every step of this tool has its call"],
  malformed: ["⚠", "malformed: not a call"],
  missing: ["∅", "missing: no call stands for this step"],
  unknown: ["?", "nothing to compare with"],
};

function number(value) {
  return value === null || value === undefined ? "none" : String(Math.round(value * 1000) / 1000);
}

function toast(...content) {
  byId("toast").replaceChildren(...content);
}
