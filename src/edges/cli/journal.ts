import type { Command } from 'commander';
import { addJournalExport } from './journal-export.ts';
import { addJournalTail } from './journal-tail.ts';
import { addJournalVerify } from './journal-verify.ts';
import type { Registrar } from './shell.ts';

export function addJournal(program: Command, registrar: Registrar): void {
  const journal = program.command('journal').description('read, export and verify the audit journal');
  addJournalTail(journal, registrar);
  addJournalExport(journal, registrar);
  addJournalVerify(journal, registrar);
}
