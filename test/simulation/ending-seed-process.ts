/** In the place of seed-process.ts: seed 3 ends it, all others go well. */
process.on('message', (seed: number) => {
  if (seed === 3) process.exit(7);
  process.send?.({ seed, violations: [], met: [`pair ${seed}`], calls: 1 });
});
process.send?.('ready');
