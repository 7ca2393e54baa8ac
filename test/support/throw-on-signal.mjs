// Preloaded into a process, this throws where nobody catches it at SIGUSR2, as a mistake in the program would.
process.on('SIGUSR2', () => {
  setImmediate(() => {
    throw new Error('thrown where nobody catches it');
  });
});
