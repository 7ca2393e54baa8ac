import type { Span } from './message.ts';

/** The cuts that leave the kept elements of an array, or members of an object, with the right commas between them. */
export function cuts(elements: readonly { readonly span: Span }[], kept: readonly boolean[]): { span: Span; text: string }[] {
  const edits: { span: Span; text: string }[] = [];
  for (let first = 0; first < elements.length; first++) {
    if (kept[first]) continue;
    let last = first;
    while (last + 1 < elements.length && !kept[last + 1]) last++;
    const next = elements[last + 1];
    // A run at the end takes the comma before it along, any other run the comma behind it.
    const start = (next === undefined ? elements[first - 1]?.span.end : undefined) ?? (elements[first] as { span: Span }).span.start;
    const end = next?.span.start ?? (elements[last] as { span: Span }).span.end;
    edits.push({ span: { start, end }, text: '' });
    first = last;
  }
  return edits;
}
