// Buttons that save a chart of the page as a picture: with the keyboard too, and in either format.

function chartOf(key) {
  const name = key.replace(/[^a-zA-Z0-9_-]/g, "-"); // as Streamlit turns keys into class names
  return document.querySelector(`.st-key-${CSS.escape(name)} .js-plotly-plot`);
}

// The chart as it stands, on the page's background: transparent, light text would vanish elsewhere.
function figureOf(chart, background) {
  const { data, layout } = chart.withChosen?.() ?? chart;
  const { updatemenus, ...rest } = layout; // buttons mean nothing in a picture
  return { data, layout: { ...rest, paper_bgcolor: background } };
}

async function download(address, name) {
  const content = await (await fetch(address)).blob();
  const link = document.createElement("a"); // not on the page, where its click would close the menu
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// The menu stands at the end of the page's elements: who opened it with the keyboard would have to go all the way there.
function takeFocus(root) {
  const opener = document.activeElement;
  requestAnimationFrame(() => root.querySelector("button").focus({ preventScroll: true }));
  return () => {
    const now = document.activeElement;
    if (!now || now === document.body || !now.isConnected) opener?.focus({ preventScroll: true });
  };
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".save-picture");
  root.giveFocusBack ??= takeFocus(root);
  const said = parentElement.querySelector("[role=status]");
  for (const button of parentElement.querySelectorAll("button")) {
    const format = button.dataset.format;
    button.onclick = async () => {
      const chart = chartOf(data.chart);
      if (button.getAttribute("aria-busy") === "true") return;
      if (!chart) {
        said.textContent = "The chart is being drawn. Try again in a moment.";
        return;
      }
      button.setAttribute("aria-busy", "true");
      said.textContent = "";
      try {
        const library = await plotly(data.library);
        const background = getComputedStyle(button).getPropertyValue("--st-background-color").trim();
        const image = await library.toImage(figureOf(chart, background), {
          format,
          width: chart.clientWidth,
          height: chart.clientHeight,
          scale: format === "png" ? 2 : 1,
        });
        await download(image, `${data.name}.${format}`);
        said.textContent = `Saved as ${data.name}.${format}`;
      } catch (error) {
        console.error(error);
        said.textContent = "The picture could not be made. Reload the page and try again.";
      } finally {
        button.removeAttribute("aria-busy");
      }
    };
  }
  return () => requestAnimationFrame(() => root.isConnected || root.giveFocusBack());
}
