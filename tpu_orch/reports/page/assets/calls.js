// Each call of a rollout beside the step of the reference that it stands for.
const ARGUMENT_MARKS = {
  right: ["✓", "right", "", "right"],
  wrong: ["≠", "wrong", "not the reference's", "wrong"],
  extra: ["+", "extra", "not an argument of the step", "extra"],
  missing: ["∅", "missing", "missing", "missing"],
  unknown: ["·", "unknown", "", ""],
};

function argumentsList(listed, compared) {
  return make(
    "ul",
    { class: "arguments" },
    listed.map(([name, value, state]) => {
      const [mark, kind, note, spoken] = ARGUMENT_MARKS[compared ? state : "unknown"];
      return make(
        "li",
        {},
        compared ? make("span", { class: `mark c-${kind}`, role: "img", "aria-label": spoken }, mark) : null,
        make("span", { class: "mono" }, state === "missing" ? name : `${name} = ${value}`),
        note ? make("span", { class: "say" }, note) : null,
      );
    }),
  );
}

function resultOf(result, title) {
  if (!result) return make("p", { class: "result muted" }, "no result: the rollout ended before");
  const good = result.kind === "ok";
  return make(
    "div",
    { class: "result" },
    `${title} `,
    chip(result.kind, `${good ? "✓" : "✗"} ${result.kind.replaceAll("_", " ")}`),
    make("pre", {}, result.text),
  );
}

function level(name, value) {
  const [kind, mark] = value >= 1 ? ["full", "✓"] : value > 0 ? ["part", "◐"] : ["none", "✗"];
  return make("li", { class: `chip c-${kind}` }, `${mark} ${name} ${number(value)}`);
}

function callSide(call, place) {
  const [mark, words] = FAULTS[call.fault];
  return make(
    "div",
    { class: "side", "data-fault": call.fault },
    make("div", { class: "who" }, make("span", {}, `call ${place}, turn ${call.turn}`), chip(call.fault, `${mark} ${words.split(":")[0]}`)),
    call.name === null ? make("pre", {}, call.text) : make("div", { class: "name mono" }, call.name),
    argumentsList(call.arguments, call.step !== null),
    resultOf(call.result, "result"),
    make("ul", { class: "chips", "aria-label": "levels" }, Object.entries(call.levels).map(([name, value]) => level(name, value))),
    reasons(call.why),
    call.reward_why.length ? make("p", { class: "muted result" }, "the reward says:") : null,
    reasons(call.reward_why),
  );
}

function reasons(lines) {
  return lines.length ? make("ul", { class: "reasons" }, lines.map((line) => make("li", {}, line))) : null;
}

function stepSide(step, place, repeated) {
  const from = step.bindings.map(([argument, parent, path]) => `${argument} = step ${parent}: ${path}`);
  return make(
    "div",
    { class: "side reference", id: repeated ? null : `step-${place}`, tabindex: repeated ? null : "-1" },
    make("div", { class: "who" }, make("span", {}, `reference, step ${place}`), make("span", {}, step.after.length ? `after ${step.after.join(", ")}` : "")),
    make("div", { class: "name mono" }, step.name),
    argumentsList(step.arguments, false),
    from.length ? make("p", { class: "muted result" }, from.join("; ")) : null,
    step.result ? resultOf(step.result, "returns") : null,
  );
}

function callsCard(rollout, task) {
  const rows = rollout.calls.map((call, place) =>
    make(
      "li",
      { class: "pair" },
      callSide(call, place),
      call.step !== null && task
        ? stepSide(task.steps[call.step], call.step, false)
        : make("div", { class: "side reference none" }, task ? "no step of the reference" : "the reference is not at hand"),
    ),
  );
  const unmet = task ? rollout.missing : [];
  const missing = unmet.map((place) =>
    make(
      "li",
      { class: "pair" },
      make("div", { class: "side none" }, make("span", {}, chip("missing", "∅ missing"), " no call stands for this step")),
      stepSide(task.steps[place], place, false),
    ),
  );
  const none = rows.length + missing.length === 0;
  return make(
    "section",
    { class: "card", id: "calls" },
    make("div", { class: "head" }, make("h3", {}, "Call by call"), make("span", { class: "muted" }, "each beside the step that it stands for")),
    none ? make("p", { class: "empty" }, "No call was made, and the reference makes none.") : make("ol", { class: "pairs" }, rows, missing),
  );
}
