// Charts drawn anew for the records that are chosen, where their numbers are known; of a sample shares only.
const followChosen = (() => {
  const comma = (number) => number.toLocaleString("en-US");
  const sum = (numbers) => numbers.reduce((all, each) => all + each, 0);
  const percent = (part, whole) => {
    if (!whole) return "";
    const share = (100 * part) / whole;
    if (part && share < 0.1) return "&lt;0.1 %";
    if (part !== whole && share > 99.9) return "&gt;99.9 %";
    return `${share === 0 || share === 100 ? share : share.toFixed(1)} %`;
  };
  // How many of the chosen are at each place that a trace draws.
  const tally = (told, chosen, also = {}) => {
    const items = chosen.items(told.along ?? "");
    const only = Object.entries({ ...told.only, ...also }).map(([name, at]) => [chosen.code(name), at]);
    if (!items || only.some(([code]) => !code)) return null;
    const places = new Map(told.bars.map((bar, place) => [bar, place]));
    const counts = told.bars.map(() => 0);
    for (const [at, bar, number] of items) {
      const place = places.get(bar);
      if (place !== undefined && only.every(([code, wanted]) => code(at) === wanted)) counts[place] += number;
    }
    return counts;
  };
  const axisOf = (layout, trace, key) => layout[`${key}axis${(trace[`${key}axis`] ?? key).slice(1)}`];
  const setRange = (axis, most, title, exact) => {
    axis.range = [0, most || 1];
    delete axis.dtick;
    if (exact && most < 8) axis.dtick = 1;
    if (!exact) axis.title = { ...axis.title, text: title };
  };
  const rename = (axis, counts, exact) => {
    const whole = sum(counts);
    const size = (text, at) => (exact ? text.replace(/[\d,]+/, comma(counts[at])) : "");
    const part = (at) => `${exact ? `${comma(counts[at])} ` : ""}(${percent(counts[at], whole) || "0 %"})`;
    axis.ticktext = axis.ticktext?.map((text, at) => {
      const named = text.replace(/\s*\(n\s=\s[\d,]+\)$/, (found) => size(found, at));
      return named === text && !/\(n\s=/.test(text) ? text.replace(/[\d,]+\s\([^()]*\)$/, part(at)) : named;
    });
  };
  const draws = {
    shares: ({ data, layout }, counts, exact) => {
      const totals = counts[0].map((_, at) => sum(counts.map((each) => each[at])));
      data.forEach((trace, number) => {
        const labels = counts[number].map((count, at) => percent(count, totals[at]));
        trace.x = counts[number].map((count, at) => (totals[at] ? (100 * count) / totals[at] : 0));
        trace.text = labels.map((label, at) => (trace.x[at] >= 6 ? label : ""));
        trace.hovertext = labels.map((label, at) =>
          (exact ? `${comma(counts[number][at])} of ${comma(totals[at])} (${label})` : label));
      });
      rename(layout.yaxis, totals, exact);
    },
    bars: ({ data, layout }, counts, exact) => {
      const totals = counts[0].map((_, at) => sum(counts.map((each) => each[at])));
      const unit = exact ? 1 : 100 / (sum(totals) || 1);
      rename(layout.yaxis, totals, exact);
      data.forEach((trace, number) => {
        trace.x = counts[number].map((count) => unit * count);
        if (trace.hovertext) trace.hovertext = layout.yaxis.ticktext;
        else if (!exact) trace.hovertemplate = "%{x:.1f} %<br>%{customdata}<extra></extra>";
      });
      setRange(layout.xaxis, 1.02 * unit * Math.max(...totals), "share (%)", exact);
    },
    bins: ({ data, layout }, counts, exact) => {
      data.forEach((trace, number) => {
        const unit = exact ? 1 : 100 / (sum(counts[number]) || 1);
        trace.y = counts[number].map((count) => unit * count);
        if (!exact) trace.hovertemplate = "%{customdata}: %{y:.1f} %<extra></extra>";
        setRange(axisOf(layout, trace, "y"), 1.18 * unit * Math.max(...counts[number]), "share (%)", exact);
      });
      // What is marked in it is said of the whole run; of a name above a part the name stays.
      layout.shapes = [];
      layout.annotations = layout.annotations?.filter((note) => note.text.startsWith("<b>"))
        .map((note) => ({ ...note, text: note.text.replace(/<\/b>.*/s, "</b>") }));
    },
    cut: ({ data, layout }, counts, exact) => {
      const z = 1.96;
      data.forEach((trace, number) => {
        const { cut, all } = counts[number];
        const shares = all.map((count, at) => (count ? cut[at] / count : null));
        const spread = shares.map((share, at) => {
          if (share === null) return [0, 0];
          const n = all[at];
          const middle = share + z ** 2 / (2 * n);
          const half = z * Math.sqrt((share * (1 - share)) / n + z ** 2 / (4 * n ** 2));
          const scale = 1 + z ** 2 / n;
          return [Math.max(0, (middle + half) / scale - share), Math.max(0, share - (middle - half) / scale)];
        });
        trace.y = shares.map((share) => (share === null ? null : 100 * share));
        trace.customdata = all;
        Object.assign(trace.error_y, { array: spread.map(([up]) => 100 * up), arrayminus: spread.map(([, down]) => 100 * down) });
        if (!exact) trace.hovertemplate = "%{x:,.0f} input tokens: %{y:.1f} % cut off<extra></extra>";
        const tops = trace.y.map((share, at) => share + trace.error_y.array[at]);
        axisOf(layout, trace, "y").range = [0, Math.min(100, Math.max(5, 1.15 * Math.max(...tops)))];
      });
    },
  };
  const count = ({ draws: how, traces }, chosen) => traces.map((told) => {
    const all = told && tally(told, chosen);
    if (how !== "cut" || !all) return all;
    const [name, length, silent] = told.cut;
    const [cut, none] = [length, silent].map((code) => tally(told, chosen, { [name]: code }));
    return cut && { cut, all: all.map((number, at) => number - none[at]) };
  });
  // The numbers of all records must be those that are drawn: else it is a chart of something else.
  const isAbout = (spec, follows, whole) => {
    const counts = count(follows, whole);
    if (counts.length !== spec.data.length || counts.some((each) => !each)) return false;
    const anew = structuredClone(spec);
    draws[follows.draws](anew, counts, true);
    const drawn = (trace) => (follows.draws === "cut" ? trace.customdata : follows.draws === "bins" ? trace.y : trace.x);
    return spec.data.every((trace, at) => drawn(trace).length === drawn(anew.data[at]).length
      && drawn(trace).every((number, place) => Math.abs(number - drawn(anew.data[at])[place]) < 0.001));
  };
  return (spec, whole, chosen) => {
    const follows = spec.layout.meta?.follows;
    if (!follows || !isAbout(spec, follows, whole)) return "";
    const counts = count(follows, chosen);
    if (counts.some((each) => !each)) return "";
    draws[follows.draws](spec, counts, chosen.exact);
    return follows.name;
  };
})();
