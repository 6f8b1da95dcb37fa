"""What is amiss in the charts of an open report: a text outside its figure, or across another."""

from typing import Any

FIND_CROSSED = """
() => {
  const SLACK = 1.5;
  const corners = (text) => {
    const box = text.getBBox(), to = text.getScreenCTM();
    const spread = [[0, 0], [1, 0], [1, 1], [0, 1]];
    const place = ([x, y]) => new DOMPoint(box.x + x * box.width, box.y + y * box.height);
    return spread.map((corner) => place(corner).matrixTransform(to));
  };
  const sides = (points) => points.map((point, at) => {
    const next = points[(at + 1) % 4], length = Math.hypot(next.x - point.x, next.y - point.y) || 1;
    return { x: (next.x - point.x) / length, y: (next.y - point.y) / length };
  });
  const span = (points, along) => {
    const places = points.map((point) => point.x * along.x + point.y * along.y);
    return [Math.min(...places), Math.max(...places)];
  };
  // Two boxes are apart where along a side of one of them their shadows are.
  const cross = (one, other) => [...sides(one), ...sides(other)].every((along) => {
    const [a, b] = span(one, along), [c, d] = span(other, along);
    return Math.min(b, d) - Math.max(a, c) > SLACK;
  });
  const rectangle = (element) => {
    const box = element.getBoundingClientRect();
    return [[box.left, box.top], [box.right, box.top], [box.right, box.bottom], [box.left, box.bottom]]
      .map(([x, y]) => ({ x, y }));
  };
  const seen = { opacityProperty: true, visibilityProperty: true };
  const found = [];
  for (const plot of document.querySelectorAll(".page-plot[data-drawn=yes]")) {
    const name = plot.closest("figure").getAttribute("aria-label");
    const edge = plot.getBoundingClientRect();
    const texts = [...plot.querySelectorAll("svg text")]
      .filter((text) => text.textContent.trim() && text.checkVisibility(seen))
      .map((text) => ({ says: text.textContent, at: corners(text) }));
    for (const { says, at } of texts) {
      const inside = at.every(({ x, y }) => x >= edge.left - SLACK && x <= edge.right + SLACK
        && y >= edge.top - SLACK && y <= edge.bottom + SLACK);
      if (!inside) found.push(`${name}: ${says} is outside`);
    }
    texts.forEach((one, place) => texts.slice(place + 1).forEach((other) => {
      if (cross(one.at, other.at)) found.push(`${name}: ${one.says} crosses ${other.says}`);
    }));
    const buttons = plot.querySelector(".modebar");
    for (const legend of plot.querySelectorAll(".legend")) {
      if (buttons && cross(rectangle(legend), rectangle(buttons))) found.push(`${name}: a legend is hidden`);
    }
  }
  return found;
}
"""


def list_crossed(page: Any) -> list[str]:
    """Describe every text of a chart that is outside its figure or crosses another, by oriented boxes."""
    found: list[str] = page.evaluate(FIND_CROSSED)
    return found
