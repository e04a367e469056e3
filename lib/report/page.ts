// What every page has in common: one file that loads nothing, in the reader's light or dark theme.

import { createHash } from 'node:crypto';

export interface PageParts {
  /** HTML. */
  title: string;
  /** Sections, HTML. */
  body: string;
  /** Beside what all pages have. */
  style: string;
  /** The only script that the page lets run. */
  script?: string;
}

/** A whole document. Its policy forbids every request and any script but its own. */
export function page({ title, body, style, script }: PageParts): string {
  const policy = ["default-src 'none'", "style-src 'unsafe-inline'"];
  if (script !== undefined) {
    const hash = createHash('sha256').update(script).digest('base64');
    policy.push(`script-src 'sha256-${hash}'`);
  }
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${policy.join('; ')}">
<meta name="generator" content="node-ctc">
<title>${title}</title>
<style>${commonStyle}${style}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${body}
</main>
${script === undefined ? '' : `<script>${script}</script>\n`}</body>
</html>
`;
}

export type Card = [name: string, value: string, note: string];

/** Named numbers side by side; HTML. */
export function cards(cells: readonly Card[]): string {
  const items = cells.map(
    ([name, value, note]) => `<div><dt>${name}</dt><dd>${value}<small>${note}</small></dd></div>`,
  );
  return `<dl class="cards">${items.join('')}</dl>`;
}

/** What may be wider than the screen: it scrolls, by keyboard too. HTML. */
export function scroll(content: string, label: string): string {
  return `<div class="scroll" tabindex="0" role="region" aria-label="${label}">${content}</div>`;
}

/** A text before a bar; `share` is from 0 to 1. HTML. */
export function bar(share: number, text: string): string {
  return `<span class="bar" style="--share:${(100 * share).toFixed(2)}%">${text}</span>`;
}

const commonStyle = `
:root{--surface:#fff;--raised:#f6f8fa;--ink:#1b1f24;--muted:#59636e;--line:#d8dee4;--accent:#2f6feb;--accent-soft:#2f6feb2e}
@media (prefers-color-scheme:dark){:root{--surface:#0d1117;--raised:#151b23;--ink:#e6edf3;--muted:#9198a1;--line:#30363d;--accent:#4493f8;--accent-soft:#4493f83d}}
*{box-sizing:border-box}
body{margin:0;background:var(--surface);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1240px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:26px;line-height:1.25;margin:0 0 20px;overflow-wrap:anywhere}
h2{font-size:18px;margin:36px 0 8px}
p,ul{max-width:75ch;margin:8px 0}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:0}
.cards div{background:var(--raised);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
dt{color:var(--muted);font-size:13px}
dd{margin:0;font-size:21px;font-weight:600;font-variant-numeric:tabular-nums}
small{display:block;color:var(--muted);font-size:12px;font-weight:400}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:10px}
.scroll:focus-visible{outline:2px solid var(--accent)}
.scroll svg{display:block;margin:0 auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:5px 14px;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}
tbody tr:last-child td{border-bottom:0}
th{font-size:13px;font-weight:600;color:var(--muted);background:var(--raised)}
.bar{display:block;min-width:120px;padding:0 8px;border-radius:4px;background:linear-gradient(var(--accent-soft),var(--accent-soft)) no-repeat 0/var(--share) 100%}
@media print{.scroll{overflow:visible}}
`;
