// Why there is no answer, and the one thing that writers must know: whether a byte of the request may have left. Codes `DNS-*`,
// `destination-*`, `connection-refused`, `connection-timeout`, `TLS-*-error`, `HTTP-request-denied` and `HTTP-request-URI-*` prove that
// none did; nothing else is proof.

import type { ErrorCode } from '../messages.js';

/** A failure with its code, and with a reason where it is the host's doing and the code has no room for it. */
export class Failed extends Error {
  constructor(
    readonly code: ErrorCode,
    readonly reason?: string,
  ) {
    super(reason ?? code.tag);
  }
}

/** Every address of the name is private, and the grant does not allow that. */
export const PROHIBITED = 'ERR_ADDRESS_PROHIBITED';

const UNSENT: Record<string, ErrorCode> = {
  ENOTFOUND: { tag: 'DNS-error', val: { rcode: 'the name is not known', infoCode: undefined } },
  EAI_AGAIN: { tag: 'DNS-error', val: { rcode: 'no answer of the name servers', infoCode: undefined } },
  ENODATA: { tag: 'destination-not-found' },
  [PROHIBITED]: { tag: 'destination-IP-prohibited' },
  EHOSTUNREACH: { tag: 'destination-IP-unroutable' },
  ENETUNREACH: { tag: 'destination-IP-unroutable' },
  EADDRNOTAVAIL: { tag: 'destination-IP-unroutable' },
  ECONNREFUSED: { tag: 'connection-refused' },
  ETIMEDOUT: { tag: 'connection-timeout' },
  UND_ERR_CONNECT_TIMEOUT: { tag: 'connection-timeout' },
};

const SENT: Record<string, ErrorCode> = {
  UND_ERR_HEADERS_TIMEOUT: { tag: 'connection-read-timeout' },
  UND_ERR_BODY_TIMEOUT: { tag: 'connection-read-timeout' },
  ETIMEDOUT: { tag: 'connection-read-timeout' },
  UND_ERR_HEADERS_OVERFLOW: { tag: 'HTTP-response-header-section-size', val: undefined },
};

/** Reasons for which OpenSSL does not trust a certificate. */
const CERTIFICATE = /CERT|UNABLE_TO_|SELF_SIGNED|ERR_TLS_CERT|CRL|INVALID_CA|PATH_LENGTH|HOSTNAME_MISMATCH/;

/** The errors of all addresses that were tried, and of those around them. */
function* chain(error: unknown): Generator<{ name: string; code: string; message: string }> {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (current instanceof AggregateError) for (const one of current.errors) yield* chain(one);
    const { name, message } = current;
    yield { name, code: String((current as NodeJS.ErrnoException).code ?? ''), message };
  }
}

/** A failure before the request's first byte was handed to a socket. */
export function ofConnect(error: unknown, proxy: string | undefined): Failed {
  if (error instanceof Failed) return error;
  const errors = [...chain(error)];
  const refused = errors.find(({ message }) => /^Proxy response \(\d+\)/.test(message));
  if (proxy !== undefined && refused !== undefined) {
    const status = /\d+/.exec(refused.message)?.[0] ?? '';
    return new Failed({ tag: 'HTTP-request-denied' }, `${proxy} refused to lead there (status ${status})`);
  }
  for (const { code, message } of errors) {
    if (CERTIFICATE.test(code)) return new Failed({ tag: 'TLS-certificate-error' });
    if (code === 'EPROTO' || code.startsWith('ERR_SSL') || /TLS connection was established/.test(message)) {
      return new Failed({ tag: 'TLS-protocol-error' });
    }
    const known = UNSENT[code];
    if (known === undefined) continue;
    if (proxy !== undefined) return new Failed({ tag: 'destination-unavailable' }, `${proxy} cannot be reached (${code})`);
    if (code === PROHIBITED) return new Failed(known, message);
    return new Failed(known);
  }
  if (proxy !== undefined) return new Failed({ tag: 'destination-unavailable' }, `${proxy} cannot be reached`);
  return new Failed({ tag: 'destination-unavailable' });
}

/** A failure after the request's first byte may have left. */
export function ofRequest(error: unknown): Failed {
  if (error instanceof Failed) return error;
  for (const { name, code } of chain(error)) {
    const known = SENT[code];
    if (known !== undefined) return new Failed(known);
    if (name === 'HTTPParserError') return new Failed({ tag: 'HTTP-protocol-error' });
  }
  return new Failed({ tag: 'connection-terminated' });
}

/** A body that did not come to its end. */
export function ofBody(error: unknown, coding: string | undefined): Failed {
  if (error instanceof Failed) return error;
  for (const { code } of chain(error)) {
    if (code === 'Z_BUF_ERROR' || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' || code === 'UND_ERR_SOCKET') {
      return new Failed({ tag: 'HTTP-response-incomplete' });
    }
    if (coding !== undefined && /^(Z_|ERR__?(BROTLI|ZSTD)|ERR_BROTLI|ERR_ZSTD|ZSTD_)/.test(code)) {
      return new Failed({ tag: 'HTTP-response-content-coding', val: coding });
    }
  }
  return ofRequest(error);
}
