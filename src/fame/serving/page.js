"use strict";
// One page, no library: drafts in, predictions and reasons out, all through the API of this host.

const state = { run: null, count: 0 };
const find = (selector, within = document) => within.querySelector(selector);

function make(name, text = "", attributes = {}) {
  const element = document.createElement(name);
  element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

const round = (value) => value.toFixed(2);
const signed = (value) => (round(Math.abs(value)) === "0.00" ? "0.00" : (value > 0 ? "+" : "−") + round(Math.abs(value)));
const change = (value) => ({ text: signed(value), kind: signed(value) === "0.00" ? "muted" : value > 0 ? "up" : "down" });
const title = (name) => (name.charAt(0).toUpperCase() + name.slice(1)).replaceAll("_", " ");
const percent = (value) => `${Math.round(100 * value)} %`;

async function ask(path, options, headers = new Map()) {
  const response = await fetch(path, options);
  response.headers.forEach((value, name) => headers.set(name, value));
  const isJson = (response.headers.get("content-type") || "").includes("json");
  const content = isJson ? await response.json() : await response.text();
  if (!response.ok) throw new Error(isJson ? content.error : `status ${response.status}`);
  return content;
}

const post = (body) => ask("/api/predict", {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
});

// Drafts

function addDraft(values = {}, picture = null) {
  const draft = find("#draft").content.cloneNode(true).firstElementChild;
  state.count += 1;
  find("h3", draft).textContent = `Draft ${state.count}`;
  for (const name of state.run.categories) {
    const label = make("label", title(name));
    label.append(make("input", "", { name: `category:${name}`, maxlength: 300, list: `values:${name}` }));
    find(".categories", draft).append(label);
  }
  const numbers = find(".numbers", draft);
  numbers.hidden = !state.run.numbers.length;
  for (const name of state.run.numbers) {
    const label = make("label", title(name));
    label.append(make("input", "", { name: `number:${name}`, type: "number", step: "any" }));
    numbers.append(label);
  }
  for (const [name, value] of Object.entries(values)) find(`[name="${CSS.escape(name)}"]`, draft).value = value;
  draft.picture = picture;
  showPicture(draft);
  connect(draft);
  find("#drafts").append(draft);
  return draft;
}

function connect(draft) {
  const input = find("[name=image]", draft), drop = find(".drop", draft);
  const take = (file) => { draft.picture = file; showPicture(draft); };
  input.addEventListener("change", () => take(input.files[0] || null));
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    });
  }
  find("form", draft).addEventListener("submit", (event) => event.preventDefault());
  find("form", draft).addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("input:not([type=file])")) predict();
  });
  find(".copy", draft).addEventListener("click", () => {
    const copy = addDraft(readForm(draft), draft.picture);
    find(".numbers", copy).open = find(".numbers", draft).open;
    find("[name=title]", copy).focus();
  });
  find(".remove", draft).addEventListener("click", () => {
    draft.remove();
    if (!find(".draft")) addDraft();
    find("#add").focus();
  });
}

function showPicture(draft) {
  const preview = find(".preview", draft);
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.hidden = !draft.picture;
  const held = new DataTransfer();  // a dropped or copied picture is named as a chosen one
  if (draft.picture) held.items.add(draft.picture);
  find("[name=image]", draft).files = held.files;
  if (draft.picture) {
    preview.src = URL.createObjectURL(draft.picture);
    preview.alt = `Picture of ${find("h3", draft).textContent}`;
  } else preview.removeAttribute("src");
}

function readForm(draft) {
  const values = {};
  for (const field of find("form", draft).elements) {
    if (field.name && field.type !== "file") values[field.name] = field.value;
  }
  return values;
}

function encode(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(",")[1] || "");
    reader.onerror = () => reject(new Error("the picture cannot be read"));
    reader.readAsDataURL(file);
  });
}

