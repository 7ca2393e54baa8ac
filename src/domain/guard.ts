/** What is allowed but seldom meant when a key is made or changed. Each is a warning, or a refusal where the configuration says so. */
export type Guard = 'wildcard' | 'manage' | 'unbudgeted' | 'name' | 'duplicate' | 'expiry';

export type Guards = Readonly<Record<Guard, 'warn' | 'refuse'>>;
