/* SPDX-License-Identifier: MIT */
/* Every transcript, in a file of the user's alone, before anything else is done with it. */
#ifndef VS_TOOLS_DICTATE_JOURNAL_H
#define VS_TOOLS_DICTATE_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

/** Open or make `FOLDER/dictation.jsonl`, mode 0600. A line that a crash left unfinished is ended.
    @return a descriptor to be closed, or -errno */
int journal_open(const char *folder);

/** Append one line, whole, and wait until the disk has it. @return 0 or -errno */
int journal_write(int fd, const char *line, size_t bytes);

/** Begin a new file if this one is full, so that a service that runs for months keeps two of them.
    @return the descriptor to go on with: `fd`, or another, and `fd` is closed */
int journal_turn(const char *folder, int fd);

/** The newest utterance, if its text was neither typed nor kept nor done with: whoever should have done
    that was killed. @return its number, 0 = there is none */
uint64_t journal_unfinished(const char *folder);

/** The newest transcript: the value of "text" in the last line that has one, as JSON has it, quotes
    included; to be freed. @return 0, -ENOENT there is none, -ENOMEM or -errno */
int journal_last(const char *folder, char **ret);

/** Size from which journal_open() and journal_turn() begin a new file and keeps the old one as dictation.1.jsonl. */
enum { JOURNAL_BYTES = 4 << 20 };

#endif
