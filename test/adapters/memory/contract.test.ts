import { budgetsContract } from '../../ports/budgets-contract.ts';
import { dutiesContract } from '../../ports/duties-contract.ts';
import { factorsContract } from '../../ports/factors-contract.ts';
import { journalContract } from '../../ports/journal-contract.ts';
import { keyChangesContract } from '../../ports/key-changes-contract.ts';
import { keyringContract } from '../../ports/keyring-contract.ts';
import { ledgerContract } from '../../ports/ledger-contract.ts';
import { modelContract } from '../../ports/model-contract.ts';
import { pinsContract } from '../../ports/pins-contract.ts';
import { replaysContract } from '../../ports/replays-contract.ts';
import { plainCalendar, type Subject, steppedClock, testSigner, testThresholds } from '../../ports/subject.ts';
import { totalsContract } from '../../ports/totals-contract.ts';
import { openMemoryStore } from '../../support/memory-store.ts';

async function openSubject(): Promise<Subject> {
  const clock = steppedClock();
  const signer = testSigner();
  const store = openMemoryStore({ clock, calendar: plainCalendar, signer, thresholds: () => testThresholds });
  return { ...store, clock, publicKeys: signer.publicKeys };
}

keyringContract('memory', openSubject);
ledgerContract('memory', openSubject);
keyChangesContract('memory', openSubject);
totalsContract('memory', openSubject);
budgetsContract('memory', openSubject);
journalContract('memory', openSubject);
factorsContract('memory', openSubject);
pinsContract('memory', openSubject);
replaysContract('memory', openSubject);
dutiesContract('memory', openSubject);
modelContract('memory', openSubject, { runs: 60 });
