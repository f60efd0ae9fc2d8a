/* SPDX-License-Identifier: MIT */
/* voicestand doctor: what works here, and what to do about the rest. */
#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor.h"
#include "common/tuned.h"
#include "output/output.h"

/* That of the thread that works on live audio. */
#define REALTIME_PRIORITY 20

static const char *const verdict_names[] = {"ok", "warn", "missing"};

static struct {
    const struct settings *settings;
    const struct vs_env *env;
    bool json;
    const char *area; /* heading last printed */
    bool answers;     /* a server, or a card that may be read, is there */
    int devices;      /* seen by vs_devices_list() */
} doctor;

void report(const char *area, const char *name, enum verdict verdict, const char *fix,
            const char *format, ...)
{
    char value[512];
    va_list list;

    va_start(list, format);
    vsnprintf(value, sizeof(value), format, list);
    va_end(list);
    if (doctor.json) {
        printf("{\"event\":\"check\",\"area\":\"%s\",\"name\":", area);
        print_json(stdout, name);
        printf(",\"status\":\"%s\",\"value\":", verdict_names[verdict]);
        print_json(stdout, value);
        if (fix != NULL) {
            printf(",\"fix\":");
            print_json(stdout, fix);
        }
        printf("}\n");
        return;
    }
    if (doctor.area == NULL || strcmp(doctor.area, area) != 0)
        printf("%s%s\n", doctor.area != NULL ? "\n" : "", area);
    doctor.area = area;
    printf("  %-8s%-16s %s\n", verdict_names[verdict], name, value);
    if (fix != NULL)
        printf("  %-8s%-16s -> %s\n", "", "", fix);
}

bool read_line(const char *path, char *ret, size_t size)
{
    FILE *file = fopen(path, "re");
    bool got;

    if (file == NULL)
        return false;
    got = fgets(ret, (int)size, file) != NULL;
    fclose(file);
    if (got)
        ret[strcspn(ret, "\n")] = '\0';
    return got;
}

/* machine ------------------------------------------------------------------------------------ */

static void find_cpu_name(char *ret, size_t size)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[512];

    snprintf(ret, size, "unknown");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        const char *value = strchr(line, ':');

        if (strncmp(line, "model name", 10) != 0 || value == NULL)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(ret, size, "%s", value + 2);
        break;
    }
    if (file != NULL)
        fclose(file);
}

static void check_kernels(void)
{
    static const struct {
        unsigned flag;
        const char *name;
    } features[] = {{VS_CPU_AVX2, "AVX2 and FMA"}, {VS_CPU_AVX512, "AVX-512"},
                    {VS_CPU_VNNI, "AVX-512 VNNI"}, {VS_CPU_AVX_VNNI, "AVX-VNNI"},
                    {VS_CPU_NEON, "NEON"},         {VS_CPU_NEON_DOT, "NEON dot product"}};
    unsigned all = vs_cpu_detect(), used = all;
    const char *name, *level;
    char found[100] = "";

    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
        if (all & features[i].flag) {
            if (found[0] != '\0')
                strcat(found, ", ");
            strcat(found, features[i].name);
        }
    if (found[0] != '\0')
        report("Processor", "features", OK, NULL, "%s", found);
    else
        report("Processor", "features", WARN, "plain C works, more slowly",
               "none that kernels are written for");
    (void)!vs_cpu_parse(doctor.env->cpu, &used);
    for (unsigned i = 0; vs_cpu_kernel(i, used, &name, &level) == 0; i++)
        report("Kernels", name, OK, NULL, "%s", level);
}

/* "performance 0-5, efficient 6-13" and the like, of what may be used. */
static void list_kinds(const struct vs_topology *t, char *ret, size_t bytes)
{
    size_t used = 0;

    for (int kind = 0; kind < VS_CORE_KIND_COUNT; kind++) {
        uint64_t cpus[VS_CPU_WORDS] = {0};
        char list[256];
        bool any = false;

        for (uint32_t i = 0; i < t->count; i++) {
            if (t->cpus[i].kind != kind || !t->cpus[i].usable)
                continue;
            cpus[t->cpus[i].id / 64] |= (uint64_t)1 << t->cpus[i].id % 64;
            any = true;
        }
        if (!any || vs_cpu_list(cpus, list, sizeof(list)) < 0 || used >= bytes)
            continue;
        used += (size_t)snprintf(ret + used, bytes - used, "%s%s %s", used > 0 ? ", " : "",
                                 vs_core_kind_name(kind), list);
    }
}

