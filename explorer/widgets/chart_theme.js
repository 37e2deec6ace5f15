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
  if (layout.title?.text) layout.title = { ...layout.title, text: `<b>${layout.title.text}</b>` };
  layout.modebar = { ...layout.modebar, bgcolor: "rgba(0, 0, 0, 0)", color: quiet, activecolor: text };
  layout.hoverlabel = {
    bgcolor: get("--st-background-color"),
    bordercolor: get("--st-border-color"),
    font: { family: get("--st-font"), color: text, size: 12 },
    align: "left",
  };
  return figure;
}

// Call `redo` when the theme changes. The element's own colour is that of the text, and takes a moment to change: that
// can be listened to.
function onThemeChange(element, redo) {
  element.style.transition = "color 10ms";
  element.addEventListener("transitionend", (event) => {
    if (event.target === element && event.propertyName === "color") redo();
  });
}
