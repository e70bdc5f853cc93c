"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const charts = read("charts");
  // Text and axes take the page's colour of text: light, dark and print need no drawing anew.
  const ink = "currentColor";
  const axis = {
    labelColor: ink, titleColor: ink, domainColor: ink, tickColor: ink, gridColor: ink,
    gridOpacity: 0.12, labelLimit: 150, titleFontWeight: "normal",
  };
  const config = {
    background: null, aria: false, font: "system-ui, sans-serif", view: { stroke: null },
    axis, legend: { labelColor: ink, titleColor: ink, orient: "bottom", columns: 4, labelLimit: 140 },
    numberFormat: ".4~g",
  };

  const draw = async () => {
    for (const element of document.querySelectorAll("[data-chart]")) {
      const spec = charts[element.dataset.chart];
      const inside = element.appendChild(document.createElement("div"));
      await vegaEmbed(inside, spec, { actions: false, renderer: "svg", config });
      // The figure around it is named; Vega's roles are too new for some readers of screens.
      for (const name of ["role", "aria-label", "aria-roledescription"]) {
        inside.removeAttribute(name);
      }
      element.dataset.drawn = "yes";
      await new Promise((next) => setTimeout(next));
    }
    document.documentElement.dataset.ready = "yes";
  };

  // The rows behind a figure, when they are asked for.
  const MOST = 300;
  const listRows = (spec) => {
    const layers = spec.layer || [];
    const own = [spec, ...layers].filter((part) => part.data).map((part) => part.data.values);
    return own.reduce((longest, rows) => (rows.length > longest.length ? rows : longest), []);
  };
  const cell = (row, tag, value) => {
    const isLarge = typeof value === "number" && Math.abs(value) >= 1000;
    const text = isLarge ? Math.round(value).toLocaleString("en") : String(value ?? "");
    row.appendChild(document.createElement(tag)).textContent = text;
  };
  const tabulate = (holder, rows) => {
    const table = document.createElement("table");
    table.className = "plain";
    const names = Object.keys(rows[0] || {});
    const head = table.createTHead().insertRow();
    names.forEach((name) => cell(head, "th", name));
    const body = table.createTBody();
    rows.slice(0, MOST).forEach((row) => {
      const line = body.insertRow();
      names.forEach((name) => cell(line, "td", row[name]));
    });
    holder.replaceChildren(table);
    if (rows.length > MOST) {
      const note = document.createElement("p");
      note.textContent = `The first ${MOST} of ${rows.length} rows.`;
      holder.append(note);
    }
  };
  for (const holder of document.querySelectorAll("[data-rows]")) {
    holder.closest("details").addEventListener("toggle", () => {
      if (!holder.firstChild) tabulate(holder, listRows(charts[holder.dataset.rows]));
    });
  }

  // Posts: sorted by a column, filtered by list and by words.
  const posts = document.getElementById("posts-table");
  if (posts) {
    const body = posts.tBodies[0];
    const words = document.getElementById("posts-words");
    const list = document.getElementById("posts-list");
    const count = document.getElementById("posts-count");
    const filter = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of body.rows) {
        const text = row.textContent.toLowerCase();
        const fits = !list.value || row.dataset.lists.split(" ").includes(list.value);
        row.hidden = !(fits && wanted.every((word) => text.includes(word)));
        shown += !row.hidden;
      }
      count.textContent = `${shown} of ${body.rows.length} posts`;
    };
    words.addEventListener("input", filter);
    list.addEventListener("change", filter);
    filter();
    posts.tHead.addEventListener("click", (event) => {
      const head = event.target.closest("th");
      if (!event.target.closest("button")) return;
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of posts.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (row) => row.cells[head.cellIndex].dataset.value;
      const order = (a, b) => {
        const [x, y] = [value(a), value(b)];
        const difference = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
        return up ? difference : -difference;
      };
      body.append(...[...body.rows].sort(order));
    });
  }
  draw();
})();
