"use strict";
// The table of records: sorted, searched and filtered here; whatever a record says is only ever text.
const openRecords = (data, section, changed) => {
  const PAGE = 50;
  const [WIDE, LONG] = [40, 60];
  const { total, columns, cube } = data;
  const count = columns.length ? columns[0].values.length : 0;
  const state = { chosen: new Map(), ranges: new Map(), search: "", by: null, falls: false, page: 0 };
  const comma = (number) => number.toLocaleString("en-US", { maximumFractionDigits: 6 });
  const nouns = (number) => `${comma(number)} record${number === 1 ? "" : "s"}`;
  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    element.append(...children);
    return element;
  };
  columns.forEach((column) => { column.labels ??= []; });
  const textOf = (column, row) => {
    const value = column.values[row];
    if (column.kind === "category") return column.labels[value] ?? "";
    return typeof value === "number" ? comma(value) : value ?? "";
  };
  let rows = [];
  let lower = null;

  const holds = (row) => {
    lower ??= Array.from({ length: count }, (_, at) => columns.map((c) => textOf(c, at)).join("\n").toLowerCase());
    return lower[row].includes(state.search);
  };
  const passes = (row) => {
    for (const [column, codes] of state.chosen) if (!codes.has(column.values[row])) return false;
    for (const [column, [low, high]] of state.ranges) {
      const value = column.values[row];
      if (typeof value !== "number" || value < low || value > high) return false;
    }
    return !state.search || holds(row);
  };
  const compare = (column) => {
    const keys = column.kind === "category" ? column.values.map((code) => column.labels[code] ?? null) : column.values;
    const turn = state.falls ? -1 : 1;
    return (one, two) => {
      const [a, b] = [keys[one], keys[two]];
      if (a === null || b === null) return (a === null) - (b === null) || one - two;
      const order = typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a < typeof b ? -1 : 1;
      return turn * order || one - two;
    };
  };

  const status = make("p", { role: "status", class: "page-count" });
  const body = make("tbody", {});
  const where = make("span", {});
  const step = (name, by) => {
    const button = make("button", { type: "button" }, name);
    button.addEventListener("click", () => { state.page += by; show(); });
    return button;
  };
  const [previous, next] = [step("Previous", -1), step("Next", 1)];
  const cell = (column, row) => {
    const text = String(textOf(column, row));
    const isNumber = column.kind === "number";
    const kind = { "data-name": column.name };
    if (isNumber || text.length > WIDE) kind[isNumber ? "data-number" : "data-long"] = "";
    if (text.length <= LONG) return make("td", kind, make("p", {}, text));
    const first = `${text.slice(0, LONG)}…`;
    return make("td", kind, make("details", {}, make("summary", {}, first), make("p", {}, text)));
  };
  const show = () => {
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    state.page = Math.min(Math.max(state.page, 0), pages - 1);
    const first = state.page * PAGE;
    const shown = rows.slice(first, first + PAGE);
    body.replaceChildren(...shown.map((row) => make("tr", {}, ...columns.map((column) => cell(column, row)))));
    where.textContent = shown.length ? `${comma(first + 1)} to ${comma(first + shown.length)} of ${comma(rows.length)}` : "No rows";
    // A button that goes out while it has the focus would lose the place of the keyboard.
    previous.setAttribute("aria-disabled", String(state.page === 0));
    next.setAttribute("aria-disabled", String(state.page === pages - 1));
  };
  const update = () => {
    rows = Array.from({ length: count }, (_, row) => row).filter(passes);
    if (state.by) rows.sort(compare(state.by));
    state.page = 0;
    const chosen = select();
    const here = `${comma(rows.length)} of ${nouns(count)}`;
    const filtered = chosen.exact ? `${comma(chosen.number)} of ${nouns(total)}; ${here} in this file` : `${here} in this file, a sample of ${nouns(total)}`;
    const sample = chosen.isFiltered ? filtered : `${nouns(total)}, ${comma(count)} of them in this file`;
    status.textContent = count < total ? sample : here;
    show();
    changed(chosen, status.textContent);
  };

  // What is chosen, for charts: all rows that pass where all are here or the cube counts them, else a sample.
  const place = (value, edges) => {
    if (typeof value !== "number" || value < edges[0] || value > edges.at(-1)) return -1;
    const above = edges.findIndex((edge) => edge > value);
    return Math.max(0, (above < 0 ? edges.length - 1 : above) - 1);
  };
  const every = (value) => Array(count).fill(value);
  let ofRows = null;
  // The rows of this file as a cube: each is a cell of one record.
  const countRows = () => {
    const categories = columns.filter((column) => column.kind === "category");
    const bins = cube.bins.map(({ name, column, edges }) => {
      const { values } = columns.find((each) => each.kind === "number" && each.name === column);
      return { name, cells: [...values.keys()], places: values.map((value) => place(value, edges)), counts: every(1) };
    });
    return { dims: categories.map(({ name }) => name), cells: categories.map(({ values }) => values), counts: every(1), bins };
  };
  const select = () => {
    const isFiltered = state.chosen.size > 0 || state.ranges.size > 0 || state.search !== "";
    const isCounted = count < total && !state.search && !state.ranges.size
      && [...state.chosen.keys()].every((column) => cube.dims.includes(column.name));
    const { dims, cells, counts, bins } = isCounted ? cube : (ofRows ??= countRows());
    const dim = (name) => cells[dims.indexOf(name)];
    const wanted = [...state.chosen].map(([column, codes]) => [dim(column.name), codes]);
    const passed = isCounted ? counts.map((_, cell) => wanted.every(([codes, some]) => some.has(codes[cell]))) : every(false);
    if (!isCounted) rows.forEach((row) => { passed[row] = true; });
    const items = (along) => {
      const binned = bins.find((each) => each.name === along);
      const codes = dim(along);
      if (along && !binned && !codes) return null;
      const listed = binned
        ? binned.cells.map((cell, at) => [cell, binned.places[at], binned.counts[at]])
        : counts.map((number, cell) => [cell, codes?.[cell] ?? 0, number]);
      return listed.filter(([cell]) => passed[cell]);
    };
    const number = counts.reduce((sum, each, cell) => sum + (passed[cell] ? each : 0), 0);
    const code = (name) => dim(name) && ((cell) => dim(name)[cell]);
    return { isFiltered, exact: isCounted || count === total, number, items, code };
  };

  const heads = columns.map((column) => {
    const button = make("button", { type: "button", class: "page-sort" }, column.name);
    const head = make("th", { scope: "col" }, button);
    if (column.kind === "number") head.setAttribute("data-number", "");
    button.addEventListener("click", () => {
      const again = state.by === column;
      state.falls = again && !state.falls;
      state.by = again && !state.falls ? null : column;
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      if (state.by) head.setAttribute("aria-sort", state.falls ? "descending" : "ascending");
      update();
    });
    return head;
  });

  const panel = (column, ...children) => {
    const told = make("span", { class: "page-filter-set" });
    const inner = make("fieldset", {}, make("legend", { class: "page-hidden" }, column.name), ...children);
    const details = make("details", { class: "page-filter" });
    details.append(make("summary", {}, column.name, told), inner);
    details.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      details.open = false;
      details.querySelector("summary").focus();
    });
    details.tell = (text) => { told.textContent = text ? `: ${text}` : ""; };
    return details;
  };
  const choose = (column) => {
    const sums = new Map();
    const counted = count < total ? cube.cells[cube.dims.indexOf(column.name)] : null;
    (counted ?? column.values).forEach((code, at) => sums.set(code, (sums.get(code) ?? 0) + (counted ? cube.counts[at] : 1)));
    const codes = [...sums.keys()].sort((a, b) => (a < 0) - (b < 0) || a - b);
    if (codes.length < 2) return null;
    const boxes = codes.map((code) => make("input", { type: "checkbox", value: code }));
    const label = (code) => column.labels[code] ?? "none";
    const lines = codes.map((code, at) => {
      const number = count === total || counted ? ` (${comma(sums.get(code))})` : "";
      return make("label", {}, boxes[at], ` ${label(code)}${number}`);
    });
    const details = panel(column, ...lines);
    details.addEventListener("change", () => {
      const wanted = codes.filter((_, at) => boxes[at].checked);
      state.chosen.delete(column);
      if (wanted.length) state.chosen.set(column, new Set(wanted));
      details.tell(wanted.length > 1 ? `${wanted.length} chosen` : wanted.map(label).join());
      update();
    });
    return details;
  };
  const range = (column) => {
    const ends = ["from", "to"].map(() => make("input", { type: "number", step: "any" }));
    const lines = ["from", "to"].map((word, at) => make("label", {}, `${word} `, ends[at]));
    const details = panel(column, ...lines);
    details.addEventListener("change", () => {
      const [low, high] = ends.map((end) => end.value);
      state.ranges.delete(column);
      if (low || high) state.ranges.set(column, [low ? Number(low) : -Infinity, high ? Number(high) : Infinity]);
      details.tell(low && high ? `${low} to ${high}` : low ? `from ${low}` : high ? `to ${high}` : "");
      update();
    });
    return details;
  };
  const search = make("input", { type: "search", id: "records-search", autocomplete: "off" });
  search.addEventListener("input", () => { state.search = search.value.trim().toLowerCase(); update(); });
  const filters = columns
    .filter((column) => ["category", "number"].includes(column.kind) && column.name !== "row")
    .filter((column) => column.kind === "category" || column.values.some((value) => value !== column.values[0]))
    .map((column) => (column.kind === "category" ? choose(column) : range(column)))
    .filter(Boolean);
  const clear = make("button", { type: "reset" }, "Clear");
  const form = make("form", { class: "page-filters", role: "search", "aria-label": "Filter the records" });
  form.append(make("label", { for: "records-search" }, "Search "), search, clear, ...filters);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    state.chosen.clear();
    state.ranges.clear();
    state.search = "";
    filters.forEach((details) => { details.tell(""); details.open = false; });
    update();
  });
  for (const type of ["pointerdown", "focusin"]) {
    document.addEventListener(type, ({ target }) => {
      filters.filter((details) => !details.contains(target)).forEach((details) => { details.open = false; });
    });
  }
  addEventListener("beforeprint", () => { state.page = 0; show(); });

  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body);
  const frame = make("div", { class: "page-table", tabindex: "0", role: "group", "aria-label": "Records" }, table);
  if (columns.length > 9) frame.setAttribute("data-wide", "");
  const pager = make("p", { class: "page-pager" }, previous, " ", where, " ", next);
  section.querySelector("[data-waiting]").replaceWith(form, status, frame, pager);
  update();
  return { total, sample: count, select, clear: () => form.reset(), section };
};
