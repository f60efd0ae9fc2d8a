/* SPDX-License-Identifier: MIT */
/* Less of the same where a checker watches: each step takes ten times as long under a sanitizer and forty
   times under valgrind, and the first of them show what it looks for. */
#ifndef VS_TESTS_UNIT_FEWER_H
#define VS_TESTS_UNIT_FEWER_H

#ifdef __has_include
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

/* Each of what there is, or one of so many. */
#define ONE_OF(n) (RUNNING_ON_VALGRIND ? (n) : 1)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FEWER(n) ((n) / 4)
#else
#define FEWER(n) (RUNNING_ON_VALGRIND ? (n) / 10 : (n))
#endif

#endif
