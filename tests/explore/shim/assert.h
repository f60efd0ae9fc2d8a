/* SPDX-License-Identifier: MIT */
/* A broken assertion of an explored source is a finding, not an abort. */
#ifndef VS_TESTS_EXPLORE_ASSERT_H
#define VS_TESTS_EXPLORE_ASSERT_H

void explore_fail(const char *what);
#define assert(x) ((x) ? (void)0 : explore_fail("assertion " #x))

#endif
