// CTM lines (NIST's time-marked conversation format): utterance, channel, start, duration, word,
// confidence, apart by spaces.

/** One word in time, in seconds. */
export interface TimedText {
  start: number;
  end: number;
  text: string;
  /** 0 to 1. */
  score: number;
}

/**
 * One line. What CTM has no room for is replaced: white space in names and words by `_`, and `;;`
 * (a comment) at the start of a name by `__`.
 */
export function ctmLine(utterance: string, { start, end, text, score }: TimedText): string {
  // The duration of the rounded times, so that they do not overlap.
  const [from, to] = [milliseconds(start), milliseconds(end)];
  return `${ctmName(utterance)} 1 ${seconds(from)} ${seconds(to - from)} ${text.replace(/\s/gu, '_') || '_'} ${score.toFixed(4)}\n`;
}

/** An utterance's name as a line has it. */
export function ctmName(utterance: string): string {
  return utterance.replace(/\s/gu, '_').replace(/^;;/, '__') || '_';
}

const milliseconds = (time: number) => Math.round(time * 1000);
const seconds = (time: number) => (time / 1000).toFixed(3);
