// Update the live page, and preserve the position of the slider, the scroll position and the rest of the view.
(() => {
  const $ = (id) => document.getElementById(id);
  const seconds = +$("live").dataset.seconds;
  let pressed = false;  // Do not replace a slider while it is being dragged.
  addEventListener("pointerdown", () => { pressed = true; }, true);
  for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => { pressed = false; }, true);
  const released = async () => { while (pressed) await new Promise((done) => setTimeout(done, 100)); };
  const titleOf = (details) => details.querySelector("summary").textContent.replace(/\d+/g, "");

  function replace(next) {
    const view = shownReport.keep();
    const opened = new Map([...document.querySelectorAll("details")].map((details) => [titleOf(details), details.open]));
    const scrolled = [...document.querySelectorAll(".wide")].map((wide) => wide.scrollLeft);
    const place = [scrollX, scrollY], focused = document.activeElement && document.activeElement.id;
    shownReport.stop();
    if ($("zoom").contains($("player"))) $("player").remove();  // The new <main> contains a new player.
    for (const name of ["header", "main", "footer"]) document.querySelector(name).replaceWith(next[name]);
    $("data").textContent = next.data;
    for (const details of document.querySelectorAll("details")) {
      if (opened.has(titleOf(details))) details.open = opened.get(titleOf(details));
    }
    shownReport = startReport(view);
    [...document.querySelectorAll(".wide")].forEach((wide, i) => { wide.scrollLeft = scrolled[i] || 0; });
    scrollTo({ left: place[0], top: place[1], behavior: "instant" });
    if (focused && $(focused)) $(focused).focus({ preventScroll: true });
  }

  async function update() {
    let response;
    try {
      response = await fetch(`/update?version=${$("live").dataset.version}`);
    } catch {
      return "Not connected. Run ganctl watch --web again to show newer values.";
    }
    if (response.status === 204) return "";
    const text = await response.text();
    if (!response.ok) return text;
    const page = new DOMParser().parseFromString(text, "text/html");
    const take = (selector) => { const node = page.querySelector(selector); return node && document.adoptNode(node); };
    const next = { header: take("header"), main: take("main"), footer: take("footer"), data: page.getElementById("data").textContent };
    // Decode the images first, so that their sizes are known and the page does not jump.
    await Promise.allSettled([...next.main.querySelectorAll("img")].map((image) => image.decode()));
    await released();
    document.title = page.title;
    replace(next);
    return "";
  }

  async function poll() {
    if (!document.hidden) {
      const problem = await update();
      $("problem").textContent = problem;
      $("problem").hidden = !problem;
    }
    setTimeout(poll, seconds * 1000);
  }
  setTimeout(poll, seconds * 1000);
})();
