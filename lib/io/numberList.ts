/** Numbers that are appended one by one, 8 bytes each. */
export class NumberList {
  #values = new Float64Array(64);
  #count = 0;

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const values = new Float64Array(2 * this.#count);
      values.set(this.#values);
      this.#values = values;
    }
    this.#values[this.#count++] = value;
  }

  at(position: number): number {
    return this.#values[position]!;
  }
}
