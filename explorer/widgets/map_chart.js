// A map on which rows are chosen. Its figure stays as it is meanwhile: plotly's points step back, and the chosen ones
// are drawn on a sheet above them. Every map of the page follows at once; the server hears of it afterwards.

const BACK = 0.17; // how much of plotly's points is left to see while rows are chosen
const LARGER = 2; // px
const PICTURE = { chosen: 1, plain: 0.92, back: 0.25 }; // opacity of pictures on the map
const CHOSEN = "explorer-chosen"; // what maps tell each other

const rowOf = (said) => (Array.isArray(said) ? said[0] : said); // customdata of a point

// ---- which rows ----

function combined(before, rows, how) {
  const now = new Set(rows);
  if (how === "replace") return now;
  if (how === "keep") return new Set([...before].filter((row) => now.has(row)));
  const all = new Set(before);
  for (const row of now) how === "add" ? all.add(row) : all.delete(row);
  return all;
}

// Of every trace that has rows, the places of the chosen ones.
function markedOf(map) {
  const marked = [];
  if (!map.chosen?.size) return marked;
  for (const trace of map._fullData ?? []) {
    const places = [];
    const rows = trace.customdata ?? [];
    for (let i = 0; i < rows.length; i++) if (map.chosen.has(rowOf(rows[i]))) places.push(i);
    if (places.length) marked.push({ trace, places });
  }
  return marked;
}

// ---- drawing ----

function hexes(colour) {
  const rgb = colour.match(/^rgba?\(([^)]*)\)/);
  if (rgb) return rgb[1].split(",").slice(0, 3).map(Number);
  return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
}

// The colour of each point: of its trace, its own, or what a number is on the map's scale.
function colouring(map, { marker }) {
  if (typeof marker.color === "string") return () => marker.color;
  const axis = map._fullLayout.coloraxis;
  if (typeof marker.color[0] === "string" || !axis?.colorscale) return (i) => marker.color[i];
  const stops = axis.colorscale.map(([at, colour]) => [at, hexes(colour)]);
  return (i) => {
    const at = Math.min(1, Math.max(0, (marker.color[i] - axis.cmin) / (axis.cmax - axis.cmin)));
    if (Number.isNaN(at)) return "#8a8f98";
    const next = Math.max(1, stops.findIndex(([stop]) => stop >= at));
    const [[low, from], [high, to]] = [stops[next - 1], stops[next]];
    const share = (at - low) / (high - low);
    return `rgb(${from.map((value, k) => Math.round(value + share * (to[k] - value))).join()})`;
  };
}

// From the map's coordinates to pixels; the ranges hold while one drags, too.
function places({ xaxis, yaxis }) {
  const [left, right] = xaxis.range;
  const [bottom, top] = yaxis.range;
  return {
    x: (value) => xaxis._offset + ((value - left) / (right - left)) * xaxis._length,
    y: (value) => yaxis._offset + ((top - value) / (top - bottom)) * yaxis._length,
  };
}

function drawPoints(pen, map, to) {
  for (const { trace, places } of map.marked) {
    const colour = colouring(map, trace);
    const radius = (trace.marker.size + LARGER) / 2;
    const same = typeof trace.marker.color === "string";
    pen.beginPath();
    for (const i of places) {
      const [x, y] = [to.x(trace.x[i]), to.y(trace.y[i])];
      pen.fillStyle = colour(i);
      if (!same) pen.beginPath();
      pen.moveTo(x + radius, y);
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      if (!same) pen.fill();
    }
    if (same) pen.fill();
  }
}

// Rows placed on the map afterwards are none of the data set's: they do not step back.
function drawPlaced(pen, map, to) {
  for (const { marker, x, y } of map._fullData.filter((trace) => trace.marker?.symbol === "diamond")) {
    const half = marker.size / Math.SQRT2;
    pen.fillStyle = marker.color;
    pen.strokeStyle = marker.line.color;
    pen.lineWidth = marker.line.width;
    for (let i = 0; i < x.length; i++) {
      const [h, v] = [to.x(x[i]), to.y(y[i])];
      pen.beginPath();
      for (const [a, b] of [[0, -half], [half, 0], [0, half], [-half, 0]]) pen.lineTo(h + a, v + b);
      pen.closePath();
      pen.fill();
      pen.stroke();
    }
  }
}