static void check_placement(const struct vs_topology *t)
{
    struct vs_placement p = {.size = sizeof(p)};
    char roles[400] = "";
    size_t used = 0;

    if (vs_placement_plan(t, NULL, &p) < 0)
        return;
    for (int role = 0; role < VS_ROLE_COUNT; role++) {
        char list[100];

        if (vs_cpu_list(p.cpus[role], list, sizeof(list)) == 0 && list[0] != '\0')
            used += (size_t)snprintf(roles + used, sizeof(roles) - used, "%s%s on %s",
                                     used > 0 ? ", " : "", vs_role_name(role), list);
    }
    report("Processor", "placement", OK, NULL, "%s; text engines: %u %s",
           used > 0 ? roles : "threads run wherever the system likes", p.text_threads,
           p.text_threads == 1 ? "thread" : "threads");
}

static void check_tuning(void)
{
    struct tuned t;

    if (tuned_read(&t) == 0)
        report("Processor", "tuned", OK, NULL, "best measured: placement %s, period %u ms", t.place,
               t.period_ms);
    else
        report("Processor", "tuned", OK, NULL, "not yet; 'voicestand tune' measures what is best");
}

static void check_cores(void)
{
    static struct vs_topology t = {.size = sizeof(t)};
    char kinds[400] = "", smt[16] = "";
    uint32_t usable = 0, cores = 0, nodes = 0;

    if (vs_topology_read(doctor.env, &t) < 0) {
        report("Processor", "cores", WARN, "mount /sys", "%u usable; nothing is told of them",
               core_count());
        return;
    }
    for (uint32_t i = 0; i < t.count; i++) {
        usable += t.cpus[i].usable != 0;
        cores += t.cpus[i].core == t.cpus[i].id;
        nodes = t.cpus[i].node > nodes ? t.cpus[i].node : nodes;
    }
    list_kinds(&t, kinds, sizeof(kinds));
    report("Processor", "cores", OK, NULL, "%u of %u processors on %u cores usable: %s (by %s)",
           usable, t.count, cores, kinds, t.reader);
    if (read_line("/sys/devices/system/cpu/smt/active", smt, sizeof(smt)))
        report("Processor", "threads", OK, NULL, "%s",
               smt[0] == '1' ? "two or more on a core" : "one on a core");
    if (nodes > 0)
        report("Processor", "memory nodes", OK, NULL, "%u", nodes + 1);
    if (t.limit_percent > 0)
        report("Processor", "limit", t.limit_percent < 100 ? WARN : OK,
               t.limit_percent < 100 ? "give the container or service a whole processor" : NULL,
               "the control group allows %.2f processors", t.limit_percent / 100.0);
    check_placement(&t);
    if (doctor.settings->root == NULL)
        check_tuning();
}

/* One sensor: its value, or why there is none. */
static void report_sensor(const char *name, int status, const char *fix, const char *value)
{
    if (status == 0)
        report("Power", name, OK, NULL, "%s", value);
    else if (status == -EACCES || status == -EPERM)
        report("Power", name, WARN, fix, "not permitted");
    else
        report("Power", name, OK, NULL, status == -ENOENT ? "absent" : "cannot be read");
}

static void check_power(void)
{
    struct vs_power p = {.size = sizeof(p)};
    vs_power_meter *m;
    char value[100];

    if (vs_power_create(doctor.env, &m) < 0)
        return;
    vs_power_read(m, &p);
    vs_power_destroy(m);
    snprintf(value, sizeof(value), "%.1f degrees Celsius (%s)", (double)p.temperature_c, p.sensor);
    report_sensor("temperature", p.temperature_status, NULL, value);
    snprintf(value, sizeof(value), "%llu times since the start", (unsigned long long)p.throttles);
    report_sensor("throttled", p.throttle_status, NULL, value);
    report_sensor("energy", p.energy_status,
                  "as root: chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj", "measured");
    report_sensor("battery", p.battery_status, NULL,
                  p.on_battery ? "feeds the machine" : "the mains feed the machine");
}

static void check_machine(void)
{
    struct utsname system;
    char cpu[256];

    report("Machine", "voicestand", OK, NULL, "%s", vs_version());
    if (uname(&system) == 0)
        report("Machine", "kernel", OK, NULL, "%s %s, %s", system.sysname, system.release,
               system.machine);
    find_cpu_name(cpu, sizeof(cpu));
    report("Processor", "name", OK, NULL, "%s", cpu);
    check_cores();
    check_kernels();
    check_power();
}

