/** Whether an IP address is one of the public internet, and whether it is a loopback address. (SC4) */
import { BlockList, isIPv4, isIPv6 } from 'node:net'

/** IPv4 that is not global unicast (IANA special-purpose registry), and Azure's host services, which look public. */
const SPECIAL_IPV4: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
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
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]

/** Global unicast, and what of it is special: protocol assignments with Teredo, documentation, 6to4. */
const GLOBAL_IPV6 = ['2000::', 3] as const
const SPECIAL_IPV6: readonly (readonly [network: string, prefix: number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
]

/** IPv6 that stands for an IPv4 address in its last 32 bits: mapped, and translated by NAT64. */
const EMBEDDING_IPV6: readonly (readonly [network: string, prefix: number])[] = [
  ['::ffff:0:0', 96],
  ['64:ff9b::', 96],
]

const specialIpv4 = listOf(SPECIAL_IPV4, 'ipv4')
const globalIpv6 = listOf([GLOBAL_IPV6], 'ipv6')
const specialIpv6 = listOf(SPECIAL_IPV6, 'ipv6')
const embeddingIpv6 = listOf(EMBEDDING_IPV6, 'ipv6')
const loopbackIpv4 = listOf([['127.0.0.0', 8]], 'ipv4')

/** `false` for whatever is not an IP address. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !specialIpv4.check(address, 'ipv4')
  if (!isPlainIpv6(address)) return false
  if (embeddingIpv6.check(address, 'ipv6')) return isPublicAddress(embeddedIpv4(address))
  return globalIpv6.check(address, 'ipv6') && !specialIpv6.check(address, 'ipv6')
}

/** Whether an address is 127.0.0.0/8 or ::1. A mapped one is neither: nobody who is honest writes it. */
export function isLoopbackAddress(address: string): boolean {
  if (isIPv4(address)) return loopbackIpv4.check(address, 'ipv4')
  return isPlainIpv6(address) && canonicalIpv6(address) === '::1'
}

/** An address with a zone (`fe80::1%eth0`) is never public. */
function isPlainIpv6(address: string): boolean {
  return isIPv6(address) && !address.includes('%')
}

function canonicalIpv6(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1)
}

function embeddedIpv4(address: string): string {
  const groups = canonicalIpv6(address).split(':').slice(-2)
  const [high = 0, low = 0] = groups.map((group) => Number.parseInt(group || '0', 16))
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
}

function listOf(networks: readonly (readonly [string, number])[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of networks) list.addSubnet(network, prefix, family)
  return list
}