function drawOutline(pen, map, to) {
  pen.strokeStyle = map.line;
  pen.lineWidth = 1.5;
  pen.setLineDash([3, 3]);
  for (const [x, y] of map.outline ?? []) {
    pen.beginPath();
    for (let i = 0; i < x.length; i++) pen.lineTo(to.x(x[i]), to.y(y[i]));
    pen.closePath();
    pen.stroke();
  }
  pen.setLineDash([]);
}

function sheetOn(map, points) {
  map.sheet ??= Object.assign(document.createElement("canvas"), { className: "chosen-points" });
  if (points.nextSibling !== map.sheet) points.after(map.sheet); // above the points, below names and pictures
  const { width, height } = map._fullLayout;
  const fine = window.devicePixelRatio || 1;
  map.sheet.width = Math.round(width * fine); // clears it, too
  map.sheet.height = Math.round(height * fine);
  map.sheet.style.width = `${width}px`;
  map.sheet.style.height = `${height}px`;
  const pen = map.sheet.getContext("2d");
  pen.scale(fine, fine);
  return pen;
}

function draw(map) {
  const layout = map._fullLayout;
  const points = map.querySelector(".gl-container");
  if (!layout?.xaxis || !points) return;
  const some = map.marked.length > 0;
  const pen = sheetOn(map, points);
  points.style.opacity = some ? BACK : "";
  map.querySelectorAll(".imagelayer image").forEach((image, i) => {
    const chosen = map.chosen.has(Number(layout.images[i]?.name));
    image.style.opacity = !some ? PICTURE.plain : chosen ? PICTURE.chosen : PICTURE.back;
  });
  map.sheet.dataset.chosen = map.marked.reduce((n, { places }) => n + places.length, 0);
  if (!some) return;
  const to = places(layout);
  pen.beginPath();
  pen.rect(layout.xaxis._offset, layout.yaxis._offset, layout.xaxis._length, layout.yaxis._length);
  pen.clip();
  drawPoints(pen, map, to);
  drawPlaced(pen, map, to);
  drawOutline(pen, map, to);
}

function show(map, chosen, outline) {
  map.chosen = chosen;
  map.outline = outline;
  map.marked = markedOf(map);
  draw(map);
}

// The figure for a picture of the map, with what is chosen in it.
function withChosen(map) {
  if (!map.marked.length) return { data: map.data, layout: map.layout };
  const marked = new Map(map.marked.map(({ trace, places }) => [trace._input, places]));
  const data = map.data.map((trace) =>
    trace.customdata
      ? {
          ...trace,
          selectedpoints: marked.get(trace) ?? [],
          selected: { marker: { opacity: 1, size: trace.marker.size + LARGER } },
          unselected: { marker: { opacity: BACK * trace.marker.opacity } },
        }
      : trace,
  );
  const shapes = (map.outline ?? []).map(([x, y]) => ({
    type: "path",
    path: `M${[...x].map((value, i) => `${value},${y[i]}`).join("L")}Z`,
    line: { color: map.line, width: 1.5, dash: "dot" },
  }));
  const images = map.layout.images?.map((image) => ({
    ...image,
    opacity: map.chosen.has(Number(image.name)) ? PICTURE.chosen : PICTURE.back,
  }));
  return { data, layout: { ...map.layout, shapes, ...(images && { images }) } };
}

// ---- choosing ----

// Corners of lassos ("M1,2L3,4Z") and boxes.
function outlineOf(shapes) {
  return (shapes ?? []).map(({ type, path, x0, x1, y0, y1 }) => {
    if (type !== "path") return [[x0, x1, x1, x0], [y0, y0, y1, y1]];
    const corners = path.slice(1, -1).split("L").map((corner) => corner.split(",").map(Number));
    return [corners.map(([x]) => x), corners.map(([, y]) => y)];
  });
}

function choose(map, rows, outline, how) {
  const chosen = combined(map.chosen, rows, how);
  document.dispatchEvent(new CustomEvent(CHOSEN, { detail: { chosen, by: map, outline } }));
  map.tell({ rows, outline, how });
}

function howNow(map) {
  return map.keys?.shiftKey ? "add" : map.keys?.altKey ? "remove" : map.how;
}

