/* SPDX-License-Identifier: MIT */
/* The texts of a run over files: its engines, and what is kept of them on the disk. */
#include "text/texts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int texts_start(struct texts *t, const struct settings *s, const char *kept_path)
{
    *t = (struct texts){.settings = s};
    if (s->stt == NULL || strcmp(s->stt, "null") == 0)
        return 0;
    t->pool = pool_create(s, s->jobs > 0 ? s->jobs : pool_engines(s->stt, core_count()));
    if (t->pool == NULL)
        return EXIT_STATUS_INTERNAL;
    int status = kept_path != NULL ? kept_open(kept_path, s, s->resume, &t->kept) : 0;
    if (status < 0)
        return say_output(kept_path, status);
    if (t->kept != NULL && kept_count(t->kept) > 0 && !s->quiet)
        say("%zu texts were found before", kept_count(t->kept));
    return 0;
}

void texts_cancel(const struct texts *t)
{
    if (t->pool != NULL)
        pool_cancel(t->pool);
}

void texts_end(struct texts *t, bool done)
{
    pool_destroy(t->pool);
    kept_close(t->kept, done);
    *t = (struct texts){0};
}

int text_file_create(const struct texts *t, struct text_file *f, const char *name,
                     const char *kept_path, struct sentences *words,
                     struct vs_pipeline_config *config, vs_event_fn *tell, vs_pipeline **ret)
{
    if (t->pool == NULL)
        return vs_pipeline_create(config, ret);
    int status = pool_ready(t->pool, words);
    if (status == 0)
        f->input = kept_input(name, config->start_s, config->length_s);
    if (status == 0 && kept_path != NULL && f->input != NULL) {
        status = kept_open(kept_path, t->settings, t->settings->resume, &f->kept);
        if (status < 0)
            say_output(kept_path, status);
    }
    if (status < 0)
        return status;
    const struct late_config late = {
        .pool = t->pool,
        .kept = f->kept != NULL ? f->kept : t->kept,
        .input = f->input,
        .tell = tell,
        .user = config->user,
    };
    f->late = late_create(&late);
    return f->late != NULL ? late_pipeline(f->late, config, ret) : -ENOMEM;
}

int text_file_wait(const struct text_file *f)
{
    return f->late != NULL ? late_wait(f->late) : 0;
}

void text_file_end(struct text_file *f, bool done)
{
    late_destroy(f->late);
    kept_close(f->kept, done);
    free(f->input);
}
