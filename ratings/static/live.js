// SPDX-License-Identifier: Apache-2.0
// Keeps a page up to date: when the server says that the run has changed, the parts marked data-live are fetched again.
"use strict";

(() => {
  const LEAST_SECONDS = 3;
  const source = document.querySelector("meta[name=events]");
  const state = document.querySelector("[data-live-state]");
  const parts = () => document.querySelectorAll("[data-live][id]");
  const shown = new Map([...parts()].map((part) => [part.id, part.innerHTML]));
  if (!source || !window.EventSource || window.location.protocol === "file:") return;

  let version = null;
  let wanted = false;
  let busy = false;

  const say = (text) => {
    state.hidden = false;
    state.textContent = text;
  };

  const exchange = (part, fresh) => {
    const open = new Set([...part.querySelectorAll("details[open][id]")].map((details) => details.id));
    part.replaceChildren(...fresh.childNodes);
    for (const details of part.querySelectorAll("details[id]")) details.open = open.has(details.id);
    part.dispatchEvent(new CustomEvent("exchanged", { bubbles: true }));
  };

  const refresh = async () => {
    if (busy) {
      wanted = true;
      return;
    }
    busy = true;
    wanted = false;
    try {
      const answer = await fetch(window.location.href, { headers: { accept: "text/html" } });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of parts()) {
          const fresh = page.getElementById(part.id);
          if (!fresh || part.contains(document.activeElement)) continue;
          const text = fresh.innerHTML;
          if (shown.get(part.id) !== text) {
            shown.set(part.id, text);
            exchange(part, fresh);
          }
        }
      }
    } catch {
      say("not connected");
    }
    setTimeout(() => {
      busy = false;
      if (wanted) refresh();
    }, 1000 * LEAST_SECONDS);
  };

  // A hidden page does not listen: browsers allow six connections to a server, for all their tabs together.
  let events = null;
  const listen = () => {
    if (events || document.hidden) return;
    events = new EventSource(source.content);
    events.addEventListener("seen", (event) => {
      const seen = JSON.parse(event.data);
      say("live");
      if (version !== null && seen.version !== version && parts().length) refresh();
      version = seen.version;
      document.dispatchEvent(new CustomEvent("seen", { detail: seen }));
    });
    events.addEventListener("error", () => say("not connected; trying again"));
  };
  const leave = () => {
    if (events) events.close();
    events = null;
  };
  listen();
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : listen()));
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", listen);
})();
