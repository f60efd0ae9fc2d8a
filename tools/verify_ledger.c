/* SPDX-License-Identifier: MIT */
/* voicestand verify-ledger: recompute the account that JSON Lines hold. */
#include <errno.h>
#include <string.h>

#include "common/common.h"
#include "output/output.h"

static void print_finding(void *user, uint64_t line, const char *sentence)
{
    const char *name = user;

    if (line > 0)
        printf("%s:%llu: %s\n", name, (unsigned long long)line, sentence);
    else
        printf("%s: %s\n", name, sentence);
}

/* @return exit status. */
static int report(const char *name, int status, const struct vs_ledger_report *r)
{
    if (status == -EBADMSG) {
        say("%s: holds no events; give the JSON Lines that voicestand wrote", name);
        return EXIT_STATUS_NOT_AUDIO;
    }
    if (status < 0) {
        say("%s: cannot be read: %s", name, strerror(-status));
        return status_of(status);
    }
    if (status > 0) {
        printf("%s: %llu %s in %llu lines\n", name, (unsigned long long)r->findings,
               r->findings == 1 ? "finding" : "findings", (unsigned long long)r->lines);
        return EXIT_STATUS_SOME;
    }
    printf("%s: ok: %llu runs, %llu frames captured = %llu delivered + %llu dropped, residual 0; "
           "%llu segments, %llu texts, %llu gaps\n",
           name, (unsigned long long)r->runs, (unsigned long long)r->captured,
           (unsigned long long)r->delivered, (unsigned long long)r->dropped,
           (unsigned long long)r->segments, (unsigned long long)r->texts,
           (unsigned long long)r->gaps);
    return EXIT_STATUS_OK;
}

int run_verify_ledger(const struct settings *s, int count, char **arguments)
{
    struct vs_ledger_report r = {0};
    char name[256];
    FILE *stream = stdin;
    int status;

    (void)s;
    (void)count;
    snprintf(name, sizeof(name), "%s", arguments[0]);
    if (strcmp(arguments[0], "-") == 0) {
        snprintf(name, sizeof(name), "standard input");
    } else if ((stream = fopen(arguments[0], "re")) == NULL) {
        status = -errno;
        say("%s: cannot be opened: %s; give the JSON Lines that voicestand wrote", arguments[0],
            strerror(-status));
        return status_of(status);
    }
    status = vs_ledger_check(stream, print_finding, name, &r);
    if (stream != stdin)
        fclose(stream);
    return report(name, status, &r);
}