function listen(map) {
  map.addEventListener("mousedown", (event) => (map.keys = event), true);
  map.on("plotly_selected", (event) => {
    const rows = [...new Set((event?.points ?? []).map(({ customdata }) => rowOf(customdata)))].filter(Number.isInteger);
    const outline = outlineOf(event?.selections);
    // plotly would keep the shape and go on from it, also when the selection was cleared long ago
    map.layout.selections = map._fullLayout.selections = [];
    if (rows.length) choose(map, rows, outline, howNow(map));
  });
  map.on("plotly_click", ({ points }) => {
    const row = rowOf(points[0]?.customdata);
    if (Number.isInteger(row)) choose(map, [row], [], howNow(map));
  });
  map.on("plotly_deselect", () => choose(map, [], [], "replace"));
  for (const event of ["plotly_afterplot", "plotly_relayouting", "plotly_relayout"]) map.on(event, () => draw(map));
}

// ---- the chart ----

const WHOLE_SCREEN = {
  name: "Fullscreen",
  title: "Fullscreen",
  icon: { width: 24, height: 24, path: "M2 2h8v3H5v5H2zM14 2h8v8h-3V5h-5zM2 14h3v5h5v3H2zM19 14h3v8h-8v-3h5z" },
  click: (map) => (document.fullscreenElement ? document.exitFullscreen() : map.requestFullscreen()),
};

// Other colours or pictures on the same map leave the part of it that one looks at as it is. plotly's `uirevision` does
// not: it takes the ranges that it has fitted to the element's shape for others.
function keepZoom(map, layout) {
  const given = [[...layout.xaxis.range], [...layout.yaxis.range]]; // plotly changes those in place
  const isSame = String(map.given) === String(given);
  if (isSame) for (const axis of ["xaxis", "yaxis"]) layout[axis].range = [...map._fullLayout[axis].range];
  map.given = given;
  return () => {
    if (!isSame) return;
    ["xaxis", "yaxis"].forEach((axis, i) => {
      const { [axis]: full } = map._fullLayout;
      [full._rangeInitial0, full._rangeInitial1] = given[i]; // where "Reset axes" goes
    });
  };
}

async function plot(map, data) {
  const library = await plotly(data.library);
  if (!map.isConnected) return;
  const figure = themed(JSON.parse(data.figure), map);
  const { height, width, ...layout } = figure.layout; // those of the element
  const config = { ...data.config, modeBarButtonsToAdd: [WHOLE_SCREEN] };
  const isNew = !map.classList.contains("js-plotly-plot");
  if (isNew) map.textContent = "";
  const setReset = keepZoom(map, layout);
  await library.react(map, figure.data, { ...layout, autosize: true }, config);
  setReset();
  if (!isNew) return;
  listen(map);
  onThemeChange(map, () => map.paint());
  map.resizing = new ResizeObserver(() => {
    const { width, height } = map._fullLayout;
    if (map.clientWidth && Math.abs(map.clientWidth - width) + Math.abs(map.clientHeight - height) > 1)
      library.Plots.resize(map);
  });
  map.resizing.observe(map);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const map = parentElement.querySelector(".map-chart");
  map.style.height = `${data.height}px`;
  map.setAttribute("aria-label", data.alt);
  map.how = data.how;
  map.line = data.line;
  map.tell = (choice) => setTriggerValue("choice", choice);
  map.withChosen ??= () => withChosen(map);
  map.chosen = new Set(data.chosen);
  map.outline = data.outline;

  const follow = ({ detail }) => show(map, detail.chosen, detail.by === map ? detail.outline : []);
  const afterwards = () => show(map, map.chosen, map.outline);
  map.paint = () => {
    map.figure = data.figure;
    map.marked ??= [];
    map.painted = (map.painted ?? Promise.resolve())
      .then(() => map.figure === data.figure && plot(map, data))
      .then(afterwards)
      .catch((error) => {
        console.error(error);
        if (!map.classList.contains("js-plotly-plot")) map.textContent = data.alt;
      });
  };
  if (map.figure === data.figure) afterwards();
  else map.paint();
  map.leave?.();
  document.addEventListener(CHOSEN, follow);
  map.leave = () => document.removeEventListener(CHOSEN, follow);
  return () => {
    map.leave();
    map.resizing?.disconnect();
    map.figure = map.given = undefined;
    if (window.explorerPlotly && map.classList.contains("js-plotly-plot")) window.Plotly.purge(map);
  };
}
