/** The URIs of resources as clients see them: `member+uri`, and `ui://member/...` for those of MCP Apps. Pure. */

const UI = 'ui://'
const MEMBER_URI = /^([a-z][a-z0-9-]*)\+(.*)$/is
const MEMBER_UI_URI = /^ui:\/\/([a-z][a-z0-9-]*)\/(.*)$/is

/** Also of a URI template, whose expressions stay as they are: the prefix has none. */
export function advertisedUri(member: string, uri: string): string {
  return uri.startsWith(UI) ? `${UI}${member}/${uri.slice(UI.length)}` : `${member}+${uri}`
}

/** A member's URI. The name of the member is in lower case if a client has normalized the URI. */
export interface MemberUri {
  readonly member: string
  readonly uri: string
}

export function memberUri(advertised: string): MemberUri | undefined {
  const ui = MEMBER_UI_URI.exec(advertised)
  if (ui) return { member: ui[1]!, uri: UI + ui[2]! }
  const own = MEMBER_URI.exec(advertised)
  return own ? { member: own[1]!, uri: own[2]! } : undefined
}

/** Whether an advertised URI is one of this member. */
export function isMemberUri(advertised: string, member: string): boolean {
  return memberUri(advertised)?.member.toLowerCase() === member.toLowerCase()
}
