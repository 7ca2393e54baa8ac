import { journalContract } from '../../ports/journal-contract.ts';
import { keyringContract } from '../../ports/keyring-contract.ts';
import { ledgerContract } from '../../ports/ledger-contract.ts';
import { openSubject } from './open.ts';

keyringContract('lmdb', openSubject);
ledgerContract('lmdb', openSubject);
journalContract('lmdb', openSubject);
