// The code blocks of the documentation, and the marks that stand before them.

import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';

/** One program: a block, with the hidden lines before it and the blocks that continue it. */
export interface DocProgram {
  /** File and line, for the name of the test. */
  readonly place: string;
  readonly language: 'js' | 'ts' | 'sh';
  readonly code: string;
  /** For sh: the block right after it, what the commands print. */
  readonly output: string | undefined;
  /** Why it is not run. */
  readonly skip: string | undefined;
}

const LANGUAGES: Readonly<Record<string, DocProgram['language']>> = {
  js: 'js',
  mjs: 'js',
  cjs: 'js',
  javascript: 'js',
  ts: 'ts',
  typescript: 'ts',
  sh: 'sh',
  bash: 'sh',
  shell: 'sh',
};

/** README.md and docs/**.md below `root`, generated pages left out. */
export function documents(root: string): string[] {
  const pages = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.startsWith(`api${sep}`))
    .map((name) => `docs/${name.replaceAll(sep, '/')}`);
  return ['README.md', ...pages.sort()];
}

export function programsOf(root: string, file: string): DocProgram[] {
  const text = readFileSync(join(root, file), 'utf8');
  return extract(text, file);
}

const MARK = /<!-- docs-test: (skip|before|continue)\b,?\s*(.*?)\s*-->\s*$/s;

/** Finds the programs of a page. */
export function extract(text: string, file: string): DocProgram[] {
  const programs: DocProgram[] = [];
  const fence = /^( *)(```+)([\w-]*)[^\n]*\n(.*?)^\1\2[ \t]*$/gms;
  let end = 0;
  let previousWasShell = false;
  for (const match of text.matchAll(fence)) {
    const [whole, indent, , language, body] = match as unknown as [string, string, ...string[]];
    const between = text.slice(end, match.index);
    end = match.index + whole.length;
    const line = text.slice(0, match.index).split('\n').length;
    const place = `${file}:${line}`;
    const code = body!.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
    const kind = LANGUAGES[language!];
    if (kind === undefined) {
      const last = programs.at(-1);
      if (language === '' && previousWasShell && between.trim() === '' && last !== undefined) {
        programs[programs.length - 1] = { ...last, output: code };
      }
      previousWasShell = false;
      continue;
    }
    previousWasShell = kind === 'sh';
    const [, mark, rest = ''] = MARK.exec(between) ?? [];
    if (mark === 'continue') {
      const previous = programs.findLastIndex(({ language }) => language === kind);
      const begun = programs[previous];
      if (begun === undefined) throw new Error(`${place} continues no block of its language`);
      programs[previous] = { ...begun, code: `${begun.code}\n${code}` };
      continue;
    }
    if (mark === 'skip' && rest === '') throw new Error(`${place}: say why it is skipped`);
    programs.push({
      place,
      language: kind,
      code: mark === 'before' ? `${rest}\n${code}` : code,
      output: undefined,
      skip: mark === 'skip' ? rest : undefined,
    });
  }
  return programs;
}

/** What the comments after `console.log(...);` say is printed; ` / ` stands between the lines of a loop. */
export function promised(code: string): string[] {
  return [...code.matchAll(/^\s*console\.log\(.*\); \/\/ (.*)$/gm)].flatMap(([, text]) => {
    const [said] = text!.split(': ', 1);
    return said!.includes(' / ') ? said!.split(' / ') : [text!];
  });
}

/** Whether `line` is what a comment says, with or without the explanation that begins at `: `. */
export function keeps(line: string, comment: string): boolean {
  const [said] = comment.split(': ', 1);
  return rounded(line) === rounded(comment) || rounded(line) === rounded(said!);
}

/** Decimal numbers to 4 significant digits: the last ones depend on the instruction set. */
export function rounded(line: string): string {
  return line.replace(/\d+\.\d+/g, (number) => Number(number).toPrecision(4));
}
