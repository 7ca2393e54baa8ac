/** What a program needs to find its files and to speak the user's language; nothing in it is a secret. */
const inherited = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR'] as const;

/**
 * The environment of a child: a few variables of the gateway's own by name, and what its configuration gives it. The gateway's secrets are in neither (A57).
 */
export function childEnvironment(
  gateway: Readonly<Record<string, string | undefined>>,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  const environment: Record<string, string> = Object.create(null);
  for (const name of inherited) {
    const value = gateway[name];
    if (value !== undefined) environment[name] = value;
  }
  return Object.assign(environment, own);
}
