import { z } from '@hono/zod-openapi';
import { approveTool, listTools, quarantineTool, showTool } from '../../authority/tools.ts';
import { type Operation, operation } from './operation.ts';
import { pageOf, pageQuery } from './schemas.ts';

const rowsDefault = 50;
const time = z.string().openapi({ format: 'date-time' });
const part = z.enum(['schema', 'annotations', 'wording']);
const hash = z.string().openapi({ description: 'SHA-256, hex, over canonical JSON.' });

const toolMembers = {
  upstream: z.string(),
  tool: z.string(),
  state: z.enum(['pinned', 'quarantined', 'pending']).openapi({ description: 'Only pinned tools are listed and may be called.' }),
  cause: z.string().nullable().openapi({ description: 'Why the tool is held back, such as changed, duplicate or unapproved.' }),
  definition: hash.openapi({ description: 'Of what was listed last: what an approval names.' }),
  pinnedDefinition: hash.nullable(),
  changed: z.array(part).openapi({ description: 'Which parts of it are not what is pinned.' }),
  firstSeenAt: time,
  changedAt: time,
  approvedAt: time.nullable(),
  approvedBy: z.string().nullable().openapi({ description: 'Id of the key, or cli.' }),
};
const toolSchema = z.object(toolMembers).openapi('Tool');

const detailSchema = z
  .object({
    ...toolMembers,
    listed: z.string().nullable().openapi({ description: 'Canonical JSON of what was listed last; null where it is too long to be kept.' }),
    pinned: z.string().nullable(),
    diff: z
      .object({
        changes: z.array(z.object({ path: z.string(), part, before: z.string().optional(), after: z.string().optional() })),
        more: z.boolean().openapi({ description: 'There are more places than are shown.' }),
      })
      .nullable()
      .openapi({ description: 'From what is pinned to what was listed last. Paths are JSON Pointers; long values are cut.' }),
  })
  .openapi('ToolShown');

const changing = { permission: 'gateway.change', changes: true, refusals: [404, 409] } as const;
const shared = { tag: 'configuration', listeners: ['admin'] } as const;

export const toolOperations: readonly Operation[] = [
  operation({
    ...{ ...shared, verb: 'get', path: '/tools', name: 'listTools', summary: 'Tools of the upstreams as they were seen and pinned.' },
    ...{ permission: 'upstreams.read', refusals: [404] },
    query: z.strictObject({
      upstream: z.string().optional(),
      state: toolMembers.state.optional(),
      ...pageQuery,
    }),
    success: { status: 200, schema: pageOf(toolSchema), description: 'One page of tools.' },
    async act({ authority }, { query }) {
      const { limit = rowsDefault, cursor, upstream, state } = query;
      return { status: 200, body: await listTools(authority, { filter: { upstream, state }, limit, cursor }) };
    },
  }),
  operation({
    ...{ ...shared, verb: 'get', path: '/tools/{upstream}/{tool}', name: 'showTool', summary: 'Show a tool and what changed about it.' },
    ...{ permission: 'upstreams.read', refusals: [404] },
    success: { status: 200, schema: detailSchema, description: 'The tool.' },
    async act({ authority }, { params }) {
      return { status: 200, body: await showTool(authority, params.upstream ?? '', params.tool ?? '') };
    },
  }),
  operation({
    ...{ ...shared, verb: 'post', path: '/tools/{upstream}/{tool}/approve', name: 'approveTool' },
    summary: 'Pin a tool as it was listed last, and let it pass.',
    ...changing,
    body: z.strictObject({
      definition: z
        .string()
        .regex(/^[0-9a-f]{64}$/, 'must be the 64 hex digits of the definition that was looked at')
        .openapi({ description: 'What was reviewed. Where the upstream lists something else by now, nothing is approved.' }),
    }),
    success: { status: 200, schema: toolSchema, description: 'The tool as it is now.' },
    async act({ authority }, { params, body, by }) {
      const { upstream = '', tool = '' } = params;
      return { status: 200, body: await approveTool(authority, { upstream, tool, definition: body.definition, by }) };
    },
  }),
  operation({
    ...{ ...shared, verb: 'post', path: '/tools/{upstream}/{tool}/quarantine', name: 'quarantineTool' },
    summary: 'Hide and refuse a tool until it is approved.',
    ...{ ...changing, refusals: [404] },
    body: z.strictObject({ reason: z.string('must say why').openapi({ example: 'its wording tries to steer the model' }) }),
    success: { status: 200, schema: toolSchema, description: 'The tool as it is now.' },
    async act({ authority }, { params, body, by }) {
      const { upstream = '', tool = '' } = params;
      return { status: 200, body: await quarantineTool(authority, { upstream, tool, reason: body.reason, by }) };
    },
  }),
];
