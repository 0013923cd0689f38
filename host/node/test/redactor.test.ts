// Hidden values in texts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Redactor } from '../src/redactor.js';

test('hidden values are found in JSON and within each other, and short ones are not looked for', () => {
  const redactor = new Redactor(['password', 'pass', 'abc'], 8);
  const odd = 'pass"w\\ord\n1';
  redactor.hide(odd);
  const text = `abc, ${odd}, ${JSON.stringify({ token: odd })}, a password, a pass`;
  assert.equal(redactor.clean(text), 'abc, ****, {"token":"****"}, a ****, a ****');
});

test('the values that were read last stay hidden, and fixed ones for ever', () => {
  const redactor = new Redactor(['fixed'], 2);
  for (const value of ['first', 'second', 'first', 'third']) redactor.hide(value);
  assert.equal(redactor.clean('fixed first second third'), '**** **** second ****');
});

test('every text of a failure is cleaned', () => {
  const redactor = new Redactor(['s3cret'], 1);
  const texts = { message: 'it is s3cret', code: 's3cret', pointer: '/s3cret' };
  assert.deepEqual(redactor.failure({ kind: 'rejected', retry: 'never', status: 422, ...texts }), {
    kind: 'rejected',
    retry: 'never',
    status: 422,
    message: 'it is ****',
    code: '****',
    pointer: '/****',
  });
});

test('texts of a connector hold no control characters and are not endless', () => {
  const redactor = new Redactor(['s3cret-value'], 1);
  assert.equal(redactor.clean('a\x1b[2Jé\nb\x9b of s3cret-value'), 'a [2Jé b  of ****');
  assert.equal(redactor.clean('x'.repeat(8191) + 'é'.repeat(100)), 'x'.repeat(8191) + '…');
  assert.ok(!redactor.clean('x'.repeat(8190) + 's3cret-value').includes('s3c'));
});
