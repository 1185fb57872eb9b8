// SPDX-License-Identifier: Apache-2.0
// Lets plotly take the place of the drawings that the server made, in the colours of style.css. Without it they stay.
"use strict";

(() => {
  const library = document.currentScript.dataset.plotly;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let loading = null;

  const load = () => {
    loading =
      loading ||
      new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = library;
        script.onload = () => {
          delete document.head.appendChild;
          resolve();
        };
        script.onerror = reject;
        document.head.append(script);
        // While it loads, plotly adds a style for maps, which this page's policy refuses and nobody needs.
        const append = document.head.appendChild;
        document.head.appendChild = (node) => (node.nodeName === "STYLE" ? node : append.call(document.head, node));
      });
    return loading;
  };

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const traceOf = (series) => ({
    type: "scatter",
    mode: series.line ? (series.x.length > 60 ? "lines" : "lines+markers") : "markers",
    name: series.name,
    x: series.x,
    y: series.y,
    text: series.text,
    hovertemplate: `${series.text ? "%{text}: " : ""}%{y:,.4~g}<extra></extra>`,
    line: { color: color(`--s${series.tone}`), width: 2, dash: series.dashed ? "dash" : "solid" },
    marker: {
      color: series.hollow ? color("--card") : color(`--s${series.tone}`),
      size: 7,
      line: { color: color(`--s${series.tone}`), width: series.hollow ? 1.5 : 0 },
    },
    error_y: series.above && {
      type: "data",
      symmetric: false,
      array: series.above,
      arrayminus: series.below,
      color: color(`--s${series.tone}`),
      thickness: 1,
      width: 0,
    },
  });

  const layoutOf = (figure) => {
    const axis = (title) => ({
      title: { text: title, font: { size: 12 }, standoff: 8 },
      gridcolor: color("--grid"),
      zeroline: false,
      linecolor: color("--line"),
      automargin: true,
    });
    return {
      height: 290,
      margin: { l: 58, r: 14, t: 10, b: 44 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: color("--soft"), size: 12, family: getComputedStyle(document.body).fontFamily },
      hoverlabel: { bgcolor: color("--card"), font: { color: color("--ink") }, bordercolor: color("--line") },
      showlegend: false,
      hovermode: "closest",
      dragmode: window.matchMedia("(pointer: coarse)").matches ? false : "zoom",
      xaxis: axis(figure.x_title),
      yaxis: { ...axis(figure.y_title), ...(figure.y_range ? { range: figure.y_range } : {}) },
      shapes: figure.levels.map((level) => ({
        type: "line",
        xref: "paper",
        x0: 0,
        x1: 1,
        y0: level.y,
        y1: level.y,
        line: { color: color(`--s${level.tone}`), width: 1.3, dash: "dot" },
      })),
      annotations: figure.levels
        .filter((level) => level.name)
        .map((level) => ({
          xref: "paper",
          x: 1,
          xanchor: "right",
          y: level.y,
          yanchor: "bottom",
          text: level.name.replace(/</g, "&lt;"),
          showarrow: false,
          font: { color: color(`--s${level.tone}`), size: 11 },
        })),
    };
  };

  const draw = async (place) => {
    await load();
    const source = place.querySelector("script");
    if (!source) return;
    const figure = JSON.parse(source.textContent);
    let target = place.querySelector(".plotly-place");
    if (!target) {
      target = document.createElement("div");
      target.className = "plotly-place";
      place.append(target);
    }
    const traces = figure.traces.map((series) => traceOf({ ...series, name: series.name.replace(/</g, "&lt;") }));
    await window.Plotly.react(target, traces, layoutOf(figure), { displayModeBar: false, responsive: true });
    place.classList.add("has-plot");
  };

  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        seen.unobserve(entry.target);
        draw(entry.target);
      }
    },
    { rootMargin: "200px" },
  );
  const watch = (root) => root.querySelectorAll("[data-plot]").forEach((place) => seen.observe(place));

  watch(document);
  document.addEventListener("exchanged", (event) => watch(event.target));
  dark.addEventListener("change", () => {
    for (const place of document.querySelectorAll("[data-plot].has-plot")) draw(place);
  });
})();
