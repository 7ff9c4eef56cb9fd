/** The script of the pages: copies, filters, and fetches capabilities when a card is opened. It holds no data. */

export const SCRIPT = `
'use strict';
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add('js');

  const select = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  const copy = async (element) => {
    // Without TLS browsers have no navigator.clipboard.
    if (navigator.clipboard) return navigator.clipboard.writeText(element.textContent);
    select(element);
    if (!document.execCommand('copy')) throw new Error('not copied');
    getSelection().removeAllRanges();
  };
  const say = document.createElement('p');
  say.className = 'unseen';
  say.setAttribute('role', 'status');
  document.body.append(say);
  for (const button of all('[data-copy]')) {
    const label = button.querySelector('span');
    let timer;
    button.addEventListener('click', async () => {
      const source = document.getElementById(button.dataset.copy);
      const done = await copy(source).then(() => 'Copied', () => (select(source), 'Selected'));
      label.textContent = done;
      say.textContent = done;
      clearTimeout(timer);
      timer = setTimeout(() => { label.textContent = 'Copy'; say.textContent = ''; }, 2000);
    });
  }

  const form = document.querySelector('[data-filter]');
  if (form) {
    const text = form.querySelector('input');
    const chips = all('[data-tag]', form);
    const count = form.querySelector('[data-count]');
    const none = document.querySelector('[data-none]');
    const cards = all('[data-card]').map((card) => ({
      card,
      tags: JSON.parse(card.dataset.tags),
      text: card.querySelector('[data-text]').textContent.toLowerCase(),
    }));
    const filter = () => {
      const words = text.value.toLowerCase().split(/\\s+/).filter(Boolean);
      const tags = chips.filter((chip) => chip.ariaPressed === 'true').map((chip) => chip.dataset.tag);
      let shown = 0;
      for (const { card, ...of } of cards) {
        const fits = words.every((word) => of.text.includes(word)) && tags.every((tag) => of.tags.includes(tag));
        card.hidden = !fits;
        if (fits) shown += 1;
      }
      none.hidden = shown > 0;
      count.textContent = shown + ' of ' + cards.length + ' servers';
    };
    form.addEventListener('submit', (event) => event.preventDefault());
    text.addEventListener('input', filter);
    for (const chip of chips) {
      chip.addEventListener('click', () => {
        chip.ariaPressed = String(chip.ariaPressed !== 'true');
        filter();
      });
    }
    filter();
  }

  const introspect = async (url) => {
    const response = await fetch(url + '&fragment', { headers: { accept: 'text/html' } });
    if (!response.ok) throw new Error('The list answered ' + response.status + '. Load the page again.');
    const part = new DOMParser().parseFromString(await response.text(), 'text/html');
    return ['[data-capabilities]', '.health'].map((selector) => document.importNode(part.querySelector(selector), true));
  };
  for (const details of all('[data-ask]')) {
    let state = 'idle';
    details.addEventListener('toggle', async () => {
      if (!details.open || state !== 'idle') return;
      state = 'asking';
      const answer = details.querySelector('.answer');
      const before = [...answer.childNodes];
      const note = document.createElement('p');
      note.className = 'quiet';
      note.textContent = 'Asking the server …';
      answer.setAttribute('aria-live', 'polite');
      answer.setAttribute('aria-busy', 'true');
      answer.replaceChildren(note);
      try {
        const [capabilities, health] = await introspect(details.dataset.ask);
        answer.replaceChildren(capabilities);
        details.closest('article').querySelector('.health').replaceWith(health);
        state = capabilities.querySelector('.fault') ? 'idle' : 'answered';
      } catch (error) {
        note.className = 'fault';
        note.textContent = error.message;
        answer.replaceChildren(note, ...before);
        state = 'idle';
      }
      answer.removeAttribute('aria-busy');
    });
  }
})();
`
