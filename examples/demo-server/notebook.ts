/** One note. An id is never given to a second note. */
export interface Note {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}

export interface Order {
  readonly id: string;
  readonly item: string;
  readonly quantity: number;
  readonly remark: string | undefined;
}

/** What the tools work on: a few notes and the orders placed so far, in memory. */
export interface Notebook {
  list(): readonly Note[];
  find(id: string): Note | undefined;
  /** Notes whose title or text contains the query, whatever its case. */
  search(query: string): readonly Note[];
  placeOrder(wanted: Omit<Order, 'id'>): Order;
  /** False when there was no such note. */
  remove(id: string): boolean;
  /** Back to the three notes of the beginning and no orders. */
  reset(): void;
}

const firstNotes: readonly Note[] = [
  { id: 'n-1', title: 'Welcome', text: 'These notes live in memory. Restart the server and they are back.' },
  { id: 'n-2', title: 'Office plants', text: 'Water the fern on Monday and the cactus once a month.' },
  { id: 'n-3', title: 'Stationery', text: 'Order paper when fewer than five boxes are left.' },
];

/**
 * A new notebook. Nothing in it depends on the clock or on chance, so that the same calls give the same answers every time.
 * `onChange` is called after notes were removed or restored.
 */
export function createNotebook(onChange: () => void): Notebook {
  let notes = firstNotes;
  let orders: readonly Order[] = [];

  return {
    list: () => notes,
    find: (id) => notes.find((note) => note.id === id),
    search(query) {
      const wanted = query.toLowerCase();
      return notes.filter((note) => `${note.title}\n${note.text}`.toLowerCase().includes(wanted));
    },
    placeOrder(wanted) {
      const order = { id: `order-${orders.length + 1}`, ...wanted };
      orders = [...orders, order];
      return order;
    },
    remove(id) {
      const left = notes.filter((note) => note.id !== id);
      if (left.length === notes.length) return false;
      notes = left;
      onChange();
      return true;
    },
    reset() {
      notes = firstNotes;
      orders = [];
      onChange();
    },
  };
}
