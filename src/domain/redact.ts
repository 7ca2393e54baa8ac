/** Anything that looks like a credential, whatever it stands in: agent keys of any prefix, bearer values, JWTs. */
const secrets = /[a-z][a-z0-9]{0,11}_(?:live|test)_[0-9A-Za-z]{8}_[0-9A-Za-z]{40,}|\bBearer\s+\S+|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+/gi;

/** Replaces what looks like a credential in a text that came from elsewhere (an error's message, say). */
export function redact(text: string): string {
  return text.replace(secrets, '[redacted]');
}
