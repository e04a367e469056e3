// The first few of many items in some order, kept without keeping the others.

/** The `keep` items that come first of all that were added. No two may be equal in the order. */
export class Ranking<Item> {
  readonly #keep: number;
  readonly #before: (a: Item, b: Item) => boolean;
  readonly #items: Item[] = [];

  constructor(keep: number, before: (a: Item, b: Item) => boolean) {
    this.#keep = keep;
    this.#before = before;
  }

  /** In order. */
  get items(): readonly Item[] {
    return this.#items;
  }

  /** Whether `add` would keep the item. */
  admits(item: Item): boolean {
    const last = this.#items[this.#keep - 1];
    return this.#keep > 0 && (last === undefined || this.#before(item, last));
  }

  add(item: Item): void {
    if (!this.admits(item)) return;
    let [low, high] = [0, this.#items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#before(item, this.#items[middle]!)) high = middle;
      else low = middle + 1;
    }
    this.#items.splice(low, 0, item);
    if (this.#items.length > this.#keep) this.#items.pop();
  }
}
