/** The same database as another role. */
export function asRole(url: string, role: string, password?: string): string {
  const address = new URL(url)
  address.username = encodeURIComponent(role)
  address.password = password === undefined ? '' : encodeURIComponent(password)
  return address.href
}
