import { once } from 'node:events';
import { openRaw, rawPost } from './raw-http.ts';

export interface Timed {
  /** Posts one message with this key, one after another on one connection. `ms`: from the last byte written to the first one read. */
  ask(key: string): Promise<{ status: number; ms: number }>;
  close(): void;
}

/** Posts whose time is measured as closely as a program on the same machine can. */
export async function openTimed(url: string): Promise<Timed> {
  const socket = openRaw(url).setNoDelay(true).setEncoding('latin1');
  await once(socket, 'connect');
  const body = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
  const { pathname: target } = new URL(url);
  return {
    async ask(key) {
      const written = rawPost({ target, lines: [`Authorization: Bearer ${key}`], body });
      const began = performance.now();
      socket.write(written);
      let text = String((await once(socket, 'data'))[0]);
      const ms = performance.now() - began;
      const whole = () => {
        const end = text.indexOf('\r\n\r\n');
        return end >= 0 && text.length >= end + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      };
      while (!whole()) text += String((await once(socket, 'data'))[0]);
      return { status: Number(text.slice(9, 12)), ms };
    },
    close: () => void socket.destroy(),
  };
}
