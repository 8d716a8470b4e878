'use strict';
const SECONDS = 60, MEAN = 5;
const target = Number(document.body.dataset.target) || 0; // none without the setting
const prefix = document.body.dataset.prefix ?? '';
const EACH = 1000, PATIENCE = 2500, FADES = 15000, GOES = 60000; // milliseconds
const id = (name) => document.getElementById(name);
const own = id('hostname').textContent;
const pods = new Map(); // by hostname, in the order of their rows
let since, timer, polling = false, lost = false;

// Writes only changes: a screen reader reads a status line out at each write.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// The mean of the seconds up to the one at `end`.
function mean(seconds, end = seconds.length) {
  const last = seconds.slice(Math.max(0, end - MEAN), end);
  return last.reduce((sum, requests) => sum + requests, 0) / (last.length || 1);
}

const scale = (seconds) => Math.max(target ? 1.5 * target : 3, ...seconds);
const short = (rate) => rate.toFixed(rate < 100 ? 1 : 0);

// Draws what a pod returned `age` seconds ago, on a scale up to `top`.
function draw(svg, seconds, age, top) {
  const y = (rate) => (100 - 100 * rate / top).toFixed(1);
  const start = SECONDS - age - seconds.length;
  let bars = '', line = '';
  seconds.forEach((requests, i) => {
    const x = start + i;
    if (x < 0) return;
    if (requests) bars += `M${x + .15} 100V${y(requests)}h.7V100z`;
    line += `${line ? 'L' : 'M'}${x + .5} ${y(mean(seconds, i + 1))}`;
  });
  svg.querySelector('.bars').setAttribute('d', bars);
  svg.querySelector('.mean').setAttribute('d', line);
  svg.querySelector('.aim').setAttribute('d', target ? `M0 ${y(target)}H60` : '');
}

function addRow(hostname) {
  const row = id('pod').content.cloneNode(true).firstElementChild;
  const [name, svg, rate, total] = row.children;
  const cut = hostname.lastIndexOf('-') + 1; // pods of one deployment differ in the last part
  name.children[0].textContent = hostname.slice(0, cut);
  name.children[1].textContent = hostname.slice(cut);
  name.children[2].hidden = hostname !== own;
  if (hostname === own) id('pods').prepend(row); else id('pods').append(row);
  return { row, svg, rate: rate.firstElementChild, total };
}

function take({ hostname, requests_total: total, requests_per_second: seconds }) {
  if (typeof hostname !== 'string') throw new TypeError('not an activity');
  const pod = pods.get(hostname) ?? addRow(hostname);
  pods.set(hostname, Object.assign(pod, { requestCount: total, seconds: seconds.map(Number), seen: performance.now() }));
}

function showOwn({ requestCount, seconds }, rate, age) {
  const top = scale(seconds);
  write(id('rate'), rate);
  write(id('total'), String(requestCount));
  write(id('peak'), `peak ${Math.max(0, ...seconds)}/s`);
  draw(id('sparkline'), seconds, age, top);
  if (target) id('aim').style.top = `${100 - 100 * target / top}%`;
}

function show() {
  const now = performance.now();
  for (const [hostname, pod] of pods) {
    if (now - pod.seen > GOES) {
      pod.row.remove();
      pods.delete(hostname);
    }
  }
  const top = scale([...pods.values()].flatMap((pod) => pod.seconds));
  let answering = 0, together = 0;
  for (const [hostname, pod] of pods) {
    const old = now - pod.seen > FADES, age = Math.round((now - pod.seen) / 1000), rate = mean(pod.seconds);
    if (!old) { answering += 1; together += rate; }
    pod.row.classList.toggle('old', old);
    write(pod.rate, old ? '–' : short(rate));
    write(pod.total, old ? `no answer for ${age} s` : `${pod.requestCount} total`);
    draw(pod.svg, pod.seconds, age, top);
    if (hostname === own) showOwn(pod, old ? '–' : short(rate), age);
  }
  const gone = now - (pods.get(own)?.seen ?? since) > FADES;
  write(id('pods-title'), lost || !answering ? 'Answering pods' : answering === 1 ? '1 pod answers' : `${answering} pods answer`);
  write(id('together'), answering ? `${short(together)}/s in total · ${short(together / answering)}/s per pod${target ? ` · autoscaler’s target ${target}/s per pod` : ''}` : '');
  id('alone').hidden = pods.size > 1;
  document.body.dataset.state = lost || gone ? 'lost' : 'live';
  write(id('status'), lost ? 'not answering, trying again' : gone ? 'live, but this pod does not answer' : 'live');
}

// Polls once, shows the result, and schedules the next poll, so polls never overlap.
async function poll() {
  if (polling || document.hidden) return;
  polling = true;
  const next = performance.now() + EACH;
  try {
    const answer = await fetch(`${prefix}/activity`, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(answer.statusText);
    take(await answer.json());
    lost = false;
  } catch {
    lost = true;
  }
  polling = false;
  if (document.hidden) return;
  show();
  timer = setTimeout(poll, Math.max(100, next - performance.now()));
}

// Starts again when the page becomes visible: what it shows is old by then.
function begin() {
  clearTimeout(timer);
  if (document.hidden) return;
  pods.clear();
  id('pods').replaceChildren();
  since = performance.now();
  showOwn({ requestCount: '–', seconds: [] }, '–', 0);
  poll();
}

for (const origin of document.querySelectorAll('.origin')) origin.textContent = location.origin + prefix;
for (const section of document.querySelectorAll('.live')) section.hidden = false;
write(id('status'), document.hidden ? 'paused' : 'connecting');
document.addEventListener('visibilitychange', begin);
begin();
