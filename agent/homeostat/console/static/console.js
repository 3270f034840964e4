// Keeps a page as the journal is. The server says that something is new; the page asks for itself again, and takes over
// the parts marked data-live. Everything works without this script, except that nobody tells the page.
"use strict";
(() => {
  const body = document.body;
  const link = document.getElementById("link");
  const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
  const SILENT_MS = 45000, WAIT_MS_MIN = 300, WAIT_MS_MAX = 3000, TOGETHER_MS = 150;

  function age(root) {
    for (const time of root.querySelectorAll("time")) {
      const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
      const [size, unit] = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]]
        .find(([size]) => Math.abs(seconds) >= size) || [1, "second"];
      time.title = new Date(time.dateTime).toLocaleString() + ", " + ago.format(Math.round(seconds / size), unit);
      if (Math.abs(seconds) > 86400) time.textContent = time.dateTime.slice(0, 16).replace("T", " ");
    }
  }
  age(document);

  if (!body.dataset.position || !link) return;
  let position = Number(body.dataset.position);
  let pending = null, waitMs = WAIT_MS_MIN, silence = null, asking = false, again = false, isOpen = false;
  const streams = new Set(body.dataset.streams.split(" "));

  function connected(is, words) {
    link.textContent = words;
    link.className = is ? "live" : "away";
    for (const set of document.querySelectorAll("main fieldset")) set.disabled = !is;
  }

  function isTyping(part) {
    const field = document.activeElement;
    return field && part.contains(field) && field.matches("input, textarea, select");
  }

  function takeOver(part, fresh) {
    if (part.outerHTML === fresh.outerHTML || isTyping(part)) return;
    const open = new Set([...part.querySelectorAll("li[id] > div > details[open]")].map(d => d.closest("li").id));
    const opened = [...part.querySelectorAll("details[id][open]")].map(d => d.id);
    const known = new Set([...part.querySelectorAll("li[id]")].map(item => item.id));
    age(fresh);
    part.replaceWith(fresh);
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    for (const item of fresh.querySelectorAll("li[id]")) {
      if (open.has(item.id)) item.querySelector("details")?.setAttribute("open", "");
      if (known.size && !known.has(item.id)) item.classList.add("new");
    }
  }

  async function refresh() {
    if (asking) { again = true; return; }
    asking = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.redirected && new URL(answer.url).pathname === "/login") { location.assign("/login"); return; }
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live][id]")) {
        const fresh = page.getElementById(part.id);
        if (fresh) takeOver(part, document.adoptNode(fresh));
      }
      document.title = page.title;
      position = Number(page.body.dataset.position) || position;
      if (isOpen) connected(true, "live"); // else nobody would tell this page of the next change
    } catch {
      connected(false, "out of reach");
      setTimeout(refresh, 2000);
    } finally {
      asking = false;
      if (again) { again = false; soon(); }
    }
  }

  function soon() {
    clearTimeout(pending);
    pending = setTimeout(refresh, TOGETHER_MS + Math.random() * TOGETHER_MS);
  }

  function heard(socket) {
    clearTimeout(silence);
    silence = setTimeout(() => socket.close(), SILENT_MS);
  }

  function connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/live?since=${position}`);
    socket.onopen = () => { isOpen = true; waitMs = WAIT_MS_MIN; connected(true, "live"); heard(socket); };
    socket.onmessage = message => {
      heard(socket);
      const news = JSON.parse(message.data);
      if (news.trouble) { connected(false, "the journal is out of reach"); return; }
      if (!news.streams) return;
      if (streams.has("*") || news.streams.some(name => name === "*" || streams.has(name))) soon();
      else position = news.position;
    };
    socket.onclose = () => {
      isOpen = false;
      clearTimeout(silence);
      connected(false, "reconnecting");
      setTimeout(connect, waitMs * (0.5 + Math.random()));
      waitMs = Math.min(WAIT_MS_MAX, waitMs * 2);
    };
  }
  connect();

  document.addEventListener("keydown", event => {
    if (event.target.matches("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "h") location.assign("/");
    if (event.key === "p") document.querySelector(".pending input[name=note], .pending a")?.focus();
    if (event.key === "t") document.querySelector(".line li:last-child summary, .line li:last-child")?.scrollIntoView();
  });
})();
