// What guides add to a label sequence, by the definition; ARPA models as maps. Nothing here is
// shared with the package.

const LN10 = Math.LN10;

/** log10 probabilities and back-off weights by n-gram, words joined by spaces. */
export interface Ngrams {
  order: number;
  prob: Record<string, number>;
  backoff: Record<string, number>;
}

export function arpaText({ order, prob, backoff }: Ngrams): string {
  const of = (n: number) => Object.keys(prob).filter((gram) => gram.split(' ').length === n);
  const lines = ['\\data\\'];
  for (let n = 1; n <= order; n += 1) lines.push(`ngram ${n}=${of(n).length}`);
  for (let n = 1; n <= order; n += 1) {
    lines.push('', `\\${n}-grams:`);
    for (const gram of of(n)) {
      const weight = backoff[gram];
      lines.push([prob[gram], gram, ...(weight === undefined ? [] : [weight])].join('\t'));
    }
  }
  return `${[...lines, '', '\\end\\'].join('\n')}\n`;
}

/** log10 p(word | context), Katz back-off: the textbook recursion. */
export function log10Of(model: Ngrams, context: string[], word: string): number {
  const known = context.slice(Math.max(0, context.length - model.order + 1));
  const gram = [...known, word].join(' ');
  if (gram in model.prob) return model.prob[gram]!;
  if (known.length === 0) throw new Error(`no unigram ${word}`);
  const weight = model.backoff[known.join(' ')] ?? 0;
  return weight + log10Of(model, known.slice(1), word);
}

export interface Weights {
  alpha: number;
  beta: number;
  unkScore: number;
  sentenceBoundary: boolean;
}

/** What a word model adds to a text: alpha ln p + beta for each word + unkScore for unknown ones. */
export function modelScore(model: Ngrams, words: string[], weights: Weights): number {
  let context = weights.sentenceBoundary && '<s>' in model.prob ? ['<s>'] : [];
  let score = 0;
  for (const word of words) {
    const known = word in model.prob;
    score += weights.beta + (known ? 0 : weights.unkScore);
    const scored = known ? word : '<unk>';
    if (scored in model.prob) {
      score += weights.alpha * LN10 * log10Of(model, context, scored);
      context.push(scored);
    } else {
      context = [];
    }
  }
  if (weights.sentenceBoundary && '</s>' in model.prob) {
    score += weights.alpha * LN10 * log10Of(model, context, '</s>');
  }
  return score;
}

/** How often whole words of `phrase` occur in the words, overlapping ones as well. */
export function occurrences(words: string[], phrase: string): number {
  const text = ` ${words.join(' ')} `;
  let count = 0;
  for (let at = text.indexOf(` ${phrase} `); at >= 0; at = text.indexOf(` ${phrase} `, at + 1)) {
    count += 1;
  }
  return count;
}
