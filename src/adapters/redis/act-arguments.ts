/**
 * What acts.lua is given: the calls of one key have one plan, and the server reads and hashes every byte of each argument, so plans stand in front,
 * each once, and acts name them by number.
 * @param first  the arguments before all others
 * @param acts  each as acts.lua states them, an admit with its plan in place of the number
 */
export function actArguments(first: readonly string[], acts: readonly (readonly string[])[]): string[] {
  const numbers = new Map<string, string>();
  const args: string[] = [];
  for (const act of acts) {
    const [is = '', id = '', time = '', more = '', record = ''] = act;
    args.push(is === 'settle' || is === 'release' ? is : numberOf(numbers, is), id, time, more, record);
  }
  return [...first, String(numbers.size), ...numbers.keys(), ...args];
}

function numberOf(numbers: Map<string, string>, plan: string): string {
  const known = numbers.get(plan);
  if (known !== undefined) return known;
  const number = String(numbers.size + 1);
  numbers.set(plan, number);
  return number;
}
