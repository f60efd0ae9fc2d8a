/* SPDX-License-Identifier: MIT */
/* voicestand type: text to where the cursor is; what 'voicestand dictate' runs to insert. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/common.h"
#include "dictate/insert.h"
#include "dictate/utf8.h"

enum { MOST_BYTES = 1 << 20 };

/* The arguments, with blanks between; or standard input to its end. NULL: no memory, or too much. */
static char *read_text(int count, char **arguments, size_t *ret_bytes)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, ret_bytes);
    char piece[4096];
    size_t n, all = 0;

    if (to == NULL)
        return NULL;
    for (int i = 0; i < count; i++)
        fprintf(to, "%s%s", i > 0 ? " " : "", arguments[i]);
    while (count == 0 && all <= MOST_BYTES && (n = fread(piece, 1, sizeof(piece), stdin)) > 0) {
        fwrite(piece, 1, n, to);
        all += n;
    }
    if (fclose(to) != 0 || all > MOST_BYTES) {
        free(text);
        return NULL;
    }
    return text;
}

static int tell(const struct insert_done *d, int status)
{
    printf("{\"event\":\"typed\",\"way\":\"%s\",\"characters\":%zu", insert_name(d->way), d->typed);
    if (status < 0) {
        printf(",\"error\":");
        print_json(stdout, d->why);
    }
    printf("}\n");
    if (status == 0)
        return EXIT_STATUS_OK;
    say("type: %s; 'voicestand doctor' shows what works here", d->why);
    return status == -EXDEV ? EXIT_STATUS_SOME : EXIT_STATUS_MISSING;
}

static int erase(const struct settings *s, const struct insert_ask *ask)
{
    struct insert_done done = {.typed = 0};
    enum insert_way way =
        ask->ways != NULL ? insert_find(ask->ways, strcspn(ask->ways, ",")) : WAY_COUNT;

    if (way == WAY_COUNT)
        return say_usage("--erase: needs --insert, the way that the text came");
    int status = insert_erase(ask, way, s->erase, &done);
    return tell(&done, status);
}

static int type(const struct insert_ask *ask, int count, char **arguments)
{
    struct insert_done done = {.typed = 0};
    size_t bytes = 0;
    char *raw = read_text(count, arguments, &bytes);
    char *text = raw != NULL ? utf8_typeable(raw, bytes) : NULL;

    free(raw);
    if (text == NULL) {
        say("type: the text is longer than %d KB, or there is no memory", MOST_BYTES / 1024);
        return EXIT_STATUS_USAGE;
    }
    int status = text[0] != '\0' ? insert_text(ask, text, &done) : 0;
    free(text);
    return tell(&done, status);
}

int run_type(const struct settings *s, int count, char **arguments)
{
    struct insert_ask ask = {.ways = s->insert, .target = s->target, .paste = "shift+Insert"};
    struct sentences words;
    struct vs_env env;
    const char *bad;
    char target[64];
    size_t length = insert_check(s->insert, &bad);

    if (length > 0)
        return say_usage("--insert: '%.*s' is unknown; choose from wayland, wtype, x11, xdotool, "
                         "portal, ydotool, "
                         "paste, clipboard",
                         (int)length, bad);
    if (s->paste >= 0)
        ask.paste = paste_names[s->paste];
    sentences_init(&words, s, NULL);
    sentences_env(&words, s, &env);
    ask.env = &env;
    /* programs that type read the text by the locale */
    setenv("LC_ALL", "C.UTF-8", 1);
    if (s->show_target) {
        insert_target(&ask, target, sizeof(target));
        printf("%s\n", target);
        return EXIT_STATUS_OK;
    }
    if (s->erase > 0)
        return erase(s, &ask);
    return type(&ask, count, arguments);
}
