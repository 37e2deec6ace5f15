// Hands a new figure to the chart that stands there already, so that it moves instead of being built anew.

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".live-chart");
  root.style.height = `${data.height}px`;
  root.setAttribute("aria-label", data.alt);
  if (!root.paint) onThemeChange(root, () => root.paint());
  root.paint = async () => {
    const version = (root.version = (root.version ?? 0) + 1);
    try {
      const library = await plotly(data.library);
      if (root.version !== version) return; // a newer figure is on its way
      const figure = themed(JSON.parse(data.figure), root);
      if (!root.classList.contains("js-plotly-plot")) root.textContent = "";
      await library.react(root, figure.data, { ...figure.layout, autosize: true }, data.config);
    } catch (error) {
      console.error(error);
      if (!root.classList.contains("js-plotly-plot")) root.textContent = data.alt;
    }
  };
  root.paint();
  return () => {
    root.version = -1;
    if (window.Plotly && root.classList.contains("js-plotly-plot")) window.Plotly.purge(root);
  };
}
