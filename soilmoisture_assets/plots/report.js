"use strict";
/* The station explorer: draws one station from the numbers packed in the page. No library, no request. */
(() => {
  const page = JSON.parse(document.getElementById("numbers").textContent);
  const find = (id) => document.getElementById(id);
  const packing = page.packing;
  const experiments = Object.keys(page.forecasts);
  const names = experiments.length ? experiments : Object.keys(page.drivers);
  const state = { station: 0, experiment: names.includes(page.first) ? page.first : names[0], start: 0, lead: 0 };
  const unpacked = new Map();

  function series(text) {
    if (!unpacked.has(text)) {
      if (unpacked.size > 40) unpacked.clear();
      const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
      const view = new DataView(bytes.buffer);
      unpacked.set(text, Array.from({ length: bytes.length / 2 }, (_, i) => {
        const value = view.getUint16(2 * i, true);
        return value === packing.missing ? null : value * packing.scale - packing.offset;
      }));
    }
    return unpacked.get(text);
  }

  const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }[c]));
  const stamp = (minutes, hours = true) => new Date(minutes * 60000).toISOString().slice(0, hours ? 16 : 10).replace("T", " ");
  const number = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−"));

  /* Ticks at 1, 2 or 5 times a power of ten. */
  function ticks(low, high, count) {
    const rough = (high - low) / count || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    const found = [];
    for (let tick = Math.ceil(low / step) * step; tick <= high + 1e-9; tick += step) found.push(+tick.toFixed(10));
    return found;
  }

  /* Axes of a chart with time [minutes] to the right and soil moisture upwards. */
  function frame(left, right, values, height, label) {
    const width = 1000, margin = { left: 62, right: 14, top: 12, bottom: 34 };
    const known = values.filter((value) => value !== null);
    let low = known.length ? Math.min(...known) : 0, high = known.length ? Math.max(...known) : 0.5;
    const pad = Math.max(0.01, 0.06 * (high - low));
    low -= pad; high += pad;
    const x = (time) => margin.left + (time - left) / (right - left || 1) * (width - margin.left - margin.right);
    const y = (value) => height - margin.bottom - (value - low) / (high - low) * (height - margin.top - margin.bottom);
    let axes = "";
    for (const tick of ticks(low, high, 5)) {
      axes += `<line x1="${margin.left}" x2="${width - margin.right}" y1="${y(tick)}" y2="${y(tick)}" stroke="#e2e6ea"/>` +
        `<text x="${margin.left - 6}" y="${y(tick) + 4}" text-anchor="end">${number(tick)}</text>`;
    }
    const stride = 1440 * Math.max(1, Math.ceil((right - left) / 1440 / 7));
    for (let day = Math.ceil(left / 1440) * 1440; day <= right; day += stride) {
      const anchor = x(day) > width - 50 ? "end" : "middle";
      axes += `<line x1="${x(day)}" x2="${x(day)}" y1="${height - margin.bottom}" y2="${height - margin.bottom + 5}" stroke="#555"/>` +
        `<text x="${x(day)}" y="${height - margin.bottom + 19}" text-anchor="${anchor}">${stamp(day, false)}</text>`;
    }
    axes += `<text transform="translate(14 ${height / 2}) rotate(-90)" text-anchor="middle">soil moisture [m³ m⁻³]</text>`;
    const draw = (inside) => `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(label)}">${axes}${inside}</svg>`;
    return { x, y, draw };
  }

  /* A line through the known values; a gap longer than the given minutes breaks it. */
  function line(times, values, x, y, gap) {
    let path = "", last = -Infinity;
    times.forEach((time, i) => {
      if (values[i] === null) return;
      path += `${time - last > gap ? "M" : "L"}${x(time).toFixed(1)} ${y(values[i]).toFixed(1)}`;
      last = time;
    });
    return path;
  }

  function band(times, low, high, x, y, gap) {
    let path = "", run = [];
    const close = () => {
      if (run.length > 1) {
        path += "M" + run.map((i) => `${x(times[i]).toFixed(1)} ${y(high[i]).toFixed(1)}`).join("L") + "L" +
          run.slice().reverse().map((i) => `${x(times[i]).toFixed(1)} ${y(low[i]).toFixed(1)}`).join("L") + "Z";
      }
      run = [];
    };
    times.forEach((time, i) => {
      if (low[i] === null || high[i] === null) return close();
      if (run.length && time - times[run[run.length - 1]] > gap) close();
      run.push(i);
    });
    close();
    return path;
  }

  const share = (forecast) => Math.round(100 * (forecast.quantiles[forecast.quantiles.length - 1] - forecast.quantiles[0]));
  const degrees = (value, positive, negative) => `${number(Math.abs(value))}° ${value < 0 ? negative : positive}`;

  /* values[start][lead][quantile] of one station, flat as packed. */
  function forecastsOf(forecast, station) {
    const flat = series(forecast.values[station]);
    const leads = forecast.leads.length, quantiles = forecast.quantiles.length;
    return (start, lead, quantile) => flat[(start * leads + lead) * quantiles + quantile];
  }

  function drawSeries() {
    const forecast = page.forecasts[state.experiment], target = find("series");
    if (!target) return;
    if (!forecast) { target.innerHTML = ""; find("series-caption").textContent = "No forecasts of this experiment."; return; }
    const at = forecastsOf(forecast, state.station), last = forecast.quantiles.length - 1;
    const lead = Math.min(state.lead, forecast.leads.length - 1), hours = forecast.leads[lead];
    const observed = series(forecast.observed[state.station]);
    const valid = forecast.starts.map((start) => start + 60 * hours);
    const column = (quantile) => forecast.starts.map((_, start) => at(start, lead, quantile));
    const median = Math.floor(last / 2 + 0.5), low = column(0), middle = column(median), high = column(last);
    const gap = 3 * Math.max(1440, valid.length > 1 ? valid[1] - valid[0] : 1440);
    const all = observed.concat(low, high);
    const label = `Observed soil moisture and forecasts ${hours} h ahead at ${page.stations[state.station].label}`;
    const chart = frame(Math.min(forecast.times[0], valid[0]), Math.max(forecast.times[forecast.times.length - 1], valid[valid.length - 1]), all, 300, label);
    if (!all.some((value) => value !== null)) { target.innerHTML = ""; find("series-caption").textContent = "No forecast of this station in this experiment."; return; }
    target.innerHTML = chart.draw(
      `<path d="${band(valid, low, high, chart.x, chart.y, gap)}" fill="#d55e00" fill-opacity=".22"/>` +
      `<path d="${line(forecast.times, observed, chart.x, chart.y, 2880)}" fill="none" stroke="#222" stroke-width="1.4"/>` +
      `<path d="${line(valid, middle, chart.x, chart.y, gap)}" fill="none" stroke="#d55e00" stroke-width="1.2"/>`);
    const thinned = forecast.shown < forecast.issued ? ` ${forecast.shown} of ${forecast.issued} forecasts shown, evenly thinned.` : "";
    find("series-caption").textContent = `${label} (${page.split} split, experiment ${state.experiment}, ${forecast.methods[state.station]}). Black: observed; orange: median; shaded: ${share(forecast)} % interval.${thinned}`;
  }

  function drawFan() {
    const forecast = page.forecasts[state.experiment], target = find("fan");
    if (!target || !forecast || !forecast.starts.length) { if (target) target.innerHTML = ""; return; }
    const start = Math.min(state.start, forecast.starts.length - 1), issued = forecast.starts[start];
    const at = forecastsOf(forecast, state.station), last = forecast.quantiles.length - 1, median = Math.floor(last / 2 + 0.5);
    const valid = forecast.leads.map((lead) => issued + 60 * lead);
    const row = (quantile) => forecast.leads.map((_, lead) => at(start, lead, quantile));
    const low = row(0), middle = row(median), high = row(last);
    const left = issued - 10 * 1440, right = issued + 60 * forecast.leads[forecast.leads.length - 1] + 1440;
    const near = forecast.times.map((_, i) => i).filter((i) => forecast.times[i] >= left && forecast.times[i] <= right);
    const times = near.map((i) => forecast.times[i]), observed = near.map((i) => series(forecast.observed[state.station])[i]);
    const label = `Forecast issued ${stamp(issued)} UTC with its interval, and what was observed, at ${page.stations[state.station].label}`;
    const chart = frame(left, right, observed.concat(low, high), 280, label);
    target.innerHTML = chart.draw(
      `<line x1="${chart.x(issued)}" x2="${chart.x(issued)}" y1="12" y2="246" stroke="#555" stroke-dasharray="4 3"/>` +
      `<path d="${band(valid, low, high, chart.x, chart.y, 1e9)}" fill="#d55e00" fill-opacity=".25"/>` +
      `<path d="${line(valid, middle, chart.x, chart.y, 1e9)}" fill="none" stroke="#d55e00" stroke-width="2"/>` +
      `<path d="${line(times, observed, chart.x, chart.y, 2880)}" fill="none" stroke="#222" stroke-width="1.2"/>` +
      times.map((time, i) => observed[i] === null ? "" : `<circle cx="${chart.x(time).toFixed(1)}" cy="${chart.y(observed[i]).toFixed(1)}" r="2.6" fill="#222"/>`).join(""));
    find("start-text").textContent = `${stamp(issued)} UTC`;
    find("fan-caption").textContent = `${label}. Black: observed; orange: median; shaded: ${share(forecast)} % interval; dashed: the last step the model may know moisture of.`;
  }

  function drawScores() {
    const target = find("scores"), scores = page.scores;
    if (!target || !scores.values) { if (target) target.textContent = "No scores in this split."; return; }
    const experiment = scores.experiments.indexOf(state.experiment);
    if (experiment < 0) { target.textContent = `No scores of experiment ${state.experiment}.`; return; }
    const table = (name) => scores.values[name][state.station][experiment];
    const r2 = table("r2"), rmse = scores.values.rmse ? table("rmse") : null;
    const known = scores.methods.map((_, i) => i).filter((i) => r2[i].some((value) => value !== null));
    const best = known.reduce((a, b) => (r2[b][r2[b].length - 1] ?? -9) > (r2[a]?.[r2[a].length - 1] ?? -9) ? b : a, known[0]);
    target.innerHTML = `<table><caption>R² and RMSE [m³ m⁻³] of this station, ${escape(page.split)} split, experiment ${escape(state.experiment)}</caption><thead><tr><th scope="col">Method</th>` +
      scores.leads.map((lead) => `<th scope="col">${lead} h</th>`).join("") + "</tr></thead><tbody>" +
      known.map((i) => `<tr${i === best ? ' class="best"' : ""}><th scope="row">${escape(scores.methods[i])}${i === best ? " (best at the last lead)" : ""}</th>` +
        r2[i].map((value, lead) => `<td class="number">${number(value)}${rmse ? ` (${number(rmse[i][lead], 3)})` : ""}</td>`).join("") + "</tr>").join("") + "</tbody></table>";
    if (!known.length) target.textContent = "This station has no score in this experiment.";
  }

  function drawBars() {
    const target = find("bars");
    if (!target) return;
    const drivers = page.drivers[state.experiment];
    if (!drivers) { target.innerHTML = ""; find("bars-caption").textContent = `No attribution of experiment ${state.experiment}.`; return; }
    const values = drivers.values[state.station], last = drivers.windows.length - 1;
    const order = drivers.features.map((_, i) => i).filter((i) => values[last][i] !== null).sort((a, b) => values[last][b] - values[last][a]).slice(0, 10);
    const largest = order.length ? values[last][order[0]] || 1 : 1, height = 26 * order.length + 8;
    const inside = order.map((feature, row) => {
      const length = 560 * values[last][feature] / largest;
      return `<text x="350" y="${26 * row + 19}" text-anchor="end">${escape(drivers.features[feature])}</text>` +
        `<rect x="358" y="${26 * row + 6}" width="${length.toFixed(1)}" height="17" fill="${drivers.colours[drivers.groups[feature]]}"/>` +
        `<text x="${364 + length}" y="${26 * row + 19}">${number(values[last][feature])}</text>`;
    }).join("");
    const label = `What the forecast ${drivers.windows[last]} h ahead goes most with at ${page.stations[state.station].label}`;
    target.innerHTML = order.length ? `<svg viewBox="0 0 1000 ${height}" role="img" aria-label="${escape(label)}">${inside}</svg>` : "";
    const key = [...new Set(order.map((feature) => drivers.groups[feature]))]
      .map((group) => `<i style="background:${drivers.colours[group]}"></i> ${escape(group)}`).join(", ");
    find("bars-caption").innerHTML = order.length
      ? `${escape(label)}: mean |SHAP| [10⁻³ m³ m⁻³], experiment ${escape(state.experiment)}. ${key}.` : "This station was not explained.";
  }

  function fillSelect(select, options, chosen) {
    select.innerHTML = options.map(([value, text]) => `<option value="${escape(value)}">${escape(text)}</option>`).join("");
    select.value = chosen;
  }

  function pickExperiment(name) {
    state.experiment = name;
    const forecast = page.forecasts[name];
    if (forecast) {
      state.lead = Math.min(state.lead, forecast.leads.length - 1);
      fillSelect(find("lead"), forecast.leads.map((lead, i) => [String(i), `${lead} h`]), String(state.lead));
      const slider = find("start");
      slider.max = String(Math.max(0, forecast.starts.length - 1));
      state.start = Math.min(state.start, forecast.starts.length - 1);
      slider.value = String(state.start);
    }
    draw();
  }

  function pick(station) {
    const count = page.stations.length;
    state.station = (station + count) % count;
    const chosen = page.stations[state.station];
    const circle = document.querySelector(`#stations circle[data-station="${state.station}"]`);
    find("ring").setAttribute("cx", circle.getAttribute("cx"));
    find("ring").setAttribute("cy", circle.getAttribute("cy"));
    find("picked").textContent = `${chosen.label}, ${degrees(chosen.latitude, "N", "S")}, ${degrees(chosen.longitude, "E", "W")}`;
    find("station").value = String(state.station);
    draw();
  }

  function draw() { drawSeries(); drawFan(); drawScores(); drawBars(); }

  const labels = page.stations.map((station, i) => [String(i), station.label]).sort((a, b) => a[1].localeCompare(b[1]));
  fillSelect(find("station"), labels, "0");
  fillSelect(find("experiment"), names.map((name) => [name, name]), state.experiment);
  find("station").addEventListener("change", (event) => pick(Number(event.target.value)));
  find("experiment").addEventListener("change", (event) => pickExperiment(event.target.value));
  find("lead").addEventListener("change", (event) => { state.lead = Number(event.target.value); drawSeries(); });
  if (find("start")) find("start").addEventListener("input", (event) => { state.start = Number(event.target.value); drawFan(); });
  find("stations").addEventListener("click", (event) => {
    const circle = event.target.closest("circle");
    if (circle) pick(Number(circle.dataset.station));
  });
  const order = labels.map(([value]) => Number(value));
  find("map").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    pick(order[(order.indexOf(state.station) + step + order.length) % order.length]);
  });
  const first = page.forecasts[state.experiment];
  state.lead = first ? first.leads.length - 1 : 0;
  state.start = first ? Math.floor(first.starts.length / 2) : 0;
  if (state.experiment) pickExperiment(state.experiment);
  pick(order[0]);
})();
