"use strict";
// The page works without this script, but for the details of cells and the
// keyboard in charts. All text from records is set as text, never as HTML.
(() => {
  const details = JSON.parse(document.getElementById("details").textContent);

  const make = (tag, attrs, ...children) => {
    const e = document.createElement(tag);
    for (const [k, v] of Object.entries(attrs || {})) e.setAttribute(k, v);
    e.append(...children);
    return e;
  };
  const list = (pairs) => {
    const dl = make("dl");
    for (const [name, value] of pairs) {
      if (value) dl.append(make("dt", {}, name), make("dd", {}, value));
    }
    return dl;
  };

  // Needle grids: one tab stop each, arrow keys within.
  const show = (cell) => {
    const d = details[cell.dataset.at];
    const aside = cell.closest("section").querySelector(".detail");
    for (const c of cell.closest("section").querySelectorAll(".heat td.on")) c.classList.remove("on");
    if (!d) return;
    cell.classList.add("on");
    aside.replaceChildren(make("h3", {}, d.title), list(d.facts));
    aside.append(make("p", {}, make("code", {}, d.command)));
    const ol = make("ol");
    for (const t of d.trials || []) {
      const li = make("li", { class: t.hit ? "hit" : "miss" });
      li.append(make("p", {}, (t.hit ? "✓ " : "✗ ") + t.head), list(t.rows));
      ol.append(li);
    }
    if (d.more) ol.append(make("li", {}, d.more));
    aside.append(ol);
    aside.scrollTop = 0;
  };
  for (const grid of document.querySelectorAll(".heat")) {
    const rows = [...grid.querySelectorAll("tbody tr, tfoot tr")].map((r) => [...r.querySelectorAll("td")]);
    if (!rows.length || !rows[0].length) continue;
    let current = rows[0][0];
    const take = (cell) => {
      current.tabIndex = -1;
      current = cell;
      current.tabIndex = 0;
    };
    take(current);
    grid.addEventListener("keydown", (e) => {
      let y = rows.findIndex((r) => r.includes(current));
      let x = rows[y].indexOf(current);
      switch (e.key) {
        case "ArrowLeft": x--; break;
        case "ArrowRight": x++; break;
        case "ArrowUp": y--; break;
        case "ArrowDown": y++; break;
        case "Home": x = 0; break;
        case "End": x = rows[y].length - 1; break;
        default: return;
      }
      e.preventDefault();
      const next = rows[y] && rows[y][x];
      if (next) {
        take(next);
        next.focus();
      }
    });
    grid.addEventListener("focusin", (e) => {
      const cell = e.target.closest("td");
      if (cell) {
        take(cell);
        show(cell);
      }
    });
    grid.addEventListener("mouseover", (e) => {
      const cell = e.target.closest("td[data-at]");
      if (cell) show(cell);
    });
  }

  // Charts: one tab stop each, arrow keys go from point to point.
  const tip = document.getElementById("tip");
  const hide = () => { tip.hidden = true; };
  const point = (hot) => {
    tip.textContent = hot.getAttribute("aria-label");
    tip.hidden = false;
    const at = hot.getBoundingClientRect(), box = tip.getBoundingClientRect();
    const left = Math.min(at.left + at.width / 2 + 12, document.documentElement.clientWidth - box.width - 8);
    const top = at.top - box.height - 6 < 0 ? at.bottom + 6 : at.top - box.height - 6;
    tip.style.left = Math.max(8, left) + window.scrollX + "px";
    tip.style.top = top + window.scrollY + "px";
  };
  for (const svg of document.querySelectorAll("figure svg")) {
    const hots = [...svg.querySelectorAll(".hot")];
    for (const h of hots) {
      h.setAttribute("aria-label", h.querySelector("title").textContent);
      h.querySelector("title").remove(); // or the browser would show it beside ours
      h.addEventListener("mouseenter", () => point(h));
      h.addEventListener("mouseleave", hide);
      h.addEventListener("focus", () => point(h));
      h.addEventListener("blur", hide);
    }
    if (!hots.length) continue;
    let n = 0;
    hots[0].setAttribute("tabindex", "0");
    svg.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[e.key];
      if (e.key === "Escape") hide();
      if (!step) return;
      e.preventDefault();
      hots[n].setAttribute("tabindex", "-1");
      n = Math.max(0, Math.min(hots.length - 1, hots.indexOf(document.activeElement) + step));
      hots[n].setAttribute("tabindex", "0");
      hots[n].focus();
    });
  }
})();
