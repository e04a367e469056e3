// Records of CSV and TSV: https://www.rfc-editor.org/rfc/rfc4180. Reading and writing.

/**
 * The fields of one record; undefined where a quote is open at its end, which the next line may close. In a
 * TSV no field goes over lines: a quote that is not closed is an ordinary character there.
 */
export function splitRecord(text: string, delimiter: ',' | '\t'): string[] | undefined {
  const fields: string[] = [];
  let at = 0;
  while (true) {
    if (text[at] === '"') {
      const end = closingQuote(text, at);
      const closed = end >= 0 && (end + 1 === text.length || text[end + 1] === delimiter);
      if (closed) {
        fields.push(text.slice(at + 1, end).replaceAll('""', '"'));
        if (end + 1 === text.length) return fields;
        at = end + 2;
        continue;
      }
      if (end < 0 && delimiter === ',') return undefined;
    }
    const end = text.indexOf(delimiter, at);
    if (end < 0) {
      fields.push(text.slice(at));
      return fields;
    }
    fields.push(text.slice(at, end));
    at = end + 1;
  }
}

/** The quote that ends the field which the one at `start` begins, or -1. */
function closingQuote(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    if (text[at + 1] !== '"') return at;
    at += 1;
  }
  return -1;
}

/** One record of a CSV, without its end of line. */
export function joinRecord(fields: readonly string[]): string {
  return fields
    .map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field))
    .join(',');
}
