/** A map from small whole numbers that nearly always holds one entry, for which nothing is allocated. */
export class IdMap<Value> {
  private firstId = -1;
  private first: Value | undefined;
  private more: Map<number, Value> | undefined;

  get(id: number): Value | undefined {
    return this.firstId === id ? this.first : this.more?.get(id);
  }

  set(id: number, value: Value): void {
    if (this.firstId === id || (this.firstId === -1 && !this.more?.has(id))) {
      this.firstId = id;
      this.first = value;
    } else {
      this.more ??= new Map();
      this.more.set(id, value);
    }
  }

  delete(id: number): void {
    if (this.firstId === id) {
      this.firstId = -1;
      this.first = undefined;
    } else this.more?.delete(id);
  }

  get size(): number {
    return (this.firstId === -1 ? 0 : 1) + (this.more?.size ?? 0);
  }
}
