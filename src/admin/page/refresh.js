// Keeps the open page up to date, until it is paused.

const PERIOD = 2000; // ms
const button = document.getElementById("pause");

let tasks = [];

export const isPaused = () => button.getAttribute("aria-pressed") === "true";

/** Begins a page: what is given to the function that comes back is done every two seconds, while the page is open. */
export function begin() {
  const mine = (tasks = []);
  return (task) => void mine.push(task);
}

/** Calls `listener` when the page was paused or goes on; what comes back ends that. */
export function whenPaused(listener) {
  button.addEventListener("click", listener);
  return () => button.removeEventListener("click", listener);
}

whenPaused(() => button.setAttribute("aria-pressed", String(!isPaused()))); // before all other listeners

async function round() {
  const begun = performance.now();
  if (!isPaused() && !document.hidden) await Promise.allSettled(tasks.map((task) => task()));
  setTimeout(round, Math.max(PERIOD, 4 * (performance.now() - begun))); // a server that is slow is asked less
}
setTimeout(round, PERIOD);
