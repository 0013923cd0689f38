import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPublic, originOf, parseGrants } from '../src/egress.js';

test('what is not clearly public is not', () => {
  for (const address of ['1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:1.1.1.1', '64:ff9b::101:101']) {
    assert.ok(isPublic(address), address);
  }
  for (const address of [
    '127.0.0.1', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.0.1', '169.254.169.254', '168.63.129.16', '0.0.0.0',
    '100.64.0.1', '192.0.0.8', '198.18.0.1', '203.0.113.9', '224.0.0.1', '255.255.255.255', '::', '::1', 'fe80::1', 'fe80::1%eth0',
    'fc00::1', 'ff02::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '64:ff9b::a00:1', '2001:db8::1', '2002:7f00:1::', '2001::1', '3fff::1',
    'example.com', '',
  ]) {
    assert.ok(!isPublic(address), address);
  }
});

test('origins are compared by scheme, host and port', () => {
  const grants = parseGrants(['https://API.example.com:443/', 'http://127.0.0.1:80', { origin: 'https://in.example', allowPrivate: true }]);
  assert.deepEqual({ ...grants }, { 'https://api.example.com': false, 'http://127.0.0.1': true, 'https://in.example': true });
  for (const other of ['http://api.example.com', 'https://api.example.com:8443', 'https://api.example.com.', 'https://api.example.com.evil.test']) {
    const found = originOf(other);
    assert.ok('origin' in found && grants[found.origin] === undefined, other);
  }
});

test('what is no origin is not granted', () => {
  for (const text of ['', 'api.example.com', 'ftp://x', 'https://', 'https://a/b', 'https://a?b', 'https://u:p@a', 'https://a:0', 'https://a#b']) {
    assert.throws(() => parseGrants([text]), TypeError, text);
  }
});
