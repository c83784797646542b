// Every figure as PNG: the SVG on show, its colours resolved for the present theme, drawn on a canvas at twice its size.
const SCALE = 2;

/** A copy of the SVG that stands alone: custom properties replaced by their values. */
function standalone(svg, width, height) {
  const copy = svg.cloneNode(true);
  const theme = getComputedStyle(document.documentElement);
  const resolve = (text) => text.replace(/var\(--([a-z-]+)\)/g, (_, name) => theme.getPropertyValue(`--${name}`).trim());
  const originals = [svg, ...svg.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((element, place) => {
    const style = element.getAttribute("style");
    if (style) element.setAttribute("style", resolve(style));
    if (element.tagName === "text" && !style) {
      const seen = getComputedStyle(originals[place]);
      element.setAttribute("style", `font:${seen.font};fill:${seen.fill}`);
    }
  });
  copy.setAttribute("xmlns", SVG);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  return copy;
}

async function pngOf(svg, title) {
  const box = svg.viewBox.baseVal;
  const theme = getComputedStyle(document.documentElement);
  const source = new XMLSerializer().serializeToString(standalone(svg, box.width, box.height));
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(source)}`;
  await picture.decode();
  const margin = 16;
  const head = title ? 34 : 0;
  const canvas = make("canvas");
  canvas.width = (box.width + 2 * margin) * SCALE;
  canvas.height = (box.height + head + 2 * margin) * SCALE;
  const paper = canvas.getContext("2d");
  paper.scale(SCALE, SCALE);
  paper.fillStyle = theme.getPropertyValue("--card").trim();
  paper.fillRect(0, 0, canvas.width, canvas.height);
  paper.fillStyle = theme.getPropertyValue("--ink").trim();
  paper.font = "600 16px system-ui, sans-serif";
  paper.fillText(title, margin, margin + 14, box.width);
  paper.drawImage(picture, margin, margin + head, box.width, box.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

async function savePng(button) {
  const card = button.closest(".card");
  const svg = [...card.querySelectorAll("svg")].find((one) => one.getClientRects().length > 0);
  const blob = await pngOf(svg, button.dataset.title || "");
  const link = make("a", { href: URL.createObjectURL(blob), download: `${button.dataset.name}.png` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  toast(`Saved ${button.dataset.name}.png`);
  setTimeout(() => toast(), 4000);
}

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("button.save") : null;
  if (button) savePng(button).catch((error) => toast(`The picture could not be made: ${error.message}`));
});
