/* SPDX-License-Identifier: MIT */
/* Spoken numbers as figures, in English: "twenty five" is 25, "the twenty first" 21st, "two point
   five percent" 2.5%, "nineteen ninety nine" 1999. Numbers below ten stay words where they stand alone.
   No I/O. */
#ifndef VS_TOOLS_TEXT_FIGURES_H
#define VS_TOOLS_TEXT_FIGURES_H

/** @param heard words with blanks between; what stands behind "literal" stays as it is
    @return the text to be freed, or NULL without memory */
char *figures_write(const char *heard);

#endif
