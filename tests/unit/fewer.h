/* SPDX-License-Identifier: MIT */
/* Less of the same under a sanitizer, where each step takes ten times as long and the first of them show
   what it looks for. */
#ifndef VS_TESTS_UNIT_FEWER_H
#define VS_TESTS_UNIT_FEWER_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FEWER(n) ((n) / 4)
#else
#define FEWER(n) (n)
#endif

#endif
