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
