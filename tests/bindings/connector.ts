// A connector in TypeScript, as far as its types: it receives, sends and pulls. Compiled by check.sh, and never run.
import type { Context, Event } from 'rapport:connector/types@0.2.0';
import type { Exchange, Request } from 'rapport:connector/http@0.2.0';
import type { Receipt, Webhook } from 'rapport:connector/inbound@0.2.0';
import type { Operation, Outcome, Turn } from 'rapport:connector/sending@0.2.0';
import type { Step } from 'rapport:connector/polling@0.2.0';

const nothing = (): Outcome => ({ accepted: [], events: [], templates: [], extensions: [] });

export const inbound = {
  receive(context: Context, webhook: Webhook): Receipt {
    const said: Event = {
      id: 'm-1',
      at: context.now,
      account: 'w-1',
      contact: { identifiers: [{ scheme: 'acme', value: 'u-1', attestation: 'provider' }], traits: [] },
      body: { tag: 'activity', val: [webhook.method, '{}'] },
      extensions: [],
    };
    return { events: [said], unread: [] };
  },
};

const request = (text: string, statusUrl: boolean): Request => ({
  method: 'post',
  url: [{ tag: 'text', val: 'https://api.acme.example/v1/' }, { tag: 'secret', val: 'bot-token' }],
  headers: [{ name: 'x-status', value: statusUrl ? [{ tag: 'status-url' }] : [] }],
  authorization: { tag: 'basic', val: { user: 'u', secret: 'password' } },
  signed: [{ name: 'x-mac', prefix: 'v1=', algorithm: 'hmac-sha256', secret: 's', data: new Uint8Array(), encoding: 'hex' }],
  body: { tag: 'multipart', val: [{ name: 'file', content: { tag: 'pieces', val: [{ tag: 'blob-url', val: text }] } }] },
  repeatable: false,
  keep: false,
  extensions: [],
});

export const sending = {
  run(_: Context, operation: Operation, history: Exchange[]): Turn {
    if (operation.tag !== 'send') {
      return { soFar: nothing(), next: { tag: 'failed', val: { tag: 'unsupported-content', val: operation.tag } } };
    }
    const answer = history[0];
    if (answer === undefined) {
      const expires: bigint = operation.val.expiresAt;
      return { soFar: nothing(), next: { tag: 'perform', val: [request(`${operation.val.thread ?? expires}`, true)] } };
    }
    if (answer.tag === 'err') {
      return { soFar: nothing(), next: { tag: 'failed', val: { tag: 'rate-limited', val: 7n } } };
    }
    const id = answer.val.body.tag === 'kept' ? answer.val.body.val.sha256 : `${answer.val.status}`;
    return { soFar: { ...nothing(), accepted: [{ part: 0, id }] }, next: { tag: 'done' } };
  },
};

export const polling = {
  poll(_: Context, cursor: string | undefined, history: Exchange[]): Step {
    if (history.length === 0) {
      return { tag: 'perform', val: [{ ...request('a', false), repeatable: true }] };
    }
    if (cursor === 'limited') {
      return { tag: 'failed', val: { tag: 'rate-limited', val: undefined } };
    }
    return { tag: 'done', val: { events: [], unread: ['`a`'], cursor: 'next', againInMs: 60_000n } };
  },
};
