/**
 * What acts.lua is given: the calls of one key have one plan, and the server reads and hashes every byte of each argument, so plans stand in front,
 * each once, and acts name them by number.
 * @param first  the arguments before all others
 * @param acts  each as acts.lua states them, an admit with its plan in place of the number
 */
export function actArguments(first: readonly string[], acts: readonly (readonly string[])[]): string[] {
  const numbers = new Map<string, string>();
  const args: string[] = [];
  for (const [is = '', ...rest] of acts) {
    if (is === 'settle' || is === 'release') args.push(is, ...rest);
    else {
      const number = numbers.get(is) ?? String(numbers.size + 1);
      numbers.set(is, number);
      args.push(number, ...rest);
    }
  }
  return [...first, String(numbers.size), ...numbers.keys(), ...args];
}
