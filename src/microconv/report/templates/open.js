"use strict";
{
  const table = document.querySelector("table.prospects");
  const data = document.getElementById("details-data");
  if (table && data) {
    const AT_ONCE = 8;  // reasons; the others fold away
    const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
    let content;  // parsed at the first opening: the page must not wait for it
    const opened = new Map();  // button → its row of details
    const word = (place) => (place < 0 ? null : content.words[place]);
    const make = (tag, text, name) => {
      const element = document.createElement(tag);
      if (text) element.textContent = text;
      if (name) element.className = name;
      return element;
    };
    const chunks = (values, size) =>
      Array.from({ length: values.length / size }, (_, k) => values.slice(k * size, (k + 1) * size));
    const section = (title, ...parts) => {
      const whole = make("section");
      whole.append(make("h3", title), ...parts);
      return whole;
    };
    const list = (kind, items, name) => {
      const whole = make(kind, null, name);
      whole.append(...items);
      return whole;
    };
    const odds = (weight) => `× ${Math.exp(weight).toFixed(2)}`;

    const reason = ([place, weight], heaviest) => {
      const raises = weight > 0;
      const item = make("li", null, raises ? "raises" : "lowers");
      const bar = make("i", null, "weight");
      bar.style.width = `${(100 * Math.abs(weight)) / heaviest}%`;
      item.append(
        make("span", raises ? "raises: " : "lowers: ", "hidden"),
        make("span", odds(weight), "odds"), make("bdi", word(place)), bar,
      );
      return item;
    };
    const reasons = (found, rest) => {
      const pairs = chunks(found, 2);
      const heaviest = pairs.length ? Math.abs(pairs[0][1]) : 1;
      const items = pairs.map((pair) => reason(pair, heaviest));
      const parts = [list("ul", items.slice(0, AT_ONCE), "reasons")];
      if (items.length > AT_ONCE) {
        const fold = make("details");
        const others = items.slice(AT_ONCE);
        fold.append(make("summary", `${others.length} more reasons`), list("ul", others, "reasons"));
        parts.push(fold);
      }
      parts.push(make("p", `All other factors: ${odds(rest)}`, "soft small"));
      return section("Why this score (odds multiplier)", ...parts);
    };

    const clock = (minute) => {
      const at = new Date(minute * 60_000);
      const two = (number) => String(number).padStart(2, "0");
      const day = `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()}`;
      const time = make("time", `${day}, ${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`);
      time.dateTime = at.toISOString();
      return time;
    };
    const step = (minute, name, via, machine) => {
      const item = make("li");
      item.append(clock(minute), " ", make("bdi", word(name), "name"));
      const through = via < 0 ? [] : content.vias[via].map(word).filter(Boolean);
      through.forEach((text, place) => {
        item.append(make("span", place ? " · " : " via ", "soft"), make("bdi", text, "soft"));
      });
      if (machine) item.append(make("span", machine > 50 ? " probably an automated scan" : ` ${machine}% chance of an automated scan`, "machine"));
      return item;
    };
    const count = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
    const steps = (found, earlier, exposures) => {
      let minute = 0;
      const items = chunks(found, 4).map(([passed, ...facts]) => {
        minute = minute ? minute - passed : passed;
        return step(minute, ...facts);
      });
      const also = [];
      if (earlier) also.push(`${count(earlier, "earlier activity", "earlier activities")}.`);
      if (exposures) {
        also.push(`${count(exposures, "email event", "email events")} (sent, delivered, opened).`);
      }
      return section(
        "Recent activity, latest first (UTC)",
        items.length ? list("ol", items, "steps") : make("p", "No activity yet."),
        ...(also.length ? [make("p", `Also: ${also.join(" ")}`, "soft small")] : []),
      );
    };

    const next = (because, button) => {
      const step = button.closest("tr").querySelector(".next").dataset.key;
      const parts = [make("p", step || "No suitable step.", "name")];
      if (because >= 0) parts.push(make("p", word(because)));
      return section("Next step", ...parts);
    };

    const layOut = (button, id) => {
      content ??= JSON.parse(data.textContent);
      const [why, rest, did, earlier, exposures, because] = content.rows[Number(id.split("-")[1]) - 1];
      const cell = make("td");
      cell.colSpan = table.tHead.rows[0].cells.length;
      const inside = make("div", null, "inside");
      inside.setAttribute("role", "region");
      inside.setAttribute("aria-label", `Details of ${button.textContent}`);
      inside.append(reasons(why, rest), steps(did, earlier, exposures), next(because, button));
      cell.append(inside);
      const whole = make("tr", null, "details");
      whole.id = id;
      whole.append(cell);
      return whole;
    };
    const close = (button) => {
      opened.get(button).remove();
      opened.delete(button);
      button.setAttribute("aria-expanded", "false");
    };
    table.tBodies[0].addEventListener("click", (event) => {
      const button = event.target.closest("button.open");
      if (!button) return;
      if (opened.has(button)) {
        close(button);
        return;
      }
      const details = layOut(button, button.getAttribute("aria-controls"));
      button.closest("tr").after(details);
      opened.set(button, details);
      button.setAttribute("aria-expanded", "true");
    });
    table.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      const row = event.target.closest("tr");
      for (const [button, details] of opened) {
        if (details === row || button.closest("tr") === row) {
          close(button);
          button.focus();
          return;
        }
      }
    });
    for (const head of table.querySelectorAll("thead button")) {
      head.addEventListener("click", () => {  // sorted by now: each behind its row again
        for (const [button, details] of opened) button.closest("tr").after(details);
      });
    }
  }
}
