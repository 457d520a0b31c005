// Runs before the first paint: the chosen theme and language must not flash in late.
(function () {
  try {
    var root = document.documentElement;
    var theme = localStorage.getItem("watchfire.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    var locale = localStorage.getItem("watchfire.locale") || navigator.language;
    root.lang = locale.slice(0, 2) === "ko" ? "ko" : "en";
  } catch (_) {
    // Storage may be forbidden: the defaults do.
  }
})();