/* What is asked for and granted without a right. */
static void check_wishes(void)
{
    char pages[64] = "", clamp[64];

    (void)read_line("/sys/kernel/mm/transparent_hugepage/enabled", pages, sizeof(pages));
    if (strstr(pages, "[always]") || strstr(pages, "[madvise]"))
        report("Limits", "huge pages", OK, NULL, "granted for pools of 2 MiB and more");
    else
        report("Limits", "huge pages", OK, NULL,
               "not given by this kernel; nothing depends on them");
    if (read_line("/proc/sys/kernel/sched_util_clamp_min", clamp, sizeof(clamp)))
        report("Limits", "speed", OK, NULL,
               "audio threads ask for a quarter of a core's speed at least (up to %s of 1024)",
               clamp);
    else
        report("Limits", "speed", OK, NULL,
               "this kernel takes no wish for it (utilisation clamping); the governor decides");
}

static void check_limits(void)
{
    struct rlimit limit;

    const char *way;
    int priority = vs_realtime_try(doctor.env, REALTIME_PRIORITY, &way);

    if (priority > 0)
        report("Limits", "real time", OK, NULL, "priority %d is granted, by %s", priority,
               strcmp(way, "limit") == 0 ? "the limit of this user" : way);
    else
        report("Limits", "real time", WARN,
               "apt install rtkit and log in again; or add '@audio - rtprio 95' to "
               "/etc/security/limits.d/audio.conf and yourself to the group audio",
               "neither the limit of this user, the portal nor rtkit grants a priority; under load "
               "audio may come late");
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
        unsigned long long kb = limit.rlim_cur / 1024;

        if (limit.rlim_cur == RLIM_INFINITY)
            report("Limits", "locked memory", OK, NULL, "no limit");
        else if (kb >= 8192 || geteuid() == 0)
            report("Limits", "locked memory", OK, NULL, "up to %llu KB", kb);
        else
            report("Limits", "locked memory", WARN,
                   "add '@audio - memlock 65536' to /etc/security/limits.d/audio.conf and log in "
                   "again",
                   "up to %llu KB only; audio memory may be paged out", kb);
    }
}

/* audio -------------------------------------------------------------------------------------- */

/* @return 0 if something answers at the socket, else -errno. */
static int knock(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, status;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    status = connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    close(fd);
    return status;
}

static void check_pipewire(void)
{
    const char *folder = getenv("PIPEWIRE_RUNTIME_DIR");
    const char *remote = getenv("PIPEWIRE_REMOTE");
    char path[512];
    int status;

    if (folder == NULL)
        folder = getenv("XDG_RUNTIME_DIR");
    if (remote == NULL)
        remote = "pipewire-0";
    if (folder == NULL && remote[0] != '/') {
        report("Audio", "PipeWire", MISSING,
               "log in at a desktop, or start a session: systemctl --user start pipewire",
               "XDG_RUNTIME_DIR is not set, so there is no session");
        return;
    }
    snprintf(path, sizeof(path), "%s%s%s", remote[0] == '/' ? "" : folder,
             remote[0] == '/' ? "" : "/", remote);
    status = knock(path);
    doctor.answers |= status == 0;
    if (status == 0)
        report("Audio", "PipeWire", OK, NULL, "answers at %s", path);
    else if (status == -EACCES || status == -EPERM)
        report("Audio", "PipeWire", WARN, "run as the user who is logged in",
               "%s may not be opened", path);
    else
        report("Audio", "PipeWire", MISSING,
               "apt install pipewire wireplumber, then systemctl --user start pipewire wireplumber",
               "no server at %s", path);
}

static void check_alsa(void)
{
    glob_t found;
    int status = glob("/dev/snd/pcmC*D*c", 0, NULL, &found);

    if (status != 0) {
        report("Audio", "ALSA cards", MISSING,
               "connect a microphone; in a container or virtual machine pass /dev/snd in",
               "no card that records");
        return;
    }
    if (access(found.gl_pathv[0], R_OK) == 0) {
        doctor.answers = true;
        report("Audio", "ALSA cards", OK, NULL, "%zu that record", found.gl_pathc);
    } else {
        report("Audio", "ALSA cards", WARN,
               "sudo usermod -aG audio $USER, then log in again; not needed with PipeWire",
               "%s may not be read", found.gl_pathv[0]);
    }
    globfree(&found);
}

