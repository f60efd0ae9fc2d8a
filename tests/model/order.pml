/* SPDX-License-Identifier: MIT */
/* What the models share: C11 release and acquire made explicit.

   The stores to a location stand in the order in which they were made (modification order). A load may
   return any of them from the newest that its thread knows of up to the newest of all: that is how far
   weak processors may lag, and C11 allows nothing else for one location. A store by release carries
   what its thread knew when it made it; a load by acquire that reads it learns that. A mutant drops
   one of the two, or a step. What follows is Promela, read by spin's preprocessor. */

/* Indices are bytes that wrap, as the shipped ones are 64 bits that wrap: all that is computed from
   them are differences. */
#define DIFF(a, b)  (((a) - (b)) & 255)
#define NEWER(a, b) (DIFF(a, b) > 0 && DIFF(a, b) < 128)

/* Learn that an index is at least `x`. */
#define LEARN(known, x)                                                                            \
    if                                                                                             \
    :: NEWER(x, known) -> known = x                                                                \
    :: else                                                                                        \
    fi
