(() => {
'use strict';
const gate = document.getElementById('gate'), state = document.getElementById('state');
const bar = document.getElementById('bar'), given = gate.dataset;
const say = (key) => { const text = state.dataset[key]; if (state.textContent !== text) state.textContent = text; };
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
gate.hidden = false;

/* SHA256 */

// In a worker, which leaves the page alive; in slices here, where there are no workers or it cannot be loaded.
async function prove(nonce, bits, seconds) {
  const begun = performance.now();
  const late = () => {
    const part = (performance.now() - begun) / (seconds * 1000);
    bar.value = 100 * Math.min(part, 1);
    return part >= 1;
  };
  try {
    const worker = new Worker(given.worker);
    const answer = new Promise((done) => {
      worker.onmessage = (event) => done(event.data);
      worker.onerror = () => done(-1);
      worker.postMessage([nonce, bits]);
    });
    given.by = 'worker';
    let found, over = false;
    while (found === undefined && !over) {
      found = await Promise.race([answer, pause(100)]);
      over = late();
    }
    worker.terminate();
    if (found === undefined) return null;
    if (found >= 0) return found;
  } catch { /* none here */ }
  given.by = 'page';
  for (let n = 0; !late(); await pause(0)) {
    for (const slice = performance.now(); performance.now() - slice < 30; n += 100) {
      const found = search(nonce, bits, n, 100);
      if (found >= 0) return found;
    }
  }
  return null;
}
async function ask(method, path, fields) {
  for (let attempt = 0; attempt < 4; attempt++) {
    if (attempt) await pause(1500 * attempt);
    try {
      const body = fields && new URLSearchParams(fields);
      const answer = await fetch('/.rempart/gate/' + path, { method, body, credentials: 'same-origin', cache: 'no-store' });
      if (answer.status < 500 && answer.status !== 429) return answer.status;
    } catch { /* the network: once more */ }
  }
  return 0;
}
function proceed() {
  if (given.method === 'GET' || given.method === 'HEAD') { say('passed'); location.reload(); return; }
  const fields = [...new URLSearchParams(atob(given.form))];
  // A form in another encoding than UTF-8 would arrive spoilt.
  if (!given.form || fields.flat().join('').includes(String.fromCharCode(65533))) { finish('posted'); return; }
  say('passed');
  const form = document.createElement('form');
  form.method = 'post';
  form.action = location.href;
  for (const [name, value] of fields) {
    const field = document.createElement('textarea');
    field.name = name; field.value = value; field.hidden = true;
    form.append(field);
  }
  document.body.append(form);
  HTMLFormElement.prototype.submit.call(form);
}
function finish(key) {
  say(key);
  bar.hidden = true;
  const again = document.getElementById('again');
  again.hidden = false;
  const link = again.firstChild;
  link.href = location.href;
  link.textContent = link.dataset[key] || link.dataset.again;
}
(async () => {
  if (!navigator.cookieEnabled) { finish('cookies'); return; }
  say('working');
  const opened = performance.now();
  const proof = await prove(given.nonce, +given.bits, +given.proofSeconds);
  let status = proof === null ? 0 : await ask('POST', 'pass', { c: given.proof, p: proof });
  if (status !== 204) {
    say('waiting');
    const due = opened + (+given.waitSeconds + 1) * 1000;
    for (let now; (now = performance.now()) < due; await pause(100)) bar.value = 100 - (due - now) / (due - opened) * 100;
    status = await ask('POST', 'pass', { c: given.wait });
  }
  bar.value = 100;
  if (status !== 204) finish('failed');
  else if (await ask('GET', 'check') === 403) finish('cookies');
  else proceed();
})();
})();
