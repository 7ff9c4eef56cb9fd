// The users of the examples, as an app with passport says what `req.user` is.
declare namespace Express {
  interface User {
    name: string
    team: string
  }
}
