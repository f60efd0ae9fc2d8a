/* SPDX-License-Identifier: MIT */
/* A folder of small files that stands for what a kernel tells of a machine. */
#ifndef VS_TESTS_UNIT_TREE_H
#define VS_TESTS_UNIT_TREE_H

/** The folder, while there is one. */
extern char tree_root[64];

/** Set-up and tear-down of a test: make the folder, remove it with all in it. */
int tree_begin(void **state);
int tree_end(void **state);
/** Write a line to a file below it, with its folders; it appears whole at once. */
__attribute__((format(printf, 2, 3))) void tree_put(const char *text, const char *format, ...);

#endif
