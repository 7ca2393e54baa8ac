import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { messageOf, signedHeaders } from '../../../src/adapters/sinks/webhook-message.ts';
import { chainRecord, firstPrev } from '../../../src/domain/record.ts';

const { text } = chainRecord({
  facts: { kind: 'limit.threshold', keyId: 'AbCd1234', limitName: 'key:AbCd1234 budget day', threshold: 80 },
  ...{ partition: 'p17', seq: 4, time: 1_800_000_000_000, prev: firstPrev },
});

describe('messageOf', () => {
  it('holds the record as it stands in the journal', () => {
    const message = messageOf(text, (kind) => kind === 'limit.threshold');
    expect(message?.id).toBe('p17-4');
    expect(message?.body).toBe(`{"type":"limit.threshold","timestamp":"2027-01-15T08:00:00.000Z","data":${text}}`);
    expect(JSON.parse(message?.body ?? '')).toMatchObject({ data: { threshold: 80 } });
  });

  it('is about wanted kinds alone', () => {
    expect(messageOf(text, (kind) => kind === 'gap')).toBeUndefined();
    expect(messageOf('{"kind":7}', () => true)).toBeUndefined();
    for (const broken of ['', '{"kind":', 'null']) expect(() => messageOf(broken, () => true)).toThrow();
  });

  it('I5: never holds arguments, whatever a journal keeps of them', () => {
    const kept = JSON.stringify({
      kind: 'call.intent',
      partition: 'main',
      seq: 1,
      tool: 'pay',
      arguments: { pin: 'hunter2' },
      argumentsHash: 'ab',
    });
    const { body = '' } = messageOf(kept, () => true) ?? {};
    expect(body).not.toContain('hunter2');
    expect(JSON.parse(body)).toMatchObject({ data: { tool: 'pay', argumentsHash: 'ab' } });
  });
});

describe('signedHeaders', () => {
  it('gives the signature of the Standard Webhooks libraries for their own example', () => {
    const message = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', body: '{"test": 2432232314}' };
    const secrets = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'];
    expect(signedHeaders(message, { secrets, at: 1_614_265_330_000 })).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it('signs with each secret, the newest first, and takes a plain one as its bytes', () => {
    const message = { id: 'main-1', body: '{"a":"ä"}' };
    const plain = 'a plain secret with spaces, ä';
    const { 'webhook-signature': signature = '' } = signedHeaders(message, { secrets: [plain, 'other-secret-of-some-length'], at: 1999 });
    const [first, second] = signature.split(' ');
    expect(first).toBe(`v1,${createHmac('sha256', Buffer.from(plain)).update('main-1.1.{"a":"ä"}').digest('base64')}`);
    expect(second).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/);
    expect(second).not.toBe(first);
  });
});
