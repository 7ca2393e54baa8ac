/**
 * Makes JSON with comments into JSON: comments become spaces, so that every other character keeps its line and column. Trailing commas need
 * no such step, because the YAML parser that reads the result allows them. An unclosed comment swallows the rest, which then fails to parse.
 */
export function blankComments(text: string): string {
  // Strings are matched before comments, so that a // inside one is left alone.
  const part = /[^"/]+|"(?:[^"\\\n]|\\[^\n])*"?|\/\/[^\n\r]*|\/\*[\s\S]*?(?:\*\/|$)|\//g;
  return text.replace(part, (found) => (found.startsWith('//') || found.startsWith('/*') ? found.replace(/[^\n\r]/g, ' ') : found));
}
