"use strict";
// The page works without this script, except for the details of cells, the copy buttons and the
// keyboard in charts. All text from records is set as text, never as HTML.
(() => {
  let details = null; // parsed when the first cell is shown, because it is most of the page
  const detailOf = (cell) => {
    details ??= JSON.parse(document.getElementById("details").textContent);
    return details[cell.dataset.at];
  };

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

  // Each command gets a copy button. Where a page opened from a file may not use the clipboard,
  // the button selects the command instead.
  const copyable = (code) => {
    const button = make("button", { type: "button", class: "copy", "aria-label": "Copy the command " + code.textContent }, "copy");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "selected";
      }
      setTimeout(() => { button.textContent = "copy"; }, 2000);
    });
    code.after(" ", button);
  };
  const folded = [...document.querySelectorAll("details")];
  for (const code of document.querySelectorAll("code.command")) {
    if (!code.closest("details")) copyable(code);
  }
  // Folded parts get their buttons when they are first opened.
  for (const d of folded) {
    d.addEventListener("toggle", () => { for (const code of d.querySelectorAll("code.command")) copyable(code); }, { once: true });
  }

  // Needle grids: one tab stop each, arrow keys within. A clicked cell stays pinned until Escape or
  // another click.
  let held = null;
  const clear = (section) => {
    held = null;
    for (const c of section.querySelectorAll(".heat td.on")) c.classList.remove("on");
    section.querySelector(".detail").replaceChildren(make("p", { class: "empty" }, "No cell selected."));
  };
  const show = (cell) => {
    const d = detailOf(cell);
    const aside = cell.closest("section").querySelector(".detail");
    for (const c of cell.closest("section").querySelectorAll(".heat td.on")) c.classList.remove("on");
    if (!d) return;
    cell.classList.add("on");
    aside.replaceChildren(make("h3", {}, d.title), list(d.facts));
    const code = make("code", { class: "command" }, d.command);
    aside.append(make("p", {}, code));
    copyable(code);
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
        held = null;
        take(cell);
        show(cell);
      }
    });
    grid.addEventListener("mouseover", (e) => {
      const cell = e.target.closest("td[data-at]");
      if (cell && !held) show(cell);
    });
    grid.addEventListener("click", (e) => {
      const cell = e.target.closest("td[data-at]");
      if (cell) held = cell;
    });
  }

  document.addEventListener("keydown", (e) => {
    if (e.key !== "Escape") return;
    for (const aside of document.querySelectorAll(".detail")) clear(aside.closest("section"));
  });

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
      h.querySelector("title").remove(); // otherwise the browser would show its own tooltip too
      h.addEventListener("focus", () => point(h));
      h.addEventListener("blur", hide);
    }
    if (!hots.length) continue;
    // Show the nearest point within reach of the pointer.
    const reach = 32;
    let near = null;
    const away = () => {
      if (near) near.classList.remove("on");
      near = null;
      hide();
    };
    svg.addEventListener("mousemove", (e) => {
      let best = reach, found = null;
      for (const h of hots) {
        const at = h.getBoundingClientRect();
        const far = Math.hypot(at.left + at.width / 2 - e.clientX, at.top + at.height / 2 - e.clientY);
        if (far < best) [best, found] = [far, h];
      }
      if (found === near) return;
      away();
      if (!found) return;
      near = found;
      near.classList.add("on");
      point(near);
    });
    svg.addEventListener("mouseleave", away);
    let n = 0;
    hots[0].setAttribute("tabindex", "0");
    svg.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[e.key];
      if (e.key === "Escape") away();
      if (!step) return;
      e.preventDefault();
      hots[n].setAttribute("tabindex", "-1");
      n = Math.max(0, Math.min(hots.length - 1, hots.indexOf(document.activeElement) + step));
      hots[n].setAttribute("tabindex", "0");
      hots[n].focus();
    });
  }

  // Printing unfolds everything.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = folded.filter((d) => !d.open);
    for (const d of opened) d.open = true;
  });
  addEventListener("afterprint", () => { for (const d of opened) d.open = false; });
})();
