// Charts in plain SVG.

import { h } from "./elements.js";

const WIDTH = 60; // seconds

function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function picture(label, ...shapes) {
  return svg("svg", { viewBox: `0 0 ${WIDTH} 30`, preserveAspectRatio: "none", role: "img", "aria-label": label }, ...shapes);
}

/** Lines over the last minute, from zero, with the highest value beside them; they begin at the left. */
export function lines(label, show, ...series) {
  const shown = series.map((values) => values.slice(-WIDTH - 1));
  const peak = Math.max(0, ...shown.flat());
  const y = (value) => 29 - (28 * value) / (peak || 1);
  const drawn = shown.flatMap((values, at) => {
    const kind = at === 0 ? "one" : "two";
    const points = values.map((value, x) => `${x},${y(value)}`).join(" ");
    const area = `0,30 ${points} ${values.length - 1},30`;
    return [svg("polygon", { class: kind, points: values.length ? area : "" }), svg("polyline", { class: kind, points })];
  });
  return h("div", { class: "chart" }, picture(label, ...drawn), peak ? h("span", { class: "peak" }, `peak ${show(peak)}`) : "");
}

/** A bar for each of `[name, count]`, with the count beside it. */
export function bars(label, entries, show = String) {
  if (!entries.some(([, count]) => count)) return h("p", { class: "soft" }, "none");
  const top = Math.max(1, ...entries.map(([, count]) => count));
  return h("table", { class: "bars", "aria-label": label }, h("tbody", {}, entries.map(([name, count]) => h("tr", {},
    h("th", { scope: "row" }, name),
    h("td", {}, picture(`${name}: ${count}`, svg("rect", { width: (WIDTH * count) / top, height: 30 }))),
    h("td", { class: "number" }, show(count))))));
}
