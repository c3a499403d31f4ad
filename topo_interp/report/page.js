"use strict";
(function () {
  var content = JSON.parse(document.getElementById("figures").textContent);

  // A figure is drawn when it is first seen: drawn while hidden it would have no width.
  function draw(root) {
    var plots = root.matches(".plot") ? [root] : root.querySelectorAll(".plot");
    plots.forEach(function (plot) {
      if (plot.offsetParent === null || !content.figures[plot.id]) { return; }
      if (plot.dataset.drawn) { Plotly.Plots.resize(plot); return; }
      plot.dataset.drawn = "yes";
      var figure = content.figures[plot.id];
      Plotly.newPlot(plot, figure.data, figure.layout, content.options);
    });
  }

  document.querySelectorAll(".tabs").forEach(function (tabs) {
    var buttons = Array.from(tabs.querySelectorAll("button"));
    buttons.forEach(function (button, index) {
      button.addEventListener("click", function () {
        buttons.forEach(function (other) {
          var chosen = other === button;
          other.setAttribute("aria-selected", String(chosen));
          document.getElementById(other.dataset.shows).hidden = !chosen;
        });
        draw(document.getElementById(button.dataset.shows));
      });
      button.addEventListener("keydown", function (event) {
        var step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step) { buttons[(index + step + buttons.length) % buttons.length].focus(); }
      });
    });
  });

  document.querySelectorAll("table.sortable").forEach(function (table) {
    var body = table.tBodies[0];
    var heads = Array.from(table.tHead.rows[table.tHead.rows.length - 1].cells);
    heads.forEach(function (head, column) {
      head.addEventListener("click", function () {
        var up = head.getAttribute("aria-sort") !== "ascending";
        var numeric = head.classList.contains("number");
        heads.forEach(function (other) { other.setAttribute("aria-sort", "none"); });
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        var rows = Array.from(body.rows);
        rows.sort(function (a, b) {
          var x = a.cells[column].dataset.value, y = b.cells[column].dataset.value;
          if (x === "" || y === "") { return x === y ? 0 : x === "" ? 1 : -1; } // missing values last, both ways
          var order = numeric ? Number(x) - Number(y) : x.localeCompare(y);
          return up ? order : -order;
        });
        rows.forEach(function (row) { body.appendChild(row); });
      });
    });
  });

  draw(document.body);
})();
