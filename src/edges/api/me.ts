import { keyUsage } from '../../authority/usage.ts';
import { timeText, viewKey } from '../../authority/view.ts';
import { type Operation, operation } from './operation.ts';
import { meSchema } from './schemas.ts';

export const meOperation: Operation = operation({
  ...{ verb: 'get', path: '/me', name: 'me', tag: 'own key', listeners: ['admin', 'data'] },
  summary: 'What the key that asks may do, and what it has used.',
  refusals: [],
  success: { status: 200, schema: meSchema, description: 'The key that asks.' },
  async act({ authority, stepUp }, { caller, at }) {
    const { key, accessToken } = caller;
    const { limits } = await keyUsage(authority, key.id);
    const freshUntil = await stepUp.freshUntil(key.id, at);
    return {
      status: 200,
      body: {
        ...viewKey(key, at),
        limits,
        accessToken: accessToken === undefined ? null : { id: accessToken.id, expiresAt: timeText(accessToken.expiresAt) },
        stepUpUntil: freshUntil > at ? timeText(freshUntil) : null,
      },
    };
  },
});