async function readDraft(draft) {
  const values = readForm(draft), body = { id: find("h3", draft).textContent, categories: {}, numbers: {} };
  for (const [name, value] of Object.entries(values)) {
    if (!value.trim()) continue;
    if (name.startsWith("category:")) body.categories[name.slice(9)] = value.trim();
    else if (name.startsWith("number:")) body.numbers[name.slice(7)] = Number(value);
    else if (name === "tags") body.tags = value.split(",").map((tag) => tag.trim()).filter(Boolean);
    else body[name] = value;
  }
  if (draft.picture) body.image = await encode(draft.picture);
  return body;
}

// Answers

async function predict() {
  await busy("#predict", "#status", async () => {
    const drafts = [...document.querySelectorAll(".draft")];
    const answer = await post({ posts: await Promise.all(drafts.map(readDraft)) });
    drafts.forEach((draft, place) => showResult(draft, answer.posts[place], answer.unit));
    compare(answer.posts);
    find(".result").scrollIntoView({ block: "nearest" });
    return `${drafts.length} ${drafts.length === 1 ? "draft" : "drafts"} scored`;
  });
}

async function busy(button, status, work) {
  const line = typeof status === "string" ? find(status) : status;
  const pressed = typeof button === "string" ? find(button) : button;
  pressed.disabled = true;
  line.className = "";
  line.textContent = "Working…";
  try {
    line.textContent = await work();
  } catch (error) {
    line.className = "error";
    line.textContent = error.message;
  } finally {
    pressed.disabled = false;
  }
}

function showResult(draft, row, unit) {
  const result = find(".result", draft);
  const counts = row.count !== null, whole = (count) => Math.round(count).toLocaleString("en");
  const count = counts ? `, a count of about ${whole(row.count)}` : "";
  const headline = make("p", "", { class: "headline" });
  headline.append(make("span", round(row.prediction), { class: "number" }), ` ${unit}${count}`);
  const { lowest, highest } = state.run.training, ends = make("p", "", { class: "ends muted" });
  ends.append(make("span", `${round(lowest)}, lowest training post`), make("span", `${round(highest)}, highest`));
  result.replaceChildren(headline, drawIntervals(row), ends);
  const shares = Object.entries(row.intervals).map(
    ([share, [low, high]]) => `${share} % of such posts: ${round(low)} to ${round(high)}`
      + (counts ? ` (${whole(toCount(low))} to ${whole(toCount(high))})` : ""));
  result.append(make("p", shares.join("; ")));
  const past = row.author_posts;
  const known = past === 1 ? "1 earlier training post of this author is known"
    : `${past} earlier training posts of this author are known`;
  const author = row.author === "known"
    ? (past ? known : "This author has training posts, but none that counts as earlier")
    : "New author: no past to go by, so the interval is of new authors";
  const places = [`Above ${percent(row.above_all)} of all training posts`];
  if (row.above_author !== null) places.push(`above ${percent(row.above_author)} of the author's`);
  result.append(make("p", `${places.join(", ")}. ${author}.`));
  for (const note of row.notes) result.append(make("p", `Note: ${note}`, { class: "muted" }));
  const actions = make("p", "", { class: "actions" }), status = make("p", "", { role: "status" });
  const why = make("button", "Why?", { type: "button", class: "why" });
  const hours = make("button", "What if: other hours", { type: "button", class: "hours" });
  const shown = make("div");
  why.addEventListener("click", () => busy(why, status, () => showReasons(draft, shown)));
  hours.addEventListener("click", () => busy(hours, status, () => showHours(draft, shown)));
  actions.append(why, hours);
  result.append(actions, status, shown);
}

function drawIntervals(row) {
  const { lowest, highest } = state.run.training;
  const place = (value) => 2 + 96 * Math.min(1, Math.max(0, (value - lowest) / (highest - lowest || 1)));
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const spans = Object.values(row.intervals).sort((a, b) => (b[1] - b[0]) - (a[1] - a[0]));
  svg.setAttribute("viewBox", "0 0 100 20");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label",
    `Prediction and intervals between the lowest (${round(lowest)}) and highest (${round(highest)}) training post`);
  const line = (kind, from, to) => {
    const element = document.createElementNS(svg.namespaceURI, "line");
    const ends = { class: kind, x1: place(from), x2: place(to), y1: 10, y2: 10 };
    for (const [key, value] of Object.entries(ends)) element.setAttribute(key, value);
    svg.append(element);
  };
  line("axis", lowest, highest);
  spans.forEach(([low, high], number) => line(number === spans.length - 1 ? "narrow" : "wide", low, high));
  const mark = document.createElementNS(svg.namespaceURI, "rect");
  const box = { class: "mark", x: place(row.prediction) - 0.4, y: 3, width: 0.8, height: 14 };
  for (const [key, value] of Object.entries(box)) mark.setAttribute(key, value);
  svg.append(mark);
  return svg;
}

