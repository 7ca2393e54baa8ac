// Preloaded (node --import) into programs that listen on every interface: puts them on 127.0.0.1 and prints the port they got,
// so that port 0 can be used and nothing outside this machine can reach a server under test.
import { Server } from 'node:net';

const listen = Server.prototype.listen;

Server.prototype.listen = function listenOnLoopback(...args) {
  const [first] = args;
  this.once('listening', () => console.error(`loopback: listening on port ${this.address().port}`));
  if (typeof first === 'object' && first !== null && first.path === undefined) {
    return listen.call(this, { ...first, host: '127.0.0.1' }, ...args.slice(1));
  }
  if (typeof first === 'number' || /^\d+$/.test(String(first))) {
    const callback = args.find((arg) => typeof arg === 'function');
    return listen.call(this, { port: Number(first), host: '127.0.0.1' }, callback);
  }
  return listen.apply(this, args);
};
