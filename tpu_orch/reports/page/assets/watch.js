// While a run goes on: asks now and then whether there is more, and shows it. Somebody who is at work on the page is asked first.
const EVERY = 5000;

function idle() {
  return (document.activeElement === null || document.activeElement === document.body) && document.visibilityState === "visible";
}

async function look() {
  try {
    const answer = await fetch("version", { cache: "no-store" });
    if (!answer.ok) return;
    if ((await answer.text()) === document.body.dataset.version) return;
    if (idle()) {
      location.reload();
      return;
    }
    if (!byId("toast").childNodes.length) {
      const again = make("button", { type: "button" }, "Show it");
      again.addEventListener("click", () => location.reload());
      toast("The run went on. ", again);
    }
  } catch {
    toast("The run is no longer served here.");
  }
}

if (document.body.dataset.version) setInterval(look, EVERY);
