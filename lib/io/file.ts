// What every reader shares: errors that name the file, the fault and the remedy, and text decoding.

import { readFile, stat } from 'node:fs/promises';
import { ctcError } from '../errors.js';

/** An `ERR_CTC_FILE` error: `path: problem. remedy`. */
export function fileError(path: string, problem: string, remedy = '', cause?: unknown): Error {
  const message = remedy === '' ? `${path}: ${problem}` : `${path}: ${problem}. ${remedy}`;
  return ctcError('ERR_CTC_FILE', message, { cause });
}

/** Whether an error is this package's own. Others' codes are not always strings. */
export function isCtcError(error: unknown): error is Error & { code: string } {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && code.startsWith('ERR_CTC_');
}

const systemProblems: Record<string, [problem: string, remedy: string]> = {
  ENOENT: ['no such file', 'Check the path'],
  ENOTDIR: ['a part of the path is not a folder', 'Check the path'],
  EISDIR: ['is a folder', 'Name one file'],
  EACCES: ['permission denied', 'Make the file readable for this user'],
  EPERM: ['permission denied', 'Make the file readable for this user'],
  ENAMETOOLONG: ['the path is too long', 'Check the path'],
  EMFILE: ['too many open files', 'Raise the limit (ulimit -n)'],
  EIO: ['the disk reported a read error', 'Check the disk or the network mount'],
  ESTALE: ['the network file system lost the file', 'Mount it again'],
  ERR_FS_FILE_TOO_LARGE: ['is larger than 2 GiB', 'Split it'],
  ERR_STRING_TOO_LONG: ['is too large for one string', 'Split it'],
  ERR_INVALID_ARG_VALUE: ['the path is not valid', 'Remove the null byte from it'],
};

/** Turns what a `node:fs` call threw into an `ERR_CTC_FILE` error with that cause. */
export function systemError(path: string, error: unknown): Error {
  if (isCtcError(error)) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  // Node's messages end in the path, which is said already.
  const said = String(error).replace(/, \w+ '.*'$/s, '');
  const [problem, remedy] = systemProblems[code ?? ''] ?? [`cannot be read (${said})`, ''];
  return fileError(path, problem, remedy, error);
}

// A list of words or tokens; as lines it takes up to 20 times as much.
const mostTextBytes = 2 ** 26;

/** The whole of a UTF-8 text file of at most 64 MiB, without its byte order mark. */
export async function readText(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    const { size } = await stat(path);
    if (size > mostTextBytes) {
      throw fileError(
        path,
        `has ${size} bytes; a list of at most 64 MiB is read`,
        'Is it the right file?',
      );
    }
    bytes = await readFile(path);
  } catch (error) {
    throw systemError(path, error);
  }
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw fileError(path, 'is UTF-16 text', 'Save it as UTF-8');
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) {
      throw fileError(path, 'is not UTF-8 text', 'Save it as UTF-8', error);
    }
    throw systemError(path, error);
  }
}

/** Splits at LF or CRLF. The end of the last line does not begin another one. */
export function splitLines(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
}

/** A line or a name as it may be shown on a terminal: control characters escaped, at most 60 characters. */
export function quote(text: string): string {
  // Of a long one only the start is taken apart: a list of all its characters may be more than memory holds.
  const characters = [...text.slice(0, 122)];
  const shown = characters.length > 60 ? `${characters.slice(0, 59).join('')}…` : text;
  return `"${escapeControls(shown)}"`;
}

/** Replaces what could move a terminal's cursor or reorder its text by visible escapes. */
export function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (c) => {
    if (c === '\n') return '\\n';
    if (c === '\t') return '\\t';
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
