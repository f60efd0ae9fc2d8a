/* SPDX-License-Identifier: MIT */
/* voicestand doctor: the steps from the PCI bus to an NPU that can be opened. */
#include <glob.h>
#include <grp.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"

enum { PATH_BYTES = 512 };
#define AREA "NPU"

struct npu {
    const char *root;
    char pci[PATH_BYTES];  /* its folder in sys/ */
    char node[PATH_BYTES]; /* its file in dev/ */
};

static void join(char *ret, const char *root, const char *path)
{
    if (snprintf(ret, PATH_BYTES, "%s%s", root, path) >= PATH_BYTES)
        ret[0] = '\0';
}

static unsigned read_number(const char *folder, const char *name)
{
    char path[PATH_BYTES + 32], line[64];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return read_line(path, line, sizeof(line)) ? (unsigned)strtoul(line, NULL, 16) : 0;
}

/* The last part of what a link points to. @return false if there is none */
static bool read_link(const char *folder, const char *name, char *ret, size_t size)
{
    char path[PATH_BYTES + 32], target[PATH_BYTES];
    ssize_t length;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    length = readlink(path, target, sizeof(target) - 1);
    if (length < 0)
        return false;
    target[length] = '\0';
    snprintf(ret, size, "%s", basename(target));
    return true;
}

/* The first of a pattern below the root. @return false if there is none */
static bool find_one(const char *root, const char *pattern, char *ret)
{
    char path[PATH_BYTES];
    glob_t found;
    bool is_there;

    join(path, root, pattern);
    is_there = glob(path, 0, NULL, &found) == 0;
    if (is_there)
        snprintf(ret, PATH_BYTES, "%s", found.gl_pathv[0]);
    globfree(&found);
    return is_there;
}

/* steps -------------------------------------------------------------------------------------- */

static const char *name_of(unsigned device)
{
    static const struct {
        unsigned device;
        const char *name;
    } known[] = {{0x7d1d, "Meteor Lake, NPU 3720"},
                 {0xad1d, "Arrow Lake, NPU 3720"},
                 {0x643e, "Lunar Lake, NPU 4000"},
                 {0xb03e, "Panther Lake, NPU 5010"},
                 {0xfd3e, "Wildcat Lake, NPU 5020"}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].device == device)
            return known[i].name;
    return NULL;
}

static bool check_pci(struct npu *n)
{
    char pattern[PATH_BYTES];
    unsigned device = 0;
    glob_t found;

    join(pattern, n->root, "/sys/bus/pci/devices/*");
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc && n->pci[0] == '\0'; i++) {
            const char *folder = found.gl_pathv[i];

            device = read_number(folder, "device");
            /* class 0x1200: a processing accelerator */
            if (read_number(folder, "vendor") == 0x8086 &&
                (name_of(device) != NULL || read_number(folder, "class") >> 8 == 0x1200))
                snprintf(n->pci, sizeof(n->pci), "%s", folder);
        }
    globfree(&found);
    if (n->pci[0] == '\0')
        report(AREA, "PCI device", MISSING,
               "none is needed; where the processor has one, switch it on in the firmware's setup",
               "no NPU of Intel on the bus");
    else if (name_of(device) != NULL)
        report(AREA, "PCI device", OK, NULL, "%s (8086:%04x at %s)", name_of(device), device,
               strrchr(n->pci, '/') + 1);
    else
        report(AREA, "PCI device", WARN, "newer than this program: it may work all the same",
               "an accelerator of Intel that is not known here, 8086:%04x", device);
    return n->pci[0] != '\0';
}

static bool check_driver(struct npu *n)
{
    char driver[64], module[PATH_BYTES];

    if (read_link(n->pci, "driver", driver, sizeof(driver))) {
        if (strcmp(driver, "intel_vpu") == 0) {
            report(AREA, "driver", OK, NULL, "intel_vpu has the device");
            return true;
        }
        report(AREA, "driver", MISSING,
               "give it back: remove it from that driver's options and restart",
               "the device belongs to %s, not to intel_vpu", driver);
        return false;
    }
    join(module, n->root, "/sys/module/intel_vpu");
    if (access(module, F_OK) != 0)
        report(AREA, "driver", MISSING,
               "sudo modprobe intel_vpu; it is part of Linux 6.3 and later",
               "the kernel module intel_vpu is not loaded");
    else
        report(AREA, "driver", MISSING,
               "see sudo dmesg | grep vpu; most often: install newer firmware, then restart",
               "intel_vpu is loaded and did not take the device");
    return false;
}

