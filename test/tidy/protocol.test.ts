import { expect, test } from 'vitest';
import { type Era, gateOf, isKnownNotification, type MethodGate, namedMethods } from '../../src/domain/method.ts';
import { read } from './source-tree.ts';

const shows = { tools: 'call', resources: 'read', resourceTemplates: 'read', prompts: 'get' } as const;

/** What docs/protocol.md says of a gate. */
function inWords(gate: MethodGate): string {
  switch (gate.by) {
    case 'key':
      if (gate.liveOnly) return 'key, proven live; nothing is recorded';
      return gate.private ? 'key; the answer is made private' : 'key; a `methods` rule may ask for a scope';
    case 'filter':
      return `key; the answer shows what the key may ${shows[gate.member]}`;
    case 'name':
      return `rule of \`${gate.subject}\` on \`params.name\``;
    case 'uri':
      return `rule of \`resources\` on \`params.uri\`${gate.private ? '; the answer is made private' : ''}`;
    case 'ref':
      return 'rule of `prompts` or `resources` on `params.ref`';
    case 'task':
      return 'own task';
    case 'own-tasks':
      return "key; the answer shows the key's own tasks";
    case 'subscriptions':
      return 'key; the filter is cut down to what the key may read, and so is the stream';
  }
}

const eras: readonly Era[] = ['session', 'stateless'];

test('docs/protocol.md has every method, era and gate, in order', () => {
  const stated = read('docs/protocol.md')
    .split('\n')
    .filter((line) => /^\| `[a-z/_A-Z]+` \|(?: yes)? \|(?: yes)? \| .+ \|$/.test(line))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
  const meant = namedMethods.map((method) => {
    const served = eras.map((era) => gateOf(method, era) !== undefined || isKnownNotification(method, era));
    const gate = eras.map((era) => gateOf(method, era)).find((each) => each !== undefined);
    return [`\`${method}\``, ...served.map((is) => (is ? 'yes' : '')), gate ? inWords(gate) : 'key, proven live'];
  });
  expect(meant.length).toBeGreaterThan(20);
  expect(stated).toEqual(meant);
});
