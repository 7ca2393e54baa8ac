/**
 * A small MCP client for trying things, on the official SDK:
 *
 *     AGENT_API_KEY=kg_live_… npm run -s mcp -- tools
 *     AGENT_API_KEY=kg_live_… npm run -s mcp -- call get_note '{"id":"1"}'
 *
 * KEYGATE_URL says where (default http://127.0.0.1:8080/mcp/demo). A refusal is printed whole and exits with 1.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const [command = 'tools', tool = '', text = '{}'] = process.argv.slice(2);
const url = new URL(process.env['KEYGATE_URL'] ?? 'http://127.0.0.1:8080/mcp/demo');
const headers = { authorization: `Bearer ${process.env['AGENT_API_KEY'] ?? ''}` };
const client = new Client({ name: 'keygate-example', version: '1.0.0' });

try {
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
  if (command === 'call') {
    const answer = await client.callTool({ name: tool, arguments: JSON.parse(text) as Record<string, unknown> });
    for (const part of answer.content) console.log(part.type === 'text' ? part.text : JSON.stringify(part));
    if (answer.isError) process.exitCode = 1;
  } else {
    for (const { name, description = '' } of (await client.listTools()).tools) console.log(`${name.padEnd(16)} ${description}`);
  }
} catch (error) {
  const { code, message, data } = error as { code?: number; message: string; data?: unknown };
  console.error(`refused${code === undefined ? '' : ` (${code})`}: ${message}`);
  if (data !== undefined) console.error(JSON.stringify(data, null, 2));
  process.exitCode = 1;
} finally {
  await client.close();
}
