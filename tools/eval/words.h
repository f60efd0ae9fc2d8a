/* SPDX-License-Identifier: MIT */
/* Two texts compared word by word: made alike first, then aligned. No part of it knows audio. */
#ifndef VS_TOOLS_EVAL_WORDS_H
#define VS_TOOLS_EVAL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/** The words of a text; one block behind them. */
struct words {
    char **word;
    size_t count;
    char *block;
};

/** Split a text into words that can be compared; the rules are in docs/engines.md. In short: tags in
    <> and [] go, case goes, punctuation goes (apostrophes inside words stay), "um" and its kind go,
    letters that stand alone become one word: "p. m." is "pm".
    @param text UTF-8, ended by 0
    @param spell numbers become English words: 2:30 is "two thirty", 12 % is "twelve percent"
    @return 0 or -ENOMEM; `*ret` goes to words_free() */
int words_split(const char *text, bool spell, struct words *ret);
void words_free(struct words *w);

/** How a text differs from what it should be. */
struct errors {
    size_t words; /* of the reference */
    size_t substituted, deleted, inserted;
};

/** Align with the fewest errors (Levenshtein); where alignments tie, a wrong word
    rather than one left out and one added.
    @return 0; -ENOMEM; -E2BIG beyond 2^31 pairs of words */
int words_align(const struct words *reference, const struct words *heard, struct errors *ret);

/** Write a whole number of up to 15 digits in English words, "twelve thousand five"; longer ones
    digit by digit. @param digits only 0-9, at least one @param ordinal "twelfth"
    @param ret room for NUMBER_BYTES @return its length */
size_t number_spell(const char *digits, size_t count, bool ordinal, char *ret);

/** Room that `count` digits take in words, at the most. */
#define NUMBER_BYTES(count) (12 * (count) + 32)

#endif
