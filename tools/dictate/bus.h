/* SPDX-License-Identifier: MIT */
/* The module that answers on the user's D-Bus, so that the command itself has no code for it.
   Name org.voicestand.Dictation, object /org/voicestand/Dictation, interface org.voicestand.Dictation1:
   methods Start, Stop, Toggle, Cancel, Undo, each with the new state as a line of JSON; properties State
   ("idle", …) and Status (the line); signals Changed (the line) and Event (any other line). */
#ifndef VS_TOOLS_DICTATE_BUS_H
#define VS_TOOLS_DICTATE_BUS_H

#include <stddef.h>
#include <stdint.h>

#define BUS_ABI   1u
#define BUS_ENTRY "voicestand_bus"

/** Ask the service, on the module's thread: "start", "status", … @return 0 with a line of JSON in
    `ret`, or -errno */
typedef int bus_ask_fn(void *user, const char *verb, char *ret, size_t bytes);

struct bus_ops {
    uint32_t abi;
    /** Take the name and answer. @return 0, -EEXIST somebody has the name, or why there is no bus */
    int (*start)(bus_ask_fn *ask, void *user, void **ret);
    /** Any thread; does not block. `state` is NULL for events that are no change of it. */
    void (*tell)(void *bus, const char *state, const char *line);
    void (*stop)(void *bus);
};

/** Load the module and start it. @return 0, or -errno; `*ret` is for bus_tell() and bus_close() */
struct bus;
struct vs_env;
int bus_open(const struct vs_env *env, const char *socket, struct bus **ret);
/** NULL is fine. */
void bus_tell(struct bus *b, const char *state, const char *line);
void bus_close(struct bus *b);

#endif
