/* SPDX-License-Identifier: MIT */
/* Sensors, found by what the kernel says they are: zones of heat by type, counters of energy by the
   package they belong to, power supplies by kind. Numbers in names of folders mean nothing. */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <voicestand/power.h>

#include "base/base.h"
#include "place/files.h"

enum { PATH = 512, LINE = 128, PACKAGES_MAX = 16 };

/* One counter of energy: it starts anew at its range. */
struct counter {
    char folder[PATH];
    uint64_t last, range_uj;
};

struct vs_power_meter {
    char root[PATH];
    char zone[PATH]; /* its folder; "" = none */
    char sensor[32];
    struct counter packages[PACKAGES_MAX];
    size_t package_count;
    double energy_uj;
};

/* Call `visit` for each folder of a pattern below the root, by name, until it returns true.
   The folder is given without the root. */
static bool visit_folders(const char *root, const char *pattern,
                          bool (*visit)(void *user, const char *root, const char *folder),
                          void *user)
{
    char path[PATH + LINE];
    glob_t found;
    bool done = false;

    snprintf(path, sizeof(path), "%s/%s", root, pattern);
    if (glob(path, 0, NULL, &found) != 0)
        return false;
    for (size_t i = 0; i < found.gl_pathc && !done; i++)
        done = visit(user, root, found.gl_pathv[i] + strlen(root) + 1);
    globfree(&found);
    return done;
}

static int read_number(const char *root, const char *folder, const char *file, uint64_t *ret)
{
    char line[LINE], *end;
    int rc = vs__read_line(root, line, sizeof(line), "%s/%s", folder, file);

    if (rc < 0)
        return rc;
    errno = 0;
    unsigned long long value = strtoull(line, &end, 10);
    if (end == line || errno)
        return -ENODATA;
    *ret = value;
    return 0;
}

/* heat ---------------------------------------------------------------------------------------- */

struct zone_search {
    const char *type;
    struct vs_power_meter *m;
};

static bool match_zone(void *user, const char *root, const char *folder)
{
    struct zone_search *search = user;
    char type[LINE];

    if (vs__read_line(root, type, sizeof(type), "%s/type", folder) < 0 ||
        strncmp(type, search->type, strlen(search->type)) != 0)
        return false;
    snprintf(search->m->zone, sizeof(search->m->zone), "%s", folder);
    snprintf(search->m->sensor, sizeof(search->m->sensor), "%.31s", type);
    return true;
}

/* The best zone: the package of x86, the processor of a board, then what a firmware offers. */
static void find_zone(struct vs_power_meter *m)
{
    static const char *const types[] = {"x86_pkg_temp", "TCPU", "cpu", "soc", "acpitz"};

    for (size_t i = 0; i < VS__COUNT(types); i++) {
        struct zone_search search = {types[i], m};
        if (visit_folders(m->root, "sys/class/thermal/thermal_zone*", match_zone, &search))
            return;
    }
}

static void read_heat(const struct vs_power_meter *m, struct vs_power *p)
{
    char line[LINE];

    p->temperature_status = -ENOENT;
    if (!m->zone[0])
        return;
    p->temperature_status = vs__read_line(m->root, line, sizeof(line), "%s/temp", m->zone);
    p->temperature_c = p->temperature_status < 0 ? 0 : strtof(line, NULL) / 1000;
    memcpy(p->sensor, m->sensor, sizeof(p->sensor));
}

/* throttling ---------------------------------------------------------------------------------- */

static bool add_throttles(void *user, const char *root, const char *folder)
{
    static const char *const files[] = {"core_throttle_count", "package_throttle_count"};
    struct vs_power *p = user;

    for (size_t i = 0; i < VS__COUNT(files); i++) {
        uint64_t count;
        int rc = read_number(root, folder, files[i], &count);
        if (rc == 0)
            p->throttles += count;
        if (rc == 0 || p->throttle_status == -ENOENT)
            p->throttle_status = rc;
    }
    return false;
}

/* energy -------------------------------------------------------------------------------------- */

static bool add_package(void *user, const char *root, const char *folder)
{
    struct vs_power_meter *m = user;
    struct counter *c = &m->packages[m->package_count];
    char name[LINE];

    if (vs__read_line(root, name, sizeof(name), "%s/name", folder) < 0 ||
        strncmp(name, "package", 7) != 0)
        return false;
    snprintf(c->folder, sizeof(c->folder), "%s", folder);
    if (read_number(root, folder, "max_energy_range_uj", &c->range_uj) < 0)
        c->range_uj = 0;
    (void)read_number(root, folder, "energy_uj", &c->last);
    return ++m->package_count == PACKAGES_MAX;
}

static void read_energy(struct vs_power_meter *m, struct vs_power *p)
{
    p->energy_status = m->package_count ? 0 : -ENOENT;
    for (size_t i = 0; i < m->package_count; i++) {
        struct counter *c = &m->packages[i];
        uint64_t now;
        int rc = read_number(m->root, c->folder, "energy_uj", &now);
        if (rc < 0) {
            p->energy_status = rc;
            continue;
        }
        uint64_t used = now >= c->last ? now - c->last : c->range_uj - c->last + now;
        if (now >= c->last || c->range_uj >= c->last)
            m->energy_uj += (double)used;
        c->last = now;
    }
    p->energy_j = m->energy_uj / 1e6;
}

/* battery ------------------------------------------------------------------------------------- */

struct supplies {
    bool battery, discharging, mains;
};

static bool look_at_supply(void *user, const char *root, const char *folder)
{
    struct supplies *s = user;
    char type[LINE], line[LINE];
    uint64_t online = 0;

    /* a mouse has a battery too */
    if (vs__read_line(root, line, sizeof(line), "%s/scope", folder) == 0 &&
        strcmp(line, "Device") == 0)
        return false;
    if (vs__read_line(root, type, sizeof(type), "%s/type", folder) < 0)
        return false;
    if (strcmp(type, "Battery") == 0) {
        s->battery = true;
        s->discharging |= vs__read_line(root, line, sizeof(line), "%s/status", folder) == 0 &&
                          strcmp(line, "Discharging") == 0;
    } else if (read_number(root, folder, "online", &online) == 0) {
        s->mains |= online != 0;
    }
    return false;
}

static void read_battery(const struct vs_power_meter *m, struct vs_power *p)
{
    struct supplies s = {0};

    visit_folders(m->root, "sys/class/power_supply/*", look_at_supply, &s);
    p->battery_status = s.battery ? 0 : -ENOENT;
    p->on_battery = s.discharging && !s.mains;
}

/* all ----------------------------------------------------------------------------------------- */

int vs_power_create(const struct vs_env *env, vs_power_meter **ret)
{
    struct vs_power_meter *m = vs__alloc(sizeof(*m));

    if (!m)
        return -ENOMEM;
    snprintf(m->root, sizeof(m->root), "%s", env && env->system_root ? env->system_root : "");
    find_zone(m);
    visit_folders(m->root, "sys/class/powercap/intel-rapl:*", add_package, m);
    *ret = m;
    return 0;
}

void vs_power_read(vs_power_meter *m, struct vs_power *ret)
{
    struct vs_power p = {.size = sizeof(p), .throttle_status = -ENOENT};

    read_heat(m, &p);
    visit_folders(m->root, "sys/devices/system/cpu/cpu*/thermal_throttle", add_throttles, &p);
    read_energy(m, &p);
    read_battery(m, &p);
    vs__write_sized(ret, &p, sizeof(p));
}

void vs_power_destroy(vs_power_meter *m)
{
    vs__free(m);
}
