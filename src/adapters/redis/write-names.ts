/**
 * Names for writes, never used twice by any process: a script that is sent twice knows itself by its name.
 * @param instance  names this process life; never used twice
 */
export function createWriteNames(instance: string): () => string {
  let count = 0;
  return () => {
    count += 1;
    return `${instance} ${count}`;
  };
}
