// Hands a new figure to the chart that stands there already, so that it moves instead of being built anew.

// What Streamlit's own theme gives to charts: its fonts and colours, and no background.
function themed(figure, element) {
  const style = getComputedStyle(element);
  const get = (name) => style.getPropertyValue(name).trim();
  const text = get("--st-text-color");
  const layout = figure.layout;
  layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0, 0, 0, 0)";
  layout.font = { ...layout.font, family: get("--st-font"), color: text };
  const quiet = getComputedStyle(element).color.replace(/^rgb\((.*)\)$/, "rgba($1, 0.65)");
  for (const name of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
    const axis = layout[name];
    layout[name] = {
      ...axis,
      ticklabelstandoff: axis.ticklabelstandoff ?? 4,
      tickfont: { color: quiet, ...axis.tickfont },
      title: { ...axis.title, font: { color: quiet, ...axis.title?.font } },
    };
  }
  layout.hoverlabel = {
    bgcolor: get("--st-background-color"),
    bordercolor: get("--st-border-color"),
    font: { family: get("--st-font"), color: text, size: 12 },
    align: "left",
  };
  return figure;
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".live-chart");
  root.style.height = `${data.height}px`;
  root.setAttribute("aria-label", data.alt);
  const version = (root.version = (root.version ?? 0) + 1);
  plotly(data.library)
    .then((library) => {
      if (root.version !== version) return undefined; // a newer figure is on its way
      const figure = themed(JSON.parse(data.figure), root);
      if (!root.classList.contains("js-plotly-plot")) root.textContent = "";
      return library.react(root, figure.data, { ...figure.layout, autosize: true }, data.config);
    })
    .catch((error) => {
      console.error(error);
      if (!root.classList.contains("js-plotly-plot")) root.textContent = data.alt;
    });
  return () => {
    root.version = -1;
    if (window.Plotly && root.classList.contains("js-plotly-plot")) window.Plotly.purge(root);
  };
}
