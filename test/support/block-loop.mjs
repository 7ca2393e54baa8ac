// Preloaded into a process, this blocks its event loop for two seconds at each SIGUSR2, as a task that long would.
process.on('SIGUSR2', () => {
  const end = performance.now() + 2_000;
  while (performance.now() < end);
});
