import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Permit } from '../src/network/quota.js';
import { Bucket, Buckets } from '../src/network/quota.js';

/** Joins a line so many times. */
function ask(bucket: Bucket, times: number, concurrency?: number): Permit[] {
  return Array.from({ length: times }, () => bucket.reserve(concurrency, () => {}));
}

const granted = (permits: Permit[]) => permits.filter((permit) => permit.granted).length;

test('where nothing is known a few may go, and more with each answer that says nothing', () => {
  const bucket = new Bucket();
  const permits = ask(bucket, 10);
  assert.equal(granted(permits), 4);
  permits[0]?.release();
  assert.equal(granted(permits), 6, 'one place came free, and one more is trusted');
});

test('no more go than are left, and when none is, one asks for the next window', async () => {
  const bucket = new Bucket();
  const first = ask(bucket, 1);
  bucket.report({ left: 2, resetMs: 100 });
  first[0]?.release();
  const permits = ask(bucket, 5);
  assert.equal(granted(permits), 2);
  permits.slice(0, 2).forEach((permit) => permit.release());
  assert.equal(granted(permits), 2, 'they are used up');
  while (granted(permits) < 3) await sleep(10);
  assert.equal(granted(permits), 3, 'one goes ahead');
  bucket.report({ left: 10, resetMs: 1000 });
  assert.equal(granted(permits), 5);
  permits.forEach((permit) => permit.release());
});

test('a refusal holds everybody back until the end that it names', async () => {
  const bucket = new Bucket();
  const [refused] = ask(bucket, 1);
  const started = performance.now();
  bucket.report({ left: 0, resetMs: 150 });
  refused?.release();
  const permits = ask(bucket, 2);
  assert.equal(granted(permits), 0);
  while (granted(permits) === 0) await sleep(5);
  assert.ok(performance.now() - started >= 150);
  permits.forEach((permit) => permit.release());
});

test('concurrency bounds what is out at once', () => {
  const bucket = new Bucket();
  const permits = ask(bucket, 3, 1);
  assert.equal(granted(permits), 1);
  permits[0]?.release();
  assert.equal(granted(permits), 2);
});

test('who does not run keeps nobody waiting', () => {
  const bucket = new Bucket();
  const [parked, waiting] = ask(bucket, 2, 1);
  parked?.park(true);
  assert.ok(waiting?.granted);
});

test('a bucket is shared by connections that say the same, and by no others', () => {
  const buckets = new Buckets();
  assert.equal(buckets.get('a', 'store'), buckets.get('a', 'store'));
  assert.notEqual(buckets.get('a', 'store'), buckets.get('b', 'store'));
});
