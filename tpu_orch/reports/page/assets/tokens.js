// The ledger of a rollout: every token, fed or sampled, as it was made.
const UNLIKELY = Math.log(0.1);

function visible(text) {
  return text === "" ? "∅" : text.replace(/\t/g, "⇥").replace(/\n/g, "⏎\n");
}

function tokensCard(rollout, vocabulary) {
  const ledger = rollout.tokens;
  if (!ledger) {
    return make(
      "section",
      { class: "card" },
      make("h3", {}, "What the policy wrote"),
      rollout.turns.map((turn, place) => make("div", { class: "result" }, `turn ${place}`, make("pre", {}, turn))),
    );
  }
  const total = ledger.stretches.reduce((sum, length, place) => sum + (place % 2 ? length : 0), 0);
  const box = make("div", {
    class: "tokens",
    tabindex: "0",
    role: "group",
    "aria-label": "Tokens; arrow keys go from one to the next",
  });
  const known = [];
  let at = 0;
  let drawn = 0;
  ledger.stretches.forEach((length, place) => {
    const sampled = place % 2 === 1;
    if (length === 0) return;
    box.append(make("span", { class: sampled ? "tag s" : "tag" }, `${sampled ? "sampled" : "fed"} ${length}`));
    for (let step = 0; step < length; step += 1, at += 1) {
      const logprob = sampled ? ledger.logprobs[drawn++] : null;
      const text = vocabulary[ledger.ids[at]];
      const low = logprob !== null && logprob < UNLIKELY ? " low" : "";
      const span = make("span", { class: (sampled ? "s" : "f") + low }, text === undefined ? `[${ledger.ids[at]}]` : visible(text));
      known.push({ span, text, sampled, logprob, id: ledger.ids[at], place: at });
      box.append(span);
    }
  });
  const says = make("output", { "aria-live": "polite" }, "Choose a token with the mouse, or come here and use the arrow keys.");
  walk(box, known, says);
  return make(
    "section",
    { class: "card", id: "tokens" },
    make("h3", {}, `Tokens: ${ledger.ids.length - total} fed, ${total} sampled`),
    make(
      "p",
      { class: "legend" },
      make("span", {}, "sampled by the policy: bold, underlined; doubly underlined where its probability was below 10 %"),
      make("span", {}, "fed (prompt, template, results): italic"),
      make("span", {}, `weights of step ${ledger.version}`),
      ledger.cut ? make("span", {}, `${ledger.cut} tokens more are not shown`) : null,
    ),
    box,
    says,
  );
}

/** Arrow keys and clicks choose a token; what is known of it is told below. */
function walk(box, known, says) {
  let now = -1;
  const choose = (place) => {
    if (!known.length) return;
    known[now]?.span.classList.remove("now");
    now = Math.min(Math.max(place, 0), known.length - 1);
    const one = known[now];
    one.span.classList.add("now");
    one.span.scrollIntoView({ block: "nearest" });
    const drawn = one.sampled ? `sampled, log-prob ${one.logprob} (probability ${number(Math.exp(one.logprob))})` : "fed";
    says.textContent = `token ${one.place}: ${JSON.stringify(one.text ?? "")}, id ${one.id}, ${drawn}`;
  };
  const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10 };
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) choose(now + moves[event.key]);
    else if (event.key === "Home") choose(0);
    else if (event.key === "End") choose(known.length - 1);
    else return;
    event.preventDefault();
  });
  box.addEventListener("click", (event) => {
    const place = known.findIndex((one) => one.span === event.target);
    if (place >= 0) choose(place);
  });
}
