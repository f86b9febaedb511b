/* Theme, keyboard, dialogs. Every page works without it. */
(function () {
  "use strict";
  var root = document.documentElement;

  function dark() {
    if (root.dataset.theme) return root.dataset.theme === "dark";
    return window.matchMedia("(prefers-color-scheme: dark)").matches;
  }
  function switchTheme() {
    root.dataset.theme = dark() ? "light" : "dark";
    try {
      localStorage.setItem("audition-theme", root.dataset.theme);
    } catch (error) {
      /* Kept for this page only. */
    }
  }

  /* What j and k step through: pages of a visit, else rows of a table. */
  function stops() {
    var pages = document.querySelectorAll("[data-page]");
    return Array.prototype.slice.call(pages.length ? pages : document.querySelectorAll("[data-row]"));
  }
  function step(by) {
    var all = stops();
    if (!all.length) return;
    var at = all.findIndex(function (one) { return one.classList.contains("marked"); });
    var next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1);
    if (at >= 0) all[at].classList.remove("marked");
    all[next].classList.add("marked");
    var link = all[next].querySelector("th a, h2 a, h3 a, a");
    if (link) link.focus({ preventScroll: true });
    all[next].scrollIntoView({ block: all[next].hasAttribute("data-page") ? "start" : "nearest" });
  }
  function follow(selector) {
    var all = document.querySelectorAll(selector);
    if (all.length) window.location.assign(all[all.length - 1].href);
  }

  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    var inside = event.target.closest && event.target.closest("input, textarea, select, dialog");
    if (inside) {
      if (event.key === "Escape" && event.target.blur) event.target.blur();
      return;
    }
    var search = document.querySelector("[data-search]");
    var actions = {
      j: function () { step(1); },
      k: function () { step(-1); },
      n: function () { follow('a[rel="next"]'); },
      p: function () { follow('a[rel="prev"]'); },
      u: function () { follow("a[data-up]"); },
      d: switchTheme,
      "?": function () { document.getElementById("keys").showModal(); },
      "/": function () { if (search) { event.preventDefault(); search.focus(); search.select(); } },
    };
    if (Object.prototype.hasOwnProperty.call(actions, event.key)) actions[event.key]();
  });

  document.addEventListener("click", function (event) {
    var hit = event.target.closest("[data-theme-switch], [data-open], [data-print], [data-copy-link]");
    if (!hit) return;
    if (hit.hasAttribute("data-theme-switch")) switchTheme();
    if (hit.hasAttribute("data-print")) window.print();
    if (hit.dataset.open) document.getElementById(hit.dataset.open).showModal();
  });

  /* A filter that changes is applied; the button is for those without scripts. */
  document.addEventListener("change", function (event) {
    var form = event.target.closest("form[data-submit-on-change]");
    if (form) form.requestSubmit();
  });
})();
