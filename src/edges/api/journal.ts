import { z } from '@hono/zod-openapi';
import { verifyJournal } from '../../authority/verify-journal.ts';
import { Denial } from '../../domain/denial.ts';
import { compileFilter, confinedJournalFilter, readPage } from './journal-filter.ts';
import { createRefresh, followJournal } from './journal-follow.ts';
import { type Answer, type Operation, operation } from './operation.ts';
import { pageOf, pageQuery } from './schemas.ts';

const recordSchema = z
  .looseObject({
    v: z.literal(1),
    partition: z.string(),
    seq: z.int(),
    time: z.string(),
    kind: z.string(),
    prev: z.string(),
    hash: z.string(),
  })
  .openapi('JournalRecord');

const reportSchema = z
  .object({
    ok: z.boolean(),
    records: z.int(),
    checkpoints: z.int(),
    firstSeq: z.int().optional(),
    lastSeq: z.int().optional(),
    faults: z.array(z.object({ partition: z.string(), seq: z.int(), problem: z.string() })),
    gaps: z.array(z.object({ seq: z.int(), from: z.string().optional(), to: z.string().optional() })),
  })
  .openapi('JournalReport');

const time = z
  .string()
  .refine(
    (text) => /^[0-9]{4}-[0-9]{2}-[0-9]{2}/.test(text) && !Number.isNaN(Date.parse(text)),
    'must be a time such as 2026-11-20T12:00:00Z',
  )
  .optional();

const journalQuery = z.strictObject({
  kind: z.string().max(64).optional().openapi({ description: 'Such as call.intent; a first part alone stands for all of its kinds: key' }),
  keyId: z.string().max(64).optional().openapi({ description: 'Records of this key and of those that descend from it.' }),
  org: z.string().max(64).optional(),
  reason: z.string().max(64).optional(),
  since: time,
  until: time,
  follow: z.enum(['true', 'false'], 'must be true or false').optional().openapi({
    description: 'Go on as records are written: as server-sent events where Accept asks for them, else one record a line.',
  }),
  ...pageQuery,
  cursor: z
    .string()
    .regex(/^[0-9]{1,15}$/, 'is not one that a list has given')
    .optional()
    .openapi({ description: 'A position in the order of the journal: records after it.' }),
});

/** Followers of one process: each reads the journal five times a second. */
const followersMax = 100;

/** @returns the operations of one application, which counts its own followers */
export function journalOperations(): readonly Operation[] {
  let followers = 0;
  let refresh: (() => Promise<void>) | undefined;
  return [
    operation({
      ...{
        verb: 'get',
        path: '/journal',
        name: 'readJournal',
        tag: 'journal',
        listeners: ['admin'],
        summary: 'Read the journal, oldest first.',
      },
      ...{ permission: 'journal.read', query: journalQuery, refusals: [] },
      success: { status: 200, schema: pageOf(recordSchema), description: 'One page of records, each exactly as it was written.' },
      async act(deps, { query, by, caller, headers }): Promise<Answer> {
        const { limit = 50, cursor, follow, ...wanted } = query;
        const filter = confinedJournalFilter(wanted, by);
        const matches = filter === undefined ? () => false : compileFilter(filter);
        if (follow !== 'true') {
          const { lines, next } = await readPage(deps.authority.journal, { after: Number(cursor ?? 0), limit, matches });
          // The text is what hashes are over: it is passed on as it is.
          return {
            status: 200,
            text: `{"data":[${lines.map(({ text }) => text).join(',')}],"nextCursor":${next === undefined ? null : `"${next}"`}}`,
          };
        }
        if (followers >= followersMax) throw new Denial('OVERLOADED', { detail: `${followersMax} clients follow the journal already.` });
        const last = headers['last-event-id'];
        const from = typeof last === 'string' && /^[0-9]{1,15}$/.test(last) ? last : cursor;
        const after = from === undefined ? await deps.authority.journal.head() : Number(from);
        const events = String(headers.accept ?? '').includes('text/event-stream');
        return {
          async stream(reply) {
            followers += 1;
            refresh ??= createRefresh(deps.authority);
            await followJournal(deps, { caller, after, matches, events, refresh }, reply).finally(() => {
              followers -= 1;
            });
          },
        };
      },
    }),
    operation({
      ...{ verb: 'get', path: '/journal/verify', name: 'verifyJournal', tag: 'journal', listeners: ['admin'] },
      summary: 'Check every hash, link and signature of the journal.',
      ...{ permission: 'gateway.read', refusals: [] },
      success: { status: 200, schema: reportSchema, description: 'What was found; ok is false where anything is wrong.' },
      async act({ authority, checkpointKeys }) {
        return { status: 200, body: await verifyJournal(authority, { publicKeys: checkpointKeys() }) };
      },
    }),
  ];
}
