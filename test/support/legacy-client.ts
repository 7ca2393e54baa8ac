import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { CreateMessageRequestSchema } from '@modelcontextprotocol/sdk/types.js';

/** The v1 SDK's client over HTTP+SSE, the transport of 2024-11-05. Close it with `client.close()`. */
export async function connectLegacy(url: string, bearer: string): Promise<Client> {
  const client = new Client({ name: 'test-client', version: '1.0.0' }, { capabilities: { sampling: {} } });
  client.setRequestHandler(CreateMessageRequestSchema, () => ({
    role: 'assistant',
    model: 'test-model',
    content: { type: 'text', text: 'a sampled answer' },
  }));
  const transport = new SSEClientTransport(new URL(url), { requestInit: { headers: { authorization: `Bearer ${bearer}` } } });
  // The v1 declarations were not written for exactOptionalPropertyTypes; the class does implement the interface.
  await client.connect(transport as Transport);
  return client;
}
