(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("scripted");
  const byId = (id) => document.getElementById(id);

  // theme: the system's, until the reader chooses; "#dark" and "#light" in the address choose too
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  if (location.hash === "#dark" || location.hash === "#light") root.dataset.theme = location.hash.slice(1);
  byId("theme").addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; });

  // filter and sort
  const grid = byId("tiles");
  const tiles = [...grid.children];
  const chips = [...document.querySelectorAll(".chip")];
  const search = byId("search");
  const sort = byId("sort");
  const pressed = (key) => new Set(chips.filter((c) => key in c.dataset && c.getAttribute("aria-pressed") === "true").map((c) => c.dataset[key]));
  const shown = () => [...grid.children].filter((tile) => !tile.hidden && tile.querySelector("button.stage"));

  function filter() {
    const outcomes = pressed("outcome");
    const labels = pressed("label");
    const text = search.value.trim().toLowerCase();
    let count = 0;
    for (const tile of tiles) {
      const own = tile.dataset.labels ? tile.dataset.labels.split(" ") : [];
      tile.hidden = !(
        (!outcomes.size || outcomes.has(tile.dataset.outcome)) &&
        (!labels.size || own.some((label) => labels.has(label))) &&
        tile.dataset.id.toLowerCase().includes(text)
      );
      count += !tile.hidden;
    }
    byId("matching").textContent = count === tiles.length ? "" : `${count} of ${tiles.length}`;
    byId("none").hidden = count > 0;
  }

  function order() {
    const number = (tile, key, missing) => (key in tile.dataset ? Number(tile.dataset[key]) : missing);
    const compare = {
      rank: (a, b) => number(a, "rank", 0) - number(b, "rank", 0),
      score: (a, b) => number(b, "score", -1) - number(a, "score", -1) || number(a, "rank", 0) - number(b, "rank", 0),
      name: (a, b) => a.dataset.id.localeCompare(b.dataset.id, undefined, { numeric: true }),
    }[sort.value];
    grid.append(...[...tiles].sort(compare));
  }

  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
      filter();
    });
  }
  search.addEventListener("input", filter);
  sort.addEventListener("change", order);

  // enlarged picture
  const box = byId("box");
  let current = null;

  function show(tile) {
    current = tile;
    const copies = [...tile.querySelectorAll(".pane")].map((pane) => pane.cloneNode(true));
    for (const copy of copies) for (const named of copy.querySelectorAll("[id]")) named.removeAttribute("id");
    byId("panes").replaceChildren(...copies);
    const about = [tile.querySelector(".badge").textContent.trim(), ...[...tile.querySelectorAll(".iou, .score, .labels span")].map((e) => e.textContent.trim())];
    byId("box-about").textContent = `${tile.dataset.id}  ·  ${about.join("  ·  ")}`;
    const list = shown();
    byId("box-place").textContent = `${list.indexOf(tile) + 1} / ${list.length}`;
    if (!box.open) box.showModal();
  }

  // the page behind an open dialog is inert, so its switches have doubles here, with their first letters as keys
  const keys = new Map();
  for (const input of document.querySelectorAll(".switch")) {
    const word = document.querySelector(`[for="${input.id}"]`).textContent.trim();
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = word;
    button.title = `key ${word[0]}`;
    const paint = () => button.setAttribute("aria-pressed", String(input.checked));
    const flip = () => { input.checked = !input.checked; paint(); };
    input.addEventListener("change", paint);
    button.addEventListener("click", flip);
    paint();
    if (input.id !== "s-close") { byId("keys").append(button); keys.set(word[0].toLowerCase(), flip); }
  }

  function step(by) {
    const list = shown();
    if (list.length) show(list[(list.indexOf(current) + by + list.length) % list.length]);
  }

  grid.addEventListener("click", (event) => {
    const stage = event.target.closest("button.stage");
    if (stage) show(stage.closest(".tile"));
  });
  byId("before").addEventListener("click", () => step(-1));
  byId("after").addEventListener("click", () => step(1));
  byId("shut").addEventListener("click", () => box.close());
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
    else if (keys.has(event.key.toLowerCase()) && !event.ctrlKey && !event.metaKey && !event.altKey) keys.get(event.key.toLowerCase())();
    else return;
    event.preventDefault();
  });
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  box.addEventListener("close", () => {
    byId("panes").replaceChildren();
    if (current) {
      current.scrollIntoView({ block: "nearest" });
      current.querySelector(".stage").focus({ preventScroll: true });
    }
  });
})();
