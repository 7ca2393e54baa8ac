import { setTimeout as wait } from 'node:timers/promises';
import { inputRequired, inputResponse, McpServer, ResourceNotFoundError, ResourceTemplate } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Note, Notebook } from './notebook.ts';

const noteId = z.string().max(64).describe('Id of a note, for example n-1');

/**
 * An MCP server over the notebook. One is made for every session, and in the stateless era one for every request: all that they share
 * is the notebook.
 */
export function createMcpServer(notebook: Notebook): McpServer {
  const server = new McpServer(
    { name: 'demo-notes', version: '1.0.0' },
    { instructions: 'A few notes to read, search, order from and delete.' },
  );
  addReadingTools(server, notebook);
  addChangingTools(server, notebook);
  addTestTools(server);
  addResourcesAndPrompts(server, notebook);
  return server;
}

function addReadingTools(server: McpServer, notebook: Notebook): void {
  server.registerTool(
    'list_notes',
    { description: 'Lists the id and title of every note', inputSchema: z.object({}), annotations: { readOnlyHint: true } },
    () => say(titles(notebook.list())),
  );

  server.registerTool(
    'get_note',
    {
      description: 'Reads one note',
      inputSchema: z.object({ id: noteId }),
      outputSchema: z.object({ id: z.string(), title: z.string(), text: z.string() }),
      annotations: { readOnlyHint: true },
    },
    ({ id }) => {
      const note = notebook.find(id);
      return note === undefined ? sayNoSuchNote(id) : { ...say(`${note.title}\n\n${note.text}`), structuredContent: { ...note } };
    },
  );

  server.registerTool(
    'search_notes',
    {
      description: 'Finds notes by a word in their title or text',
      inputSchema: z.object({ query: z.string().min(1).max(200) }),
      annotations: { readOnlyHint: true },
    },
    ({ query }) => say(titles(notebook.search(query))),
  );
}

function addChangingTools(server: McpServer, notebook: Notebook): void {
  server.registerTool(
    'place_order',
    {
      description: 'Places an order (nothing is bought; the order is only remembered)',
      inputSchema: z.object({
        item: z.string().min(1).max(200),
        quantity: z.int().min(1).max(1000),
        note: z.string().max(1000).optional().describe('A remark for whoever fulfils the order'),
      }),
      annotations: { readOnlyHint: false, destructiveHint: false },
    },
    ({ item, quantity, note }) => {
      const order = notebook.placeOrder({ item, quantity, remark: note });
      return say(`${order.id}: ${order.quantity} x ${order.item}${order.remark === undefined ? '' : ` (${order.remark})`}`);
    },
  );

  server.registerTool(
    'delete_note',
    { description: 'Deletes one note', inputSchema: z.object({ id: noteId }), annotations: { readOnlyHint: false, destructiveHint: true } },
    ({ id }) => (notebook.remove(id) ? say(`Deleted ${id}.`) : sayNoSuchNote(id)),
  );

  server.registerTool(
    'admin_reset',
    {
      description: 'Forgets every order and brings the first notes back',
      inputSchema: z.object({}),
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
    },
    () => {
      notebook.reset();
      return say('The notebook is as it was at the start.');
    },
  );
}

/** Tools that exist to show the less common parts of the protocol: progress and questions to the user. */
function addTestTools(server: McpServer): void {
  server.registerTool(
    'slow_count',
    {
      description: 'Counts slowly and reports its progress',
      inputSchema: z.object({ to: z.int().min(1).max(1000), delayMs: z.int().min(0).max(10_000) }),
      annotations: { readOnlyHint: true },
    },
    async ({ to, delayMs }, { mcpReq }) => {
      // A client that wants progress says so by sending a token (specification: basic/utilities/progress).
      const progressToken = mcpReq._meta?.progressToken;
      for (let progress = 1; progress <= to; progress += 1) {
        await wait(delayMs, undefined, { signal: mcpReq.signal });
        if (progressToken !== undefined) {
          await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: to } });
        }
      }
      return say(`Counted to ${to}.`);
    },
  );

  server.registerTool(
    'ask_name',
    { description: 'Asks the user for a name and greets them', inputSchema: z.object({}), annotations: { readOnlyHint: true } },
    (_nothing, { mcpReq }) => {
      // Written once for both eras. In a session the SDK sends the client an `elicitation/create` request; in the stateless era the
      // question is the result of this call, and the client calls again with the answer.
      const answer = inputResponse(mcpReq.inputResponses, 'name');
      if (answer.kind !== 'elicit') return inputRequired({ inputRequests: { name: inputRequired.elicit(nameQuestion) } });
      const name = answer.content?.name;
      return say(answer.action === 'accept' && typeof name === 'string' ? `Hello, ${name}.` : 'Hello, whoever you are.');
    },
  );
}

const nameQuestion = { message: 'What is your name?', requestedSchema: z.object({ name: z.string().max(100) }) };

function addResourcesAndPrompts(server: McpServer, notebook: Notebook): void {
  const resource = (note: Note) => ({ uri: `notes://${note.id}`, name: note.id, title: note.title, mimeType: 'text/plain' });
  const ids = (start: string) => notebook.list().flatMap((note) => (note.id.startsWith(start) ? [note.id] : []));

  server.registerResource(
    'note',
    new ResourceTemplate('notes://{id}', { list: () => ({ resources: notebook.list().map(resource) }), complete: { id: ids } }),
    { title: 'A note', mimeType: 'text/plain' },
    (uri, { id }) => {
      const note = notebook.find(String(id));
      if (note === undefined) throw new ResourceNotFoundError(uri.href);
      return { contents: [{ uri: uri.href, mimeType: 'text/plain', text: note.text }] };
    },
  );

  server.registerPrompt(
    'summarise_note',
    { description: 'Asks for a short summary of one note', argsSchema: z.object({ id: noteId }) },
    ({ id }) => {
      const text = notebook.find(id)?.text ?? `(no note has the id ${id})`;
      return { messages: [{ role: 'user', content: { type: 'text', text: `Summarise this note in one sentence:\n\n${text}` } }] };
    },
  );
}

function say(text: string) {
  return { content: [{ type: 'text' as const, text }] };
}

function sayNoSuchNote(id: string) {
  return { ...say(`No note has the id ${id}.`), isError: true };
}

function titles(notes: readonly Note[]): string {
  return notes.length === 0 ? 'No notes.' : notes.map((note) => `${note.id}: ${note.title}`).join('\n');
}