static bool check_node(struct npu *n)
{
    char pattern[PATH_BYTES + 32], sys[PATH_BYTES], path[PATH_BYTES + 32];

    snprintf(pattern, sizeof(pattern), "%s/accel/accel*", n->pci);
    if (!find_one("", pattern, sys)) {
        report(AREA, "firmware", MISSING,
               "see sudo dmesg | grep vpu; install the firmware of the newest NPU driver, restart",
               "intel_vpu made no accelerator: its firmware did not start");
        return false;
    }
    snprintf(path, sizeof(path), "/dev/accel/%.64s", strrchr(sys, '/') + 1);
    join(n->node, n->root, path);
    if (access(n->node, F_OK) == 0) {
        report(AREA, "node", OK, NULL, "%s", path);
        return true;
    }
    report(AREA, "node", MISSING, "in a container, pass it in: --device /dev/accel",
           "%s is not there", path);
    return false;
}

static bool check_permission(const struct npu *n)
{
    struct stat about;
    const struct group *group;
    char fix[200];

    if (access(n->node, R_OK | W_OK) == 0) {
        report(AREA, "permission", OK, NULL, "may be read and written");
        return true;
    }
    group = stat(n->node, &about) == 0 ? getgrgid(about.st_gid) : NULL;
    if (group != NULL && about.st_gid != 0 && (about.st_mode & 0060) == 0060)
        snprintf(fix, sizeof(fix), "sudo usermod -aG %s $USER, then log in again", group->gr_name);
    else
        snprintf(fix, sizeof(fix),
                 "write SUBSYSTEM==\"accel\", GROUP=\"render\", MODE=\"0660\" to "
                 "/etc/udev/rules.d/60-npu.rules and restart");
    report(AREA, "permission", MISSING, fix, "the node may not be read and written");
    return false;
}

/* A library in the folders of the system. They are not opened: what they do then is theirs. */
static bool has_library(const char *root, const char *name)
{
    static const char *const folders[] = {"/usr/lib/*-linux-gnu", "/lib/*-linux-gnu",
                                          "/usr/lib64",           "/usr/lib",
                                          "/usr/local/lib",       "/usr/local/lib/*-linux-gnu"};
    char path[PATH_BYTES], found[PATH_BYTES];

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folders[i], name);
        if (find_one(root, path, found))
            return true;
    }
    return false;
}

static bool check_level_zero(const struct npu *n)
{
    if (!has_library(n->root, "libze_loader.so.1")) {
        report(AREA, "Level Zero", MISSING, "apt install libze1 (or level-zero of its project)",
               "libze_loader.so.1 is not installed");
        return false;
    }
    /* Its name before version 1.16 of the driver was the second. */
    if (!has_library(n->root, "libze_intel_npu.so.1") &&
        !has_library(n->root, "libze_intel_vpu.so.1")) {
        report(AREA, "Level Zero", MISSING,
               "install intel-level-zero-npu of github.com/intel/linux-npu-driver",
               "the loader is there, the NPU's part, libze_intel_npu.so.1, is not");
        return false;
    }
    if (has_library(n->root, "libnpu_driver_compiler.so"))
        report(AREA, "Level Zero", OK, NULL, "loader, driver and compiler are installed");
    else
        report(AREA, "Level Zero", WARN,
               "install intel-driver-compiler-npu of github.com/intel/linux-npu-driver",
               "no libnpu_driver_compiler.so; only OpenVINO's own compiler can do");
    return true;
}

bool check_npu(const char *root)
{
    struct npu n = {.root = root};

    return check_pci(&n) && check_driver(&n) && check_node(&n) && check_permission(&n) &&
           check_level_zero(&n);
}
