// Choosing and showing a rollout. The choice stands in the address, so that a page loaded again shows the same one.
const DATA = JSON.parse(byId("data").textContent);
const pick = { run: byId("pick-run"), group: byId("pick-group"), task: byId("pick-task"), rollout: byId("pick-rollout") };
const chosen = { run: 0, group: 0, task: "", rollout: 0 };

const currentRun = () => DATA.runs[chosen.run];
const currentGroup = () => currentRun().groups[chosen.group];
const ofTask = () => currentGroup().rollouts.filter((one) => one.task === chosen.task);

function options(select, entries, value) {
  select.replaceChildren(...entries.map(([key, text]) => make("option", { value: key }, text)));
  select.value = String(value);
}

function taskLabel(run, name, rollouts) {
  const task = run.tasks[name];
  const best = Math.max(...rollouts.map((one) => one.reward ?? 0));
  const mark = best >= 1 ? "✓" : best > 0 ? "◐" : "✗";
  return `${mark} ${number(best)}  ${short(task ? task.query : name, 90)}`;
}

/** Tasks of the group, by depth. */
function taskOptions() {
  const run = currentRun();
  const byDepth = new Map();
  for (const one of currentGroup().rollouts) {
    const depth = run.tasks[one.task] ? `${run.tasks[one.task].depth} calls needed` : "not at hand";
    if (!byDepth.has(depth)) byDepth.set(depth, new Map());
    const tasks = byDepth.get(depth);
    tasks.set(one.task, [...(tasks.get(one.task) ?? []), one]);
  }
  pick.task.replaceChildren(
    ...[...byDepth].map(([depth, tasks]) =>
      make("optgroup", { label: depth }, [...tasks].map(([name, found]) => make("option", { value: name }, taskLabel(run, name, found)))),
    ),
  );
  pick.task.value = chosen.task;
}

/** Makes the choice one that exists, keeping what can be kept: the same task in another group. */
function settle() {
  chosen.run = DATA.runs[chosen.run] ? chosen.run : 0;
  if (!currentGroup()) chosen.group = currentRun().groups.length - 1;
  const group = currentGroup();
  if (!group) return false;
  if (!group.rollouts.some((one) => one.task === chosen.task)) chosen.task = group.rollouts[0].task;
  if (!ofTask()[chosen.rollout]) chosen.rollout = 0;
  return true;
}

function show(save) {
  if (DATA.runs.length > 1) options(pick.run, DATA.runs.map((run, place) => [place, run.name]), chosen.run);
  byId("run-label").hidden = DATA.runs.length < 2;
  const there = settle();
  for (const one of [pick.group, pick.task, pick.rollout, byId("earlier"), byId("later")]) one.disabled = !there;
  if (!there) {
    for (const one of [pick.group, pick.task, pick.rollout]) one.replaceChildren();
    byId("rollout").replaceChildren(make("p", { class: "empty" }, "This run has kept no rollouts yet."));
    byId("says").textContent = "";
    return;
  }
  const run = currentRun();
  const group = currentGroup();
  options(pick.group, run.groups.map((one, place) => [place, one.label]), chosen.group);
  taskOptions();
  const found = ofTask();
  options(pick.rollout, found.map((one, place) => [place, `${one.index}: reward ${number(one.reward)}`]), chosen.rollout);
  pick.rollout.disabled = found.length < 2;
  const place = group.rollouts.indexOf(found[chosen.rollout]);
  byId("earlier").disabled = place === 0;
  byId("later").disabled = place === group.rollouts.length - 1;
  byId("says").textContent = `Rollout ${place + 1} of ${group.rollouts.length} shown here (${group.of} kept), ${group.label}.`;
  render(found[chosen.rollout], run);
  if (save) history.replaceState(null, "", `#rollout=${encodeURIComponent(JSON.stringify(chosen))}`);
}

