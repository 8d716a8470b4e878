
'use strict';
const id = (name) => document.getElementById(name);
const data = JSON.parse(id('data').textContent);
const stack = id('stack'), hair = id('hair'), tip = id('tip');
const plot = stack.querySelector('.panel .plot');
let shown = null;

// The index of the last of these times that is not after `at`.
function before(times, at) {
  let low = -1, high = times.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle] <= at) low = middle; else high = middle;
  }
  return low;
}

function clock(at) {
  const whole = Math.abs(Math.round(at)), two = (number) => String(number).padStart(2, '0');
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return (at < -0.5 ? '−' : '') + (hours ? `${hours}:${two(minutes)}` : minutes) + `:${two(whole % 60)}`;
}

const short = (number, digits = 3) => number == null ? '–' : number.toLocaleString('en-US', { maximumSignificantDigits: digits });
const millis = (seconds) => seconds == null ? '–' : `${short(seconds * 1000)} ms`;

// The figures of a moment, each with its name.
function figures(at) {
  const rows = [], { load, scaling, prediction, band, shares } = data;
  const column = before(load.at, at);
  if (column >= 0 && at < load.at[column] + data.step) {
    rows.push(['offered', `${short(load.offered[column])}/s`], ['succeeded', `${short(load.achieved[column])}/s`]);
    if (load.bad[column]) rows.push(['failed or dropped', load.bad[column].toLocaleString('en-US')]);
    rows.push(['p50 · p99', `${millis(load.p50[column])} · ${millis(load.p99[column])}`]);
  }
  const [, value, desired, ready] = scaling[before(scaling.map((seen) => seen[0]), at)] ?? [];
  if (desired !== undefined) {
    rows.push(['value · target', `${value === null ? '<unknown>' : short(value)} · ${short(data.target)}`]);
    rows.push(['desired · ready', `${desired} · ${ready}`]);
  }
  const [, , predicted, readyThen] = prediction[before(prediction.map((seen) => seen[0]), at)] ?? [];
  if (predicted !== undefined) rows.push(['predicted', `${predicted} · ${readyThen}`]);
  const [, min, max] = band[before(band.map((moment) => moment[0]), at)] ?? [];
  if (min !== undefined) rows.push(['expected', min === max ? min : `${min} to ${max}`]);
  const share = shares[before(shares.map((share) => share[0]), at)];
  if (share && at < share[0] + data.shareSeconds) {
    data.pods.forEach((pod, i) => { if (share[1][i] !== null) rows.push([pod, `${short(share[1][i])} %`]); });
  }
  return rows;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function show(at, until = at) {
  if (!plot) return;
  shown = Math.min(data.to, Math.max(data.from, at));
  const box = plot.getBoundingClientRect(), outer = stack.getBoundingClientRect();
  const x = box.left - outer.left + box.width * (shown - data.from) / (data.to - data.from);
  const list = document.createElement('dl');
  for (const [name, figure] of figures(shown)) list.append(element('dt', name), element('dd', figure));
  const near = (data.to - data.from) * 0.006;
  const events = data.events.filter(([time]) => time >= at - near && time <= until + near);
  const lines = events.slice(0, 6).map((event) => element('p', `${clock(event[0])} ${event[1]}`));
  if (events.length > 6) lines.push(element('p', `and ${events.length - 6} more, in the table below`));
  tip.replaceChildren(element('b', clock(shown)), list, ...lines);
  hair.hidden = tip.hidden = false;
  hair.style.left = `${x}px`;
  const right = x + 14 + tip.offsetWidth < outer.width;
  tip.style.left = `${right ? x + 14 : Math.max(0, x - 14 - tip.offsetWidth)}px`;
}

function hide() {
  hair.hidden = tip.hidden = true;
  shown = null;
}

stack.addEventListener('pointermove', (event) => {
  if (!plot) return;
  const mark = event.target.closest('.mark');
  if (mark) { show(Number(mark.dataset.from), Number(mark.dataset.to)); tip.style.top = '4rem'; return; }
  const box = plot.getBoundingClientRect();
  if (event.clientX < box.left - 8 || event.clientX > box.right + 8) return hide();
  show(data.from + (data.to - data.from) * (event.clientX - box.left) / box.width);
  tip.style.top = `${Math.min(Math.max(0, event.clientY - stack.getBoundingClientRect().top + 16), stack.offsetHeight - tip.offsetHeight)}px`;
});
stack.addEventListener('pointerleave', hide);
stack.addEventListener('focusin', (event) => {
  const mark = event.target.closest('.mark');
  if (mark) { show(Number(mark.dataset.from), Number(mark.dataset.to)); tip.style.top = '4rem'; }
});
stack.addEventListener('focusout', hide);
stack.addEventListener('keydown', (event) => {
  const step = data.step * (event.shiftKey ? 10 : 1), at = shown ?? data.from - step;
  const to = { ArrowRight: at + step, ArrowLeft: at - step, Home: data.from, End: data.to }[event.key];
  if (event.key === 'Escape') return hide();
  if (to === undefined) return;
  event.preventDefault();
  show(to);
  tip.style.top = '4rem';
});