// Of log2(count + 1), as the server has counts too.
const toCount = (value) => Math.max(0, 2 ** value - 1);

const halfWidth = (row) => Math.min(...Object.values(state.run.half_widths[row.author]));

function tell(difference, width) {
  return Math.abs(difference) < width
    ? { text: `no difference (${signed(difference)})`, kind: "muted" } : change(difference);
}

function compare(rows) {
  const place = find("#comparison");
  place.replaceChildren();
  if (rows.length < 2) return;
  const best = rows.reduce((one, other) => (other.prediction > one.prediction ? other : one));
  place.append(make("h3", "Side by side"), table(
    ["Draft", "Prediction", "Against the best"],
    rows.map((row) => [row.id, round(row.prediction),
      row === best ? "best" : tell(row.prediction - best.prediction, halfWidth(row))])));
  place.append(make("p", "“No difference”: within the narrowest interval around the prediction.", { class: "muted" }));
}

function table(head, rows) {
  const made = make("table"), first = make("tr"), top = make("thead"), body = make("tbody");
  head.forEach((name, number) => first.append(make("th", name, { scope: "col", class: number ? "value" : "" })));
  for (const row of rows) {
    const line = make("tr");
    row.forEach((cell, number) => {
      const { text, kind = "" } = cell.text === undefined ? { text: cell } : cell;
      line.append(number ? make("td", text, { class: `value ${kind}` }) : make("th", text, { scope: "row" }));
    });
    body.append(line);
  }
  top.append(first);
  made.append(top, body);
  return made;
}

async function showReasons(draft, shown) {
  const answer = await post({ posts: [await readDraft(draft)], explain: true });
  const row = answer.posts[0], reasons = row.reasons, width = halfWidth(row);
  const byName = Object.entries(reasons.parts).sort((one, other) => Math.abs(other[1]) - Math.abs(one[1]));
  const parts = byName.map(([name, value]) => [title(name), change(value)]);
  const sum = table(["Part", answer.unit],
    [["Start: no post in particular", round(reasons.base)], ...parts, ["Prediction", round(reasons.prediction)]]);
  find("tbody", sum).lastElementChild.className = "total";
  const without = listWithout(reasons.without).map(([name, value]) => [name, tell(value, width)]);
  shown.replaceChildren(make("h4", "What adds up to the prediction"), sum);
  if (byName.some(([name]) => name.endsWith("not broken down"))) {
    shown.append(make("p", "A learner that is not broken down counts as one part: what it says above or below the mean.", { class: "muted" }));
  }
  shown.append(
    make("h4", "Columns that add most"),
    table(["Column", "Value", "Adds"], reasons.columns.map((one) => [nameColumn(one.column), tellValue(one.value), change(one.adds)])),
    make("h4", "What if it were left out (association)"));
  if (without.every(([, one]) => one.kind === "muted")) {
    shown.append(make("p", "None of these makes a difference beyond the interval.", { class: "muted" }));
  }
  shown.append(table(["Left out", "It adds"], without));
  if (reasons.similar.length) {
    shown.append(make("h4", "Most similar training posts"), table(["Post", "Likeness", `Real ${answer.unit}`],
      reasons.similar.map((one) => [one.title || one.post_id, round(one.similarity), tellPopularity(one)])));
    shown.append(make("p", `${percent(reasons.farther_than)} of the training posts have a nearer neighbour than this post has.`));
  }
  return "Reasons shown";
}

const nameColumn = (name) => title(name.replace(/^meta\./, "").replace(".", ": "));

