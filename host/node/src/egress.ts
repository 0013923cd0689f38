// Which origins a connection may reach. Denied by default: a request needs an origin that the operator grants, and then an address
// that is not private unless the grant says so.

import { BlockList, isIP } from 'node:net';

/**
 * An origin that a connection may reach (`https://api.example.com`). A name must lead to public addresses unless `allowPrivate` says
 * otherwise; an address that is written out, or `localhost`, is granted as it stands.
 */
export type Grant = string | { origin: string; allowPrivate?: boolean };

/** Grants by origin, and whether private addresses are allowed there. */
export type Grants = Record<string, boolean>;

/** Addresses that are not the public internet's: loopback, private, link-local, multicast, documentation, relays, and the like. */
const LOCAL = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  // The host of a virtual machine, as 169.254.169.254 elsewhere.
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  LOCAL.addSubnet(net, prefix, 'ipv4');
}
for (const [net, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  LOCAL.addSubnet(net, prefix, 'ipv6');
}

/** All that is assigned to the public internet so far. */
const ASSIGNED = new BlockList();
ASSIGNED.addSubnet('2000::', 3, 'ipv6');

/** IPv4 addresses inside of IPv6 ones: mapped, and NAT64. */
const EMBEDDED = new BlockList();
EMBEDDED.addSubnet('::ffff:0:0', 96, 'ipv6');
EMBEDDED.addSubnet('64:ff9b::', 96, 'ipv6');

/** Whether an address belongs to the public internet. What is not clearly public is not. */
export function isPublic(address: string): boolean {
  const plain = address.replace(/%.*$/, '');
  if (isIP(plain) === 4) return !LOCAL.check(plain, 'ipv4');
  if (isIP(plain) !== 6) return false;
  if (EMBEDDED.check(plain, 'ipv6')) return isPublic(embedded(plain));
  return ASSIGNED.check(plain, 'ipv6') && !LOCAL.check(plain, 'ipv6');
}

/** The last four bytes of an IPv6 address. */
function embedded(address: string): string {
  if (address.includes('.')) return address.slice(address.lastIndexOf(':') + 1);
  // The parser of URLs writes every group out in its shortest form.
  const groups = new URL(`http://[${address}]`).hostname.slice(1, -1).split(':');
  const [high, low] = groups.slice(-2).map((group) => parseInt(group || '0', 16));
  return [(high ?? 0) >> 8, (high ?? 0) & 255, (low ?? 0) >> 8, (low ?? 0) & 255].join('.');
}

/** The origin of an absolute `http` or `https` address, or why it has none. */
export function originOf(text: string): { origin: string; url: URL } | { reason: string } {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return { reason: 'it is no valid address' };
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return { reason: 'the scheme is neither http nor https' };
  if (url.username !== '' || url.password !== '') return { reason: 'it holds user or password' };
  if (url.port === '0') return { reason: 'the port is not valid' };
  return { origin: url.origin, url };
}

/** Host name or address of a URL; an IPv6 address without brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

/** Reads grants. Throws a `TypeError` for a text that is not an origin. */
export function parseGrants(grants: readonly Grant[]): Grants {
  const parsed: Grants = Object.create(null);
  for (const grant of grants) {
    const { origin: text, allowPrivate } = typeof grant === 'string' ? { origin: grant } : grant;
    const found = originOf(text);
    const reason =
      'reason' in found
        ? found.reason
        : found.url.pathname !== '/' || found.url.search !== '' || text.includes('#')
          ? 'it holds a path'
          : undefined;
    if ('reason' in found || reason !== undefined) {
      throw new TypeError(
        `cannot grant ${JSON.stringify(text)} (${reason}): write an origin as https://host or https://host:port`,
      );
    }
    const host = hostOf(found.url);
    const written = isIP(host) !== 0 || host === 'localhost';
    parsed[found.origin] = parsed[found.origin] === true || (allowPrivate ?? written);
  }
  return parsed;
}
