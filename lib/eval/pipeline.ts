// Work on a stream of items, a few at a time, with the results in the order of the items.

/**
 * Runs `work` on up to `depth` items at once and yields what each comes to, in order. A failure ends
 * the stream, but only after the work that has begun is over: it may hold memory that others reuse.
 */
export async function* inOrder<Item, Result>(
  items: AsyncIterable<Item> | Iterable<Item>,
  depth: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const running: Promise<Result>[] = [];
  try {
    for await (const item of items) {
      const result = work(item);
      // Handled when its turn comes, or never, if an earlier one fails.
      result.catch(() => undefined);
      running.push(result);
      if (running.length >= depth) yield await running.shift()!;
    }
    while (running.length > 0) yield await running.shift()!;
  } finally {
    await Promise.allSettled(running);
  }
}
