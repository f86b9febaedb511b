/* Before anything is drawn, so that no page flashes in the wrong colours. */
(function () {
  "use strict";
  try {
    var chosen = localStorage.getItem("audition-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch (error) {
    /* No storage: the system's own choice stands. */
  }
})();