function render(rollout, run) {
  const task = run.tasks[rollout.task];
  const article = byId("rollout");
  const parts = [summaryCard(rollout, task)];
  if (task && task.steps.length) {
    const state = task.steps.map(() => "missing");
    rollout.calls.forEach((call) => {
      if (call.step !== null) state[call.step] = call.fault;
    });
    parts.push(graphCard(task, state, article.clientWidth - 40));
  }
  parts.push(callsCard(rollout, task), tokensCard(rollout, run.vocabulary));
  article.replaceChildren(...parts);
}

function fact(name, value, mono) {
  return make("div", {}, make("dt", {}, name), make("dd", { class: mono ? "mono" : null }, value));
}

function summaryCard(rollout, task) {
  const answered = rollout.final || (rollout.turns.length ? "no closing message" : "nothing");
  return make(
    "section",
    { class: "card" },
    make("p", { class: "eyebrow" }, rollout.task),
    make("h3", { class: "query" }, task ? task.query : "The task is not at hand: this run did not keep its tasks."),
    make(
      "dl",
      { class: "facts" },
      fact("reward", number(rollout.reward)),
      fact("stopped by", rollout.stop.replaceAll("_", " ")),
      task ? fact("calls needed", task.depth) : null,
      task ? fact("longest chain", task.chain) : null,
      task ? fact("tools offered", task.offered) : null,
      task && task.answer !== null ? fact("expected answer", task.answer, true) : null,
      fact("closing message", answered, true),
    ),
    make("ul", { class: "parts", "aria-label": "components of the reward" }, Object.entries(rollout.components).map(([name, value]) => part(name, value))),
    reasons(rollout.why),
  );
}

function part(name, value) {
  const fillBar = make("span", { class: "fill" });
  fillBar.style.width = `${Math.min(1, Math.max(0, value)) * 100}%`;
  return make(
    "li",
    {},
    make("span", { class: "of" }, make("span", {}, name.replaceAll("_", " ")), make("span", {}, number(value))),
    make("span", { class: "track", "aria-hidden": "true" }, fillBar),
  );
}

/** The next or the previous rollout of the group. */
function page(by) {
  const group = currentGroup();
  const next = group.rollouts[group.rollouts.indexOf(ofTask()[chosen.rollout]) + by];
  if (!next) return;
  chosen.task = next.task;
  chosen.rollout = ofTask().indexOf(next);
  show(true);
}

/** What the address tells, or a task of the last group whose calls depend on each other. */
function choose(told) {
  const run = DATA.runs[0];
  chosen.group = Math.max(0, run.groups.length - 1);
  const telling = (one) => (run.tasks[one.task]?.chain ?? 0) >= 2;
  chosen.task = run.groups[chosen.group]?.rollouts.find(telling)?.task ?? "";
  try {
    const kept = told ? JSON.parse(decodeURIComponent(told)) : null;
    if (kept) Object.assign(chosen, { run: Number(kept.run), group: Number(kept.group), task: String(kept.task), rollout: Number(kept.rollout) });
  } catch {
    // an address that somebody changed by hand chooses nothing
  }
}

function start() {
  const [, told] = /^#rollout=(.*)$/.exec(location.hash) ?? [];
  choose(told);
  pick.run.addEventListener("change", () => {
    chosen.run = Number(pick.run.value);
    show(true);
  });
  pick.group.addEventListener("change", () => {
    chosen.group = Number(pick.group.value);
    show(true);
  });
  pick.task.addEventListener("change", () => {
    chosen.task = pick.task.value;
    chosen.rollout = 0;
    show(true);
  });
  pick.rollout.addEventListener("change", () => {
    chosen.rollout = Number(pick.rollout.value);
    show(true);
  });
  byId("earlier").addEventListener("click", () => page(-1));
  byId("later").addEventListener("click", () => page(1));
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  matchMedia("(max-width: 46rem)").addEventListener("change", () => show(false));
  byId("browser").hidden = false;
  show(false);
  if (told) byId("rollouts").scrollIntoView();
}

start();