static void visit_device(void *user, const struct vs_device *device)
{
    (void)user;
    /* ALSA lists its plug-ins also where nothing stands behind them. */
    if (strncmp(device->capture, "pipewire", 8) != 0 &&
        (strncmp(device->capture, "alsa", 4) != 0 || !doctor.answers))
        return;
    doctor.devices++;
    report("Audio", device->is_default ? "default" : "device", OK, NULL, "%s: %s", device->capture,
           device->description != NULL ? device->description : "");
}

static void check_audio(void)
{
    check_pipewire();
    check_alsa();
    (void)!vs_devices_list(doctor.env, visit_device, NULL);
    if (doctor.devices == 0)
        report("Audio", "devices", MISSING,
               "connect a microphone, or use files: voicestand segment FILE",
               "nothing can be listened to");
}

/* backends ----------------------------------------------------------------------------------- */

/* What a package has to be there for a module; the names are those of Debian. */
static const char *find_fix(const char *name)
{
    static const char *const fixes[][2] = {
        {"pocketsphinx", "apt install libpocketsphinx-dev pocketsphinx-en-us, then build again"},
        {"pipewire", "apt install libpipewire-0.3-dev, then build again"},
        {"alsa", "apt install libasound2-dev, then build again"},
        {"openvino", "pip install openvino, then build again"},
        {"file", "apt install libsndfile1-dev, then build again"},
    };

    for (size_t i = 0; i < sizeof(fixes) / sizeof(fixes[0]); i++)
        if (strcmp(fixes[i][0], name) == 0)
            return fixes[i][1];
    return "install its module, or set VOICESTAND_MODULE_DIR to the folder of modules";
}

static void visit_backend(void *user, const char *name, int status, const char *description)
{
    const char *area = *(const char **)user;

    if (status == 0)
        report(area, name, OK, NULL, "%s", description);
    else
        report(area, name, MISSING, find_fix(name), "%s",
               description != NULL && description[0] != '\0' ? description : vs_strerror(status));
}

static void check_models(void)
{
    static const char model[] = "/usr/share/pocketsphinx/model/en-us/en-us/mdef";

    if (access(model, R_OK) == 0)
        report("Models", "pocketsphinx", OK, NULL, "English, /usr/share/pocketsphinx/model/en-us");
    else
        report("Models", "pocketsphinx", MISSING, "apt install pocketsphinx-en-us",
               "no English model in /usr/share/pocketsphinx/model");
}

static void check_servers(void)
{
    static const char *const servers[][3] = {
        {"wyoming", "wyoming-server", "apt install libjansson-dev, then build again"},
        {"openai", "openai-server", "apt install libmicrohttpd-dev, then build again"},
    };
    char path[4200];

    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++)
        if (vs_module_path(doctor.env, servers[i][1], path, sizeof(path)) == 0)
            report("Servers", servers[i][0], OK, NULL, "voicestand serve %s", servers[i][0]);
        else
            report("Servers", servers[i][0], MISSING, servers[i][2], "its module is not installed");
}

static void check_backends(void)
{
    static const char *const stages[][2] = {
        {"capture", "Capture"}, {"vad", "Voice activity"}, {"stt", "Text engines"}};

    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        const char *area = stages[i][1];

        (void)!vs_backends_list(doctor.env, stages[i][0], visit_backend, &area);
    }
    check_models();
    check_servers();
}

int run_doctor(const struct settings *s, int count, char **arguments)
{
    struct sentences words;
    struct vs_env env;
    bool npu;

    (void)count;
    (void)arguments;
    if (s->format > VS_OUTPUT_JSONL)
        return say_usage("--format: doctor knows text and jsonl");
    sentences_init(&words, s, NULL);
    sentences_env(&words, s, &env);
    doctor.settings = s;
    doctor.env = &env;
    doctor.json = s->format == VS_OUTPUT_JSONL;
    if (s->root != NULL) { /* of another machine only what lies in files can be told */
        env.system_root = s->root;
        check_cores();
        check_power();
        return check_npu(s->root) ? EXIT_STATUS_OK : EXIT_STATUS_MISSING;
    }
    check_machine();
    check_limits();
    check_wishes();
    check_audio();
    check_backends();
    check_sandbox(&env);
    npu = check_npu("");
    check_openvino(&env, npu);
    check_dictation(&env);
    return doctor.devices > 0 ? EXIT_STATUS_OK : EXIT_STATUS_MISSING;
}
