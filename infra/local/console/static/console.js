"use strict";

// A guest's own time zone is the one to start from.
for (const select of document.querySelectorAll("select[data-browser-zone]")) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...select.options].some((option) => option.value === zone)) select.value = zone;
}

// Times are served in UTC, because the server does not know where its reader is.
const STYLES = {
  moment: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" },
  span: { weekday: "long", day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit" },
};

function localise(root) {
  for (const element of root.querySelectorAll("time[data-local]")) {
    const style = { ...STYLES[element.dataset.local], hourCycle: "h23" };
    const format = new Intl.DateTimeFormat("en-GB", element.dataset.until ? { ...style, timeZoneName: "short" } : style);
    const start = new Date(element.dateTime);
    element.title = element.textContent;
    element.textContent = element.dataset.until
      ? format.formatRange(start, new Date(element.dataset.until))
      : format.format(start);
  }
}
localise(document);

// A live region replaces its content by what the server renders; nothing is touched while nothing changes.
async function keepLive(region) {
  let shown = null;
  for (;;) {
    let pauseSeconds = 2;
    try {
      if (!document.hidden) {
        const response = await fetch(region.dataset.live, { headers: { Accept: "application/json" } });
        if (response.ok) {
          const update = await response.json();
          if (update.page !== region.dataset.page) return location.reload();
          if (update.html !== shown) {
            const opened = [...region.querySelectorAll("details[open] pre")].map((pre) => pre.textContent);
            region.innerHTML = update.html;
            for (const pre of region.querySelectorAll("details pre")) {
              if (opened.includes(pre.textContent)) pre.closest("details").open = true;
            }
            localise(region);
          }
          shown = update.html;
          pauseSeconds = update.again_in_seconds;
        }
      }
    } catch {
      // The stack may be restarting: try again after the pause.
    }
    await new Promise((resolve) => setTimeout(resolve, pauseSeconds * 1000));
  }
}
document.querySelectorAll("[data-live]").forEach(keepLive);

// A mail's frame is as high as the mail.
for (const frame of document.querySelectorAll("iframe[data-fit]")) {
  const fit = () => {
    const mail = frame.contentDocument;
    if (mail && mail.documentElement) frame.style.height = `${mail.documentElement.offsetHeight + 2}px`;
  };
  frame.addEventListener("load", fit);
  window.addEventListener("resize", fit);
  fit();
}

// Commands that people copy.
for (const box of document.querySelectorAll(".copyable")) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet copy", textContent: "Copy" });
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(box.querySelector("pre").textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  box.append(button);
}
