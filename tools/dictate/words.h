/* SPDX-License-Identifier: MIT */
/* From the words that an engine heard to the text that is meant: spoken punctuation and editing words,
   the user's own replacements, blanks and capitals. No I/O but the file of replacements. */
#ifndef VS_TOOLS_DICTATE_WORDS_H
#define VS_TOOLS_DICTATE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct words;

struct words_config {
    const char *language; /* of spoken_of() */
    bool plain;           /* words stay as they are, but for blanks between utterances */
    bool figures;         /* numbers are written as figures; English alone */
    const char *phrases;  /* file of "said = written" lines; NULL = none */
};

/** What stands before the cursor, as far as it is known. Zero: nothing is. */
struct words_before {
    uint32_t last; /* character, 0 = unknown */
    bool glued;    /* no blank is wanted behind it */
    bool capital;  /* a sentence begins */
};

struct words_made {
    char *text;     /* to insert, to be freed; "" = nothing */
    unsigned taken; /* insertions to take back first */
    struct words_before after;
};

/** @return 0, -EINVAL with `*ret_line` the line of the file that is no replacement, -ENOTSUP unknown
    language, -ENOMEM, or why the file cannot be read */
int words_open(const struct words_config *config, struct words **ret, unsigned *ret_line);
void words_close(struct words *w);

/** @return 0 or -ENOMEM */
int words_make(const struct words *w, const char *heard, const struct words_before *before,
               struct words_made *ret);

#endif
