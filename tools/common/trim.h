/* SPDX-License-Identifier: MIT */
/* Memory that a command needed only to start. */
#ifndef VS_TOOLS_COMMON_TRIM_H
#define VS_TOOLS_COMMON_TRIM_H

/** Let go of the program's and the libraries' read-only pages, and of what the allocator keeps free. The
    system maps again what is used again, from its cache of files: a few microseconds a page, so before
    what must not wait begins. Does nothing while a debugger, which writes into such pages, is attached. */
void trim_started(void);

#endif
