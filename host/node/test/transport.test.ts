// What happens to requests on their way: compression, proxies, failures, redirects.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, createServer as createSocketServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { after, test } from 'node:test';
import zlib from 'node:zlib';
import { Client } from '../src/network/client.js';
import { Exchange } from '../src/network/exchange.js';
import type { NetworkSetup, NetworkToGuest, Send } from '../src/messages.js';

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const answers = (answer: (request: IncomingMessage, response: ServerResponse) => void) => listening(createServer(answer));
const sockets = (answer: (socket: Socket) => void) => listening(createSocketServer(answer));

interface Came {
  status?: number;
  headers?: Record<string, string>;
  body: string;
  failed?: string;
  reason?: string;
}

/** Sends one request and collects what comes. */
async function send(url: string, setup: Partial<NetworkSetup> = {}, request: Partial<Send> = {}): Promise<Came> {
  const { origin } = new URL(url);
  const client = new Client({ grants: { [origin]: true }, sharers: '', requestsInFlight: 2, responseBody: 1 << 20, ...setup });
  const came: Came = { body: '' };
  const message: Send = {
    type: 'send', id: 1, method: 'GET', url, headers: [], body: undefined, useProxy: false, keepAlive: undefined,
    connectTimeout: 5000, firstByteTimeout: 5000, betweenBytesTimeout: 5000, ...request,
  };
  const own = new Map();
  const exchange = new Exchange(message, client, own, (told: NetworkToGuest) => {
    if (told.type === 'head') Object.assign(came, { status: told.status, headers: Object.fromEntries(told.headers) });
    if (told.type === 'failed') Object.assign(came, { failed: told.code.tag, reason: told.reason });
    if (told.type !== 'piece') return;
    came.body += Buffer.from(told.bytes).toString();
    exchange.read(told.bytes.length);
  });
  await exchange.run();
  for (const pool of own.values()) await pool.destroy();
  client.close();
  return came;
}

const TEXT = 'a text that comes compressed, '.repeat(3000);

test('compressed answers are unfolded, whatever the host asked for', async () => {
  const folds: Record<string, (text: string) => Buffer> = { gzip: zlib.gzipSync, br: zlib.brotliCompressSync };
  const { zstdCompressSync } = zlib as unknown as { zstdCompressSync?: (text: string) => Buffer };
  if (zstdCompressSync !== undefined) folds['zstd'] = zstdCompressSync;
  for (const [coding, fold] of Object.entries(folds)) {
    const url = await answers((request, response) => {
      assert.ok(request.headers['accept-encoding']?.includes(coding));
      response.writeHead(200, { 'content-encoding': coding }).end(fold(TEXT));
    });
    const came = await send(url);
    assert.equal(came.body, TEXT, coding);
    assert.equal(came.headers?.['content-encoding'], undefined);
    assert.equal(came.headers?.['content-length'], undefined);
  }
});

test('who says what it can read gets it as it comes', async () => {
  const url = await answers((request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip', asked: request.headers['accept-encoding'] }).end(zlib.gzipSync('x'));
  });
  const came = await send(url, {}, { headers: [['accept-encoding', 'gzip;q=0.5']] });
  assert.equal(came.headers?.['content-encoding'], 'gzip');
  assert.equal(came.headers?.['asked'], 'gzip;q=0.5');
});

test('a bomb is stopped at the limit, and a broken or cut off body is told as such', async () => {
  const bomb = await answers((_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(zlib.gzipSync(Buffer.alloc(8 << 20)));
  });
  const came = await send(bomb);
  assert.equal(came.failed, 'HTTP-response-body-size');
  assert.ok(came.body.length <= 1 << 20);
  const large = await answers((_, response) => void response.end(Buffer.alloc(2 << 20)));
  assert.equal((await send(large)).failed, 'HTTP-response-body-size');
  const broken = await answers((_, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('no gzip'));
  assert.equal((await send(broken)).failed, 'HTTP-response-content-coding');
  const cut = await answers((_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(zlib.gzipSync(TEXT).subarray(0, 60));
  });
  assert.equal((await send(cut)).failed, 'HTTP-response-incomplete');
  const short = await sockets((socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf'));
  });
  assert.equal((await send(short)).failed, 'HTTP-response-incomplete');
});

test('redirects are answers', async () => {
  const url = await answers((_, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end());
  const came = await send(url);
  assert.equal(came.status, 302);
  assert.equal(came.headers?.['location'], 'http://127.0.0.1:1/');
});

test('only a failure before the first byte proves that nothing was sent', async () => {
  const closed = createSocketServer();
  const url = await listening(closed);
  await new Promise((resolve) => closed.close(resolve));
  assert.equal((await send(url)).failed, 'connection-refused');
  const cut = await sockets((socket) => void socket.once('data', () => socket.destroy()));
  assert.equal((await send(cut)).failed, 'connection-terminated');
  const silent = await answers(() => {});
  assert.equal((await send(silent, {}, { firstByteTimeout: 200 })).failed, 'connection-read-timeout');
  const noise = await sockets((socket) => void socket.once('data', () => socket.end('this is not HTTP\r\n\r\n')));
  assert.equal((await send(noise)).failed, 'HTTP-protocol-error');
  assert.equal((await send('http://no-such-name.invalid/')).failed, 'DNS-error');
});

test('what is not granted is not connected to', async () => {
  let connections = 0;
  const url = await sockets((socket) => {
    connections++;
    socket.destroy();
  });
  assert.equal((await send(url, { grants: {} })).failed, 'HTTP-request-denied');
  // Granted as a public origin, the address is private all the same: written out, and behind a name.
  assert.equal((await send(url, { grants: { [url]: false } })).failed, 'destination-IP-prohibited');
  const named = url.replace('127.0.0.1', 'localhost');
  assert.equal((await send(named, { grants: { [named]: false } })).failed, 'destination-IP-prohibited');
  assert.equal(connections, 0);
});

test('a proxy leads to the target, and what it refuses was not sent', async () => {
  const target = await answers((_, response) => void response.end('the target'));
  const asked: string[] = [];
  const proxy = createServer();
  proxy.on('connect', (request, socket) => {
    asked.push(`${request.url} ${request.headers['proxy-authorization']}`);
    const [host, port] = (request.url ?? '').split(':');
    const through = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      through.pipe(socket).pipe(through);
    });
    for (const end of [through, socket]) end.on('error', () => {});
  });
  const uri = (await listening(proxy)).replace('//', '//user:pass@');
  assert.equal((await send(target, { proxy: uri }, { useProxy: true })).body, 'the target');
  const login = Buffer.from('user:pass').toString('base64');
  assert.deepEqual(asked, [`${new URL(target).host} Basic ${login}`]);
  assert.equal((await send(target, { proxy: uri })).body, 'the target');
  assert.equal(asked.length, 1, 'who does not ask for it goes past it');

  const refusing = createServer();
  refusing.on('connect', (_, socket) => socket.end('HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n'));
  const refused = await send(target, { proxy: (await listening(refusing)).replace('//', '//user:pass@') }, { useProxy: true });
  assert.equal(refused.failed, 'HTTP-request-denied');
  assert.match(refused.reason ?? '', /the proxy 127\.0\.0\.1:\d+ refused/);
  assert.doesNotMatch(refused.reason ?? '', /pass/);
  const gone = await send(target, { proxy: 'http://127.0.0.1:1' }, { useProxy: true });
  assert.equal(gone.failed, 'destination-unavailable');
});