function tellValue(value) {
  if (value === null) return "missing";
  return typeof value === "number" ? String(Number(value.toPrecision(4))) : value;
}

function tellPopularity(post) {
  const count = post.count === undefined ? "" : ` (${Math.round(post.count).toLocaleString("en")})`;
  return round(post.popularity) + count;
}

function listWithout(without) {
  const found = [];
  for (const [kind, label] of [["tags", "tag"], ["words", "word"]]) {
    for (const [name, value] of Object.entries(without[kind])) found.push([`${label} ${name}`, value]);
  }
  for (const kind of ["text", "picture"]) {
    if (kind in without) found.push([kind === "text" ? "all text" : "the picture", without[kind]]);
  }
  return found.sort((one, other) => Math.abs(other[1]) - Math.abs(one[1]));
}

async function showHours(draft, shown) {
  const body = await readDraft(draft);
  if (!body.time) throw new Error("give a time of posting first");
  const day = body.time.split("T")[0];
  const hours = Array.from({ length: 12 }, (_, number) => String(2 * number).padStart(2, "0"));
  const posts = [body, ...hours.map((hour) => ({ ...body, id: `${hour}:00`, time: `${day}T${hour}:00` }))];
  const [own, ...others] = (await post({ posts })).posts;
  shown.replaceChildren(
    make("h4", "The same post at other hours (association)"),
    table(["Hour", "Prediction", "Against the draft"], others.map((row) => [
      row.id, round(row.prediction), tell(row.prediction - own.prediction, halfWidth(own))])));
  return "Hours shown";
}

// Many posts, and what the models are worth

function connectCsv() {
  const input = find("#csv");
  input.addEventListener("change", () => input.files[0] && busy(input, "#csv-status", async () => {
    const headers = new Map();
    const text = await ask("/api/predict.csv", {
      method: "POST", headers: { "content-type": "text/csv" }, body: input.files[0],
    }, headers);
    const link = make("a", "Download predictions.csv", { download: "predictions.csv", id: "csv-result" });
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    const old = find("#csv-result");
    if (old) old.remove();
    find("#csv-status").after(link);
    const found = JSON.parse(headers.get("fame-read") || "[]");
    const scored = text.trim().split("\n").length - 1;
    return [`${scored} ${scored === 1 ? "post" : "posts"} scored`, ...found].join("; ");
  }));
}

function showQuality(run) {
  const held = run.training.holdout, parts = [];
  if (held.fame) parts.push(`rank correlation ${round(held.fame.src)}, mean error ${round(held.fame.mae)}`);
  if (held.median) parts.push(`a constant guess has ${round(held.median.mae)}`);
  for (const share of run.intervals) {
    const entry = held[`interval_${share}`];
    if (entry) parts.push(`the ${share} % interval held ${percent(entry.coverage)} of posts`);
  }
  const left = Object.keys(run.left_out);
  if (left.length) parts.push(`without learner ${left.join(", ")}`);
  const whose = held.simulated ? "simulated posts" : "posts";
  const count = held.posts_holdout === undefined ? "" : `${held.posts_holdout.toLocaleString("en")} `;
  find("#quality").textContent =
    `Trained on ${run.training.posts.toLocaleString("en")} ${whose} by ${run.training.authors.toLocaleString("en")} `
    + `authors. On ${count}posts held out: ${parts.join("; ")}.`;
}

function offer(run) {
  for (const [name, values] of Object.entries(run.values)) {
    const list = make("datalist", "", { id: `values:${name}` });
    for (const value of values) list.append(make("option", "", { value }));
    document.body.append(list);
  }
  const columns = ["id", "title", "tags", "user", "time", ...run.categories, ...run.numbers];
  find("#csv-columns").textContent = `Columns that are read, each may be missing: ${columns.join(", ")}.`;
}

async function start() {
  find("#predict").addEventListener("click", predict);
  find("#add").addEventListener("click", () => find("[name=title]", addDraft()).focus());
  connectCsv();
  try {
    state.run = await ask("/api/run");
    showQuality(state.run);
    offer(state.run);
    addDraft();
  } catch (error) {
    find("#quality").textContent = error.message;
  }
}

start();
