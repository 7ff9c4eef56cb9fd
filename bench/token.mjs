// @ts-check
// The load's access token and the key that proves it: the private key was thrown away. It opens nothing but the bench.

/** An ES256 key set, as a login server has it. */
export const JWKS = {
  keys: [
    {
      kty: 'EC',
      crv: 'P-256',
      alg: 'ES256',
      use: 'sig',
      kid: 'bench',
      x: 'RHGbrbvZqStEzzfaR8lmQKwcgZzDEQ0LRKEVFgZZlqc',
      y: 'ZStwlfQicRRGkzDpnuv3zvQwKFSGeeMwVmx2FsBD6TA',
    },
  ],
}

export const ISSUER = 'https://login.example'
export const AUDIENCE = 'https://bench.example'
/** The scope of the token. */
export const SCOPE = 'tools'

/** Expires in 2100. */
export const TOKEN = [
  'eyJhbGciOiJFUzI1NiIsImtpZCI6ImJlbmNoIiwidHlwIjoiYXQrand0In0',
  'eyJzY29wZSI6InRvb2xzIiwiY2xpZW50X2lkIjoiYmVuY2gtbG9hZCIsImlzcyI6Imh0dHBzOi8vbG9naW4uZXhhbXBsZSIsImF1ZCI6Imh0dHBzOi8vYmVuY2guZXhhbXBsZSIsInN1YiI6ImJlbmNoIiwiaWF0IjoxNzYwMDAwMDAwLCJleHAiOjQxMDI0NDQ4MDAsImp0aSI6IjEifQ',
  '1d1PNfqqN69EvyK5MesEFC6chukOa5auzvQiUdKlZN2-ZzahoR_7I1oaZp5N7ZF3gI_1-pEwZMHyTslUhASF8g',
].join('.')
