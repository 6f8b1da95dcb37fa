(() => {
  const PRINT_WIDTH = 680;
  const PALETTE = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#8C8C8C"];
  const LOOKS = {
    light: { ink: "#1b1f24", muted: "#59616b", line: "#e2e2dc", strong: "#9a9a92", paper: "#fdfdfb" },
    dark: { ink: "#e9e7e2", muted: "#a4abb4", line: "#2b3036", strong: "#6a727c", paper: "#131619" },
  };
  const CONFIG = {
    responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "", showLink: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], topojsonURL: "", displayModeBar: "hover",
  };
  const FONT = getComputedStyle(document.body).fontFamily;
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  const plots = [...document.querySelectorAll(".page-plot[data-figure]")];
  const specs = new Map();

  const chrome = (look) => {
    const axis = {
      gridcolor: look.line, zerolinecolor: look.line, linecolor: look.strong, tickcolor: look.strong,
      automargin: true, tickfont: { color: look.muted }, title: { font: { color: look.muted }, standoff: 12 },
    };
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: FONT, size: 13, color: look.ink }, colorway: PALETTE,
      xaxis: axis, yaxis: axis, legend: { bgcolor: "rgba(0,0,0,0)" },
      hoverlabel: { font: { family: FONT } }, separators: ".,",
      annotationdefaults: { font: { color: look.ink }, arrowcolor: look.muted },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: look.muted, activecolor: look.ink },
    };
  };
  const isDark = (color) => /^(black|#000|#000000|#111|#222|#333|#444|rgb\(0, ?0, ?0\))$/i.test(color);
  const isLight = (color) => /^(white|#fff|#ffffff|rgb\(255, ?255, ?255\))$/i.test(color);
  const veil = /^rgba\(255, ?255, ?255, ?([0-9.]+)\)$/i;
  const recolour = (value, look, key) => {
    if (typeof value === "string" && /color$/.test(key)) {
      const clear = key === "bgcolor" && veil.exec(value);
      if (clear) return look.paper + Math.round(255 * Math.min(1, clear[1])).toString(16).padStart(2, "0");
      return isDark(value) ? look.ink : isLight(value) ? look.paper : value;
    }
    if (Array.isArray(value)) return value.length < 200 ? value.map((item) => recolour(item, look, key)) : value;
    if (value && typeof value === "object") {
      if (key === "insidetextfont" || key === "textfont") return value;
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, recolour(item, look, name)]));
    }
    return value;
  };
  const brightness = (color) => {
    const parts = /^#[0-9a-f]{6}$/i.test(color)
      ? [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16))
      : (String(color).match(/[0-9.]+/g) ?? []).slice(0, 3).map(Number);
    return parts.length === 3 ? 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] : NaN;
  };
  // On dark paper the most must be the brightest, as on light paper it is the darkest.
  const turnScale = (holder, look) => {
    const scale = holder?.colorscale;
    if (look !== LOOKS.dark || !Array.isArray(scale) || scale.length < 2) return holder;
    const falls = brightness(scale[0][1]) > brightness(scale.at(-1)[1]);
    return falls ? { ...holder, reversescale: !holder.reversescale } : holder;
  };
  const themed = (spec, look, width, room) => {
    const layout = recolour(spec.layout, look, "");
    const own = layout.template?.layout ?? {};
    const page = chrome(look);
    layout.template = { ...layout.template, layout: { ...own, ...page, colorway: own.colorway ?? page.colorway } };
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    if (layout.font) layout.font = { size: layout.font.size };
    if (room < 520) {
      layout.font = { size: 11 };
      layout.annotations?.forEach((note) => { note.font = { ...note.font, size: 10 }; });
    }
    if (width) layout.width = width;
    for (const name of Object.keys(layout)) if (/^coloraxis\d*$/.test(name)) layout[name] = turnScale(layout[name], look);
    const data = recolour(spec.data, look, "").map((trace) => turnScale(trace, look));
    return [data, layout, { ...CONFIG, responsive: !width }];
  };
  const say = (plot, text) => {
    plot.dataset.drawn = "no";
    plot.innerHTML = "";
    const note = document.createElement("p");
    note.className = "page-note";
    note.textContent = text;
    plot.append(note);
    plot.closest("figure").querySelectorAll(".page-data").forEach((data) => { data.open = true; });
  };
  const inflate = async (id) => {
    const text = atob(document.getElementById(id).textContent);
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  };
  const unpack = async () => {
    const url = URL.createObjectURL(new Blob([await inflate("plotly-js")], { type: "text/javascript" }));
    await new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.onload = resolve;
      script.onerror = () => reject(new Error("plotly.js did not load"));
      script.src = url;
      document.head.append(script);
    });
    URL.revokeObjectURL(url);
  };
  const copyOf = (plot) => {
    const number = plot.dataset.figure;
    if (!specs.has(number)) {
      specs.set(number, document.querySelector(`script[data-figure-of="${number}"]`).textContent);
    }
    return JSON.parse(specs.get(number));
  };
  let table = null;
  let whole = null;
  let chosen = null;
  const captions = new Map();
  // Say under a chart's name of which records it is; one that is drawn anew has no sentence about the run.
  const tellScope = (figure, name) => {
    if (!captions.has(figure)) {
      const scope = document.createElement("p");
      scope.className = "page-note page-scope";
      const caption = figure.querySelector("figcaption");
      if (caption) caption.after(scope);
      else figure.prepend(scope);
      const told = [...figure.querySelectorAll(".page-figure-title, .page-figure-subtitle")];
      captions.set(figure, { scope, told: told.map((part) => [part, [...part.childNodes]]) });
    }
    const { scope, told } = captions.get(figure);
    const isFiltered = Boolean(chosen?.isFiltered);
    told.forEach(([part, nodes], at) => part.replaceChildren(...(name && isFiltered ? [at ? "" : name] : nodes)));
    const comma = (number) => number.toLocaleString("en-US");
    const sample = `Sample, ${comma(table.sample)} of ${comma(table.total)}: shares of the ${comma(chosen?.number ?? 0)} chosen.`;
    const some = chosen?.exact ? `Filtered: ${comma(chosen.number)} of ${comma(table.total)} records.` : sample;
    scope.textContent = isFiltered ? (name ? some : "The whole run, not filtered.") : "";
    scope.hidden = !isFiltered;
    // What is said of it to those who cannot see it has the numbers of the run.
    figure.querySelector(".page-hidden").hidden = isFiltered && Boolean(name);
    const data = figure.querySelector(".page-data > summary");
    if (data) data.textContent = isFiltered && name ? "Data of this chart, of the whole run" : "Data of this chart";
  };
  const draw = async (plot, look, width) => {
    try {
      const spec = copyOf(plot);
      const name = chosen?.isFiltered ? followChosen(spec, whole, chosen) : "";
      if (table) tellScope(plot.closest("figure"), name);
      await window.Plotly.react(plot, ...themed(spec, look, width, width ?? plot.clientWidth));
      plot.dataset.drawn = "yes";
    } catch (error) {
      say(plot, `This chart could not be drawn (${error.message}). Its values are below.`);
    }
  };
  const screenLook = () => (darkness.matches ? LOOKS.dark : LOOKS.light);
  const drawAll = async () => {
    if (!plots.length) return;
    try {
      await unpack();
    } catch (error) {
      plots.forEach((plot) => say(plot, "Charts need a browser of 2023 or later. The values are below."));
      return;
    }
    for (const plot of plots) {
      await draw(plot, screenLook());
      await new Promise((resolve) => setTimeout(resolve));
    }
    darkness.addEventListener("change", () => plots.forEach((plot) => draw(plot, screenLook())));
    addEventListener("beforeprint", () => plots.forEach((plot) => draw(plot, LOOKS.light, PRINT_WIDTH)));
    addEventListener("afterprint", () => plots.forEach((plot) => draw(plot, screenLook())));
  };

  const openTable = async () => {
    const section = document.querySelector(".page-records");
    if (!section) return;
    const bar = document.createElement("aside");
    const [said, clear, link] = ["span", "button", "a"].map((tag) => document.createElement(tag));
    bar.className = "page-chosen";
    bar.setAttribute("aria-label", "What is chosen");
    clear.type = "button";
    clear.textContent = "Clear";
    clear.addEventListener("click", () => table.clear());
    link.href = "#records";
    link.textContent = "To the table";
    bar.append(said, clear, link);
    document.body.append(bar);
    let waiting = 0;
    let drawing = Promise.resolve();
    const redraw = () => plots.reduce((before, plot) => before.then(() => draw(plot, screenLook())), Promise.resolve());
    const changed = (now, text) => {
      whole ??= now;
      const isSame = !chosen?.isFiltered && !now.isFiltered;
      chosen = now;
      bar.hidden = !now.isFiltered;
      said.textContent = text;
      if (isSame || !window.Plotly) return;
      document.documentElement.dataset.figures = "drawing";
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        drawing = drawing.then(redraw).then(() => { document.documentElement.dataset.figures = "ready"; });
      }, 150);
    };
    table = openRecords(JSON.parse(new TextDecoder().decode(await inflate("records-data"))), section, changed);
  };

  const addTools = () => {
    const codes = [...document.querySelectorAll(".page-code")];
    const contents = document.querySelector(".page-contents details");
    if (codes.length) {
      const tools = document.createElement("p");
      const button = document.createElement("button");
      tools.className = "page-tools";
      button.type = "button";
      button.textContent = "Show all code";
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        const open = button.getAttribute("aria-pressed") !== "true";
        codes.forEach((code) => { code.open = open; });
        button.setAttribute("aria-pressed", String(open));
      });
      tools.append(button);
      contents.append(tools);
    }
    const narrow = matchMedia("(max-width: 60rem)");
    const fold = () => { contents.open = !narrow.matches; };
    narrow.addEventListener("change", fold);
    fold();
    for (const code of document.querySelectorAll("code[data-copy]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "page-copy";
      button.textContent = "Copy";
      button.setAttribute("aria-label", `Copy ${code.textContent}`);
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(code.textContent);
          button.textContent = "Copied";
        } catch {
          getSelection().selectAllChildren(code);
          button.textContent = "Selected";
        }
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      });
      code.after(button);
    }
  };
  const followReading = () => {
    const links = new Map([...document.querySelectorAll(".page-contents a")].map((a) => [a.getAttribute("href").slice(1), a]));
    const headings = [...document.querySelectorAll("main h2[id], main h3[id]")].filter((h) => links.has(h.id));
    const mark = () => {
      const passed = headings.filter((heading) => heading.getBoundingClientRect().top < innerHeight * 0.3);
      links.forEach((link) => link.removeAttribute("aria-current"));
      if (passed.length) links.get(passed.at(-1).id).setAttribute("aria-current", "location");
    };
    let waiting = false;
    addEventListener("scroll", () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; mark(); });
    }, { passive: true });
    mark();
  };

  // A chart that is not drawn yet is printed as its table.
  const dataOf = (plot) => plot.closest("figure").querySelector(".page-data");
  const opened = [];
  addEventListener("beforeprint", () => {
    const undrawn = plots.filter((plot) => plot.dataset.drawn !== "yes").map(dataOf).filter((data) => data?.open === false);
    undrawn.forEach((data) => { data.open = true; });
    opened.push(...undrawn);
  });
  addEventListener("afterprint", () => { opened.splice(0).forEach((data) => { data.open = false; }); });

  addTools();
  followReading();
  openTable().catch(() => {}).then(drawAll).finally(() => { document.documentElement.dataset.figures = "ready"; });
})();
