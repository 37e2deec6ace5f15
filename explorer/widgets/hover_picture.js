// The picture of the row whose point is pointed at, beside the pointer. Pictures come from the server one at a time and
// are kept, so that maps of any number of rows cost nothing until one points at them.

const REST = 40; // ms on a point before its picture is asked for
const KEPT = 400; // pictures
const DISTANCE = 18; // px between pointer and picture

function rowOf(point) {
  const said = Array.isArray(point.customdata) ? point.customdata[0] : point.customdata;
  return Number.isInteger(said) ? said : undefined;
}

function place(card) {
  const { x, y } = card.pointer;
  const { width, height } = card.getBoundingClientRect();
  const above = y - DISTANCE - height;
  card.style.left = `${Math.max(4, Math.min(x - width / 2, window.innerWidth - width - 4))}px`;
  card.style.top = `${above > 4 ? above : y + DISTANCE}px`;
}

function show(card) {
  const picture = card.kept.get(card.row);
  if (!picture) return;
  card.querySelector("img").src = picture.source;
  card.querySelector("div").textContent = picture.text;
  if (!card.matches(":popover-open")) card.showPopover();
  place(card);
}

function hide(card) {
  card.row = undefined;
  clearTimeout(card.timer);
  if (card.matches(":popover-open")) card.hidePopover();
}

function hovered(card, { points, event }) {
  const row = rowOf(points[0]);
  hide(card);
  if (row === undefined || !event || !card.isConnected) return;
  card.row = row;
  card.pointer = { x: event.clientX, y: event.clientY };
  if (card.kept.has(row)) show(card);
  else card.timer = setTimeout(() => card.ask(row), REST);
}

// Streamlit builds charts anew now and then: each is found when the pointer comes to it.
function entered(card, target) {
  const chart = target instanceof Element ? target.closest(".js-plotly-plot") : null;
  if (!chart?.on || card.known.get(chart) === chart.on || !chart.closest(`[class*="st-key-${card.charts}"]`)) return;
  card.known.set(chart, chart.on); // another function after it was built anew
  chart.on("plotly_hover", (event) => hovered(card, event));
  chart.on("plotly_unhover", () => hide(card));
  chart.on("plotly_selecting", () => hide(card));
}

export default function ({ data, parentElement, setStateValue }) {
  const card = parentElement.querySelector(".card");
  card.kept ??= new Map(); // row -> { source, text }
  card.known ??= new WeakMap(); // chart -> its `on`
  card.charts = data.charts;
  card.ask = (row) => setStateValue("row", row);
  if (data.source) {
    card.kept.delete(data.row);
    card.kept.set(data.row, data);
    if (card.kept.size > KEPT) card.kept.delete(card.kept.keys().next().value);
  }
  if (card.row !== undefined && card.row === data.row) show(card); // the pointer still rests there

  const onEnter = ({ target }) => entered(card, target);
  const onScroll = () => hide(card);
  card.stop?.();
  document.addEventListener("mouseover", onEnter);
  document.addEventListener("scroll", onScroll, true);
  card.stop = () => {
    document.removeEventListener("mouseover", onEnter);
    document.removeEventListener("scroll", onScroll, true);
  };
  return () => card.stop();
}
