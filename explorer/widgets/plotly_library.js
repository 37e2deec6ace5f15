// plotly.js from the plotly package, loaded once for all parts of the page that need it.

function plotly(address) {
  window.explorerPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(address, document.baseURI).href;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      delete window.explorerPlotly;
      reject(new Error("plotly.js could not be loaded"));
    };
    document.head.append(script);
  });
  return window.explorerPlotly;
}
