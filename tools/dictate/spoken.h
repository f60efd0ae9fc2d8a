/* SPDX-License-Identifier: MIT */
/* What is said for what is meant: punctuation and editing words, by language. */
#ifndef VS_TOOLS_DICTATE_SPOKEN_H
#define VS_TOOLS_DICTATE_SPOKEN_H

#include <stdint.h>

enum spoken_act {
    SPOKEN_WRITE,   /* `written` */
    SPOKEN_CAPITAL, /* the next word begins with a capital */
    SPOKEN_UPPER,   /* the next word is all capitals */
    SPOKEN_JOIN,    /* no blank here */
    SPOKEN_LITERAL, /* the next word is meant as it is */
    SPOKEN_SCRATCH, /* take back what was said before it, or inserted last */
};

enum spoken_glue {
    GLUE_LEFT = 1,  /* no blank before it */
    GLUE_RIGHT = 2, /* nor behind it */
    GLUE_BOTH = 3,
    GLUE_SENTENCE = 4, /* behind it a sentence begins */
};

struct spoken {
    const char *said; /* lower case, words with one blank between */
    const char *written;
    uint8_t act;  /* enum spoken_act */
    uint8_t glue; /* set of enum spoken_glue */
};

/** The words of a language ("en", "de", "fr"), the last without `said`; NULL for one not known. */
const struct spoken *spoken_of(const char *language);

#endif
