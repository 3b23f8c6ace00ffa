"use strict";
{
  const filters = document.querySelector("form.filters");
  const table = document.querySelector("table.prospects");
  if (filters && table) {
    const page = Number(table.dataset.page);  // rows that are shown at a time
    const body = table.tBodies[0];
    const more = document.querySelector("button.more");
    const status = filters.querySelector("[role=status]");
    const all = body.rows.length;
    const known = new Map();  // filled at the first search: opening must not wait for it
    const collect = () => {
      for (const row of known.size ? [] : body.querySelectorAll(":scope > tr:not(.details)")) {
        const text = row.querySelector(".who").textContent.toLowerCase();
        known.set(row, { text, ...row.dataset, hidden: row.hidden });
      }
    };
    const write = (number) => number.toLocaleString("en");
    const show = (count) => {
      const rest = Math.max(0, count - room);
      const first = rest ? `, the first ${write(room)} shown` : "";
      status.textContent = `${write(count)} of ${write(all)} match${first}`;
      more.hidden = rest === 0;
      more.textContent = `Show ${write(Math.min(page, rest))} more of ${write(rest)}`;
    };
    let room = page;
    const apply = () => {
      collect();
      const find = filters.elements.find.value.trim().toLowerCase();
      const chosen = [...filters.querySelectorAll("select")]
        .filter((box) => box.value !== "*")
        .map((box) => [box.name, box.value.slice(1)]);
      let count = 0;
      for (const row of body.rows) {
        const its = known.get(row);
        if (!its) continue;  // an opened row follows its row
        const matches = its.text.includes(find)
          && chosen.every(([name, value]) => its[name] === value);
        const hidden = !matches || count >= room;
        count += matches;
        if (its.hidden !== hidden) row.hidden = its.hidden = hidden;
      }
      show(count);
    };
    const again = () => { room = page; apply(); };
    filters.addEventListener("input", again);
    filters.addEventListener("submit", (event) => event.preventDefault());
    filters.addEventListener("reset", () => setTimeout(again));
    for (const button of table.querySelectorAll("thead button")) {
      button.addEventListener("click", again);
    }
    more.addEventListener("click", () => { room += page; apply(); });
    addEventListener("beforeprint", () => { room = Infinity; apply(); });
    addEventListener("afterprint", again);
    filters.hidden = false;
    show(all);
  }
}
