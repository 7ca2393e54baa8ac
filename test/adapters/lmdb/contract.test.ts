import { factorsContract } from '../../ports/factors-contract.ts';
import { journalContract } from '../../ports/journal-contract.ts';
import { keyChangesContract } from '../../ports/key-changes-contract.ts';
import { keyringContract } from '../../ports/keyring-contract.ts';
import { ledgerContract } from '../../ports/ledger-contract.ts';
import { replaysContract } from '../../ports/replays-contract.ts';
import { totalsContract } from '../../ports/totals-contract.ts';
import { openSubject } from './open.ts';

keyringContract('lmdb', openSubject);
ledgerContract('lmdb', openSubject);
keyChangesContract('lmdb', openSubject);
totalsContract('lmdb', openSubject);
journalContract('lmdb', openSubject);
factorsContract('lmdb', openSubject);
replaysContract('lmdb', openSubject);
