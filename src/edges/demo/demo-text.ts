import type { DemoKeys } from './demo-keys.ts';

/** What the demo prints once it runs: where things are, the keys, and commands that show each promise. */
export function demoText(options: {
  gateway: { readonly mcpUrl: string; readonly adminUrl: string };
  keys: DemoKeys;
  operatorKey: string | undefined;
  json: boolean;
}): string {
  const { gateway, keys, operatorKey, json } = options;
  const url = `${gateway.mcpUrl}/mcp/demo`;
  if (json) return `${JSON.stringify({ url, adminUrl: gateway.adminUrl, keys, operatorKey: operatorKey ?? null })}\n`;
  const call = (key: string, rest: string) => `  AGENT_API_KEY=${key} npm run -s mcp -- ${rest}`;
  return `
keygate is running in front of the demo MCP server.

  MCP      ${url}
  health   ${gateway.adminUrl}/readyz   metrics ${gateway.adminUrl}/metrics
${operatorKey === undefined ? '' : `\n  first operator key (shown once)   ${operatorKey}\n`}
  key that may read             ${keys.read}
  key that may trade            ${keys.trade}
  key with a budget of 0.003    ${keys.budget}

Try it in another terminal, in this folder:

# the tools this key may call, and no others
${call(keys.read, 'tools')}

# an allowed call: 0.001 is charged
${call(keys.read, `call get_note '{"id":"n-1"}'`)}

# a call beyond its scope: refused before the server hears of it
${call(keys.read, `call place_order '{"item":"tea","quantity":2}'`)}

# the trade key may, unless the rule's condition on the arguments says no
${call(keys.trade, `call place_order '{"item":"tea","quantity":2}'`)}
${call(keys.trade, `call place_order '{"item":"tea","quantity":1000}'`)}

# a budget running out: three calls pass, the fourth is refused and told when the budget resets
  for i in 1 2 3 4; do AGENT_API_KEY=${keys.budget} npm run -s mcp -- call list_notes; done

# the same by hand
  curl -s ${url} -H 'Authorization: Bearer ${keys.read}' -H 'Content-Type: application/json' \\
    -H 'Accept: application/json, text/event-stream' -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/list' \\
    -d '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}'

# what was recorded, and the proof that nobody changed it
  npm run -s keygate -- journal tail -n 6
  npm run -s keygate -- journal verify

Ctrl-C ends it. Running it again reuses the store in ./var and these keys.
`;
}
