/* SPDX-License-Identifier: MIT */
#include "dictate/words.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "dictate/spoken.h"
#include "dictate/utf8.h"
#include "text/figures.h"

struct phrase {
    char *said, *written;
};

struct words {
    bool plain, figures;
    const struct spoken *spoken;
    struct phrase *phrases;
    size_t count;
    locale_t locale; /* letters of all languages */
};

/* One word as it was heard, and how it is compared: lower case, no punctuation around it. */
struct word {
    const char *text;
    size_t bytes;
    char *plain;
};

/* What comes out. */
struct maker {
    const struct words *words;
    FILE *to;
    char *text;
    size_t bytes;
    struct words_before at;
    enum spoken_act next; /* what the next word has to be */
    bool any;             /* something was written */
    unsigned taken;
};

/* letters -------------------------------------------------------------------------------------- */

static bool is_mark(uint32_t c)
{
    return c < 0x80 && c != 0 && strchr(".,!?;:\"", (int)c) != NULL;
}

static char *fold(const struct words *w, const char *text, size_t bytes)
{
    char *own = strndup(text, bytes), *ret = malloc(4 * bytes + 1);
    size_t length = 0, kept = 0;

    if (own == NULL || ret == NULL) {
        free(own);
        free(ret);
        return NULL;
    }
    for (const char *at = own; *at != '\0';) {
        uint32_t c = utf8_next(&at);
        if (c == 0x2019)
            c = '\'';
        if (is_mark(c) && length == 0)
            continue;
        length += utf8_put((uint32_t)towlower_l((wint_t)c, w->locale), ret + length);
        if (!is_mark(c))
            kept = length;
    }
    ret[kept] = '\0';
    free(own);
    return ret;
}

static void put(struct maker *m, uint32_t c)
{
    char bytes[4];

    fwrite(bytes, 1, utf8_put(c, bytes), m->to);
    m->at.last = c;
}

/* output --------------------------------------------------------------------------------------- */

static void write_piece(struct maker *m, const char *text, unsigned glue, bool is_word)
{
    bool blank = m->at.last != 0 && m->at.last != ' ' && m->at.last != '\n' && m->at.last != '\t';
    bool first = true;

    if (*text == '\0')
        return;
    if (blank && !m->at.glued && !(glue & GLUE_LEFT))
        put(m, ' ');
    while (*text != '\0') {
        uint32_t c = utf8_next(&text);
        bool up =
            m->next == SPOKEN_UPPER || (first && (m->at.capital || m->next == SPOKEN_CAPITAL));
        put(m, is_word && up ? (uint32_t)towupper_l((wint_t)c, m->words->locale) : c);
        first = false;
    }
    m->any = true;
    m->at.glued = (glue & GLUE_RIGHT) != 0;
    if (is_word || glue != GLUE_RIGHT) /* a capital is wanted behind an opening quote too */
        m->at.capital = (glue & GLUE_SENTENCE) != 0;
    if (is_word)
        m->next = SPOKEN_WRITE;
}

static int restart(struct maker *m)
{
    if (m->to != NULL)
        fclose(m->to);
    free(m->text);
    m->text = NULL;
    m->to = open_memstream(&m->text, &m->bytes);
    m->any = false;
    m->next = SPOKEN_WRITE;
    return m->to != NULL ? 0 : -ENOMEM;
}

static int act(struct maker *m, const struct spoken *s, const struct words_before *before)
{
    switch (s->act) {
    case SPOKEN_WRITE:
        write_piece(m, s->written, s->glue, false);
        return 0;
    case SPOKEN_JOIN:
        m->at.glued = true;
        return 0;
    case SPOKEN_SCRATCH:
        if (!m->any) {
            m->taken++;
            m->at = (struct words_before){0};
            return 0;
        }
        m->at = *before;
        return restart(m);
    default:
        m->next = (enum spoken_act)s->act;
        return 0;
    }
}

/* matching ------------------------------------------------------------------------------------- */

/* How many of the words are what is `said`; 0 = it is not. */
static size_t match(const struct word *words, size_t count, const char *said)
{
    for (size_t n = 0; n < count; n++) {
        size_t length = strcspn(said, " ");

        if (strlen(words[n].plain) != length || memcmp(words[n].plain, said, length) != 0)
            return 0;
        said += length;
        if (*said == '\0')
            return n + 1;
        said++;
    }
    return 0;
}

/* The longest phrase of the user's that begins here. */
static const struct phrase *find_phrase(const struct words *w, const struct word *words,
                                        size_t count, size_t *ret_words)
{
    const struct phrase *found = NULL;

    *ret_words = 0;
    for (size_t i = 0; i < w->count; i++) {
        size_t n = match(words, count, w->phrases[i].said);
        if (n > *ret_words) {
            *ret_words = n;
            found = &w->phrases[i];
        }
    }
    return found;
}

static const struct spoken *find_spoken(const struct words *w, const struct word *words,
                                        size_t count, size_t *ret_words)
{
    const struct spoken *found = NULL;

    *ret_words = 0;
    for (const struct spoken *s = w->spoken; s->said != NULL; s++) {
        size_t n = match(words, count, s->said);
        if (n > *ret_words) {
            *ret_words = n;
            found = s;
        }
    }
    return found;
}

static void write_word(struct maker *m, const struct word *word)
{
    char *own = strndup(word->text, word->bytes);

    if (own == NULL)
        return;
    write_piece(m, own, 0, true);
    free(own);
}

/* A bare mark of the engine's stands at its word; behind the end of a sentence comes a capital. */
static void note_end(struct maker *m, const struct word *word)
{
    char last = word->bytes > 1 ? word->text[word->bytes - 1] : 0;

    if (last == '.' || last == '!' || last == '?')
        m->at.capital = true;
}

/* One phrase or word. @return words used, or -ENOMEM */
static int take(struct maker *m, const struct word *words, size_t count,
                const struct words_before *before)
{
    const struct words *w = m->words;
    size_t used = 0;

    if (!w->plain && m->next != SPOKEN_LITERAL) {
        size_t own = 0;
        const struct phrase *p = find_phrase(w, words, count, &own);
        const struct spoken *s = find_spoken(w, words, count, &used);

        if (p != NULL && own >= used) {
            write_piece(m, p->written, 0, true);
            return (int)own;
        }
        if (s != NULL)
            return act(m, s, before) < 0 ? -ENOMEM : (int)used;
    }
    if (m->next == SPOKEN_LITERAL)
        m->next = SPOKEN_WRITE;
    write_word(m, words);
    note_end(m, words);
    return 1;
}

static void free_words(struct word *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(words[i].plain);
    free(words);
}

/* @return how many, or -ENOMEM */
static int split(const struct words *w, const char *heard, struct word **ret)
{
    static const char blanks[] = " \t\r\n\v\f";
    struct word *words = NULL;
    size_t count = 0;

    for (heard += strspn(heard, blanks); *heard != '\0'; heard += strspn(heard, blanks)) {
        size_t bytes = strcspn(heard, blanks);
        struct word *more = realloc(words, (count + 1) * sizeof(*words));

        if (more == NULL) {
            free_words(words, count);
            return -ENOMEM;
        }
        words = more;
        words[count] = (struct word){heard, bytes, fold(w, heard, bytes)};
        if (words[count++].plain == NULL) {
            free_words(words, count);
            return -ENOMEM;
        }
        heard += bytes;
    }
    *ret = words;
    return (int)count;
}

int words_make(const struct words *w, const char *heard, const struct words_before *before,
               struct words_made *ret)
{
    struct maker m = {.words = w, .at = *before};
    struct word *words = NULL;
    char *figures = w->figures ? figures_write(heard) : NULL;

    if (w->figures && figures == NULL)
        return -ENOMEM;
    int count = split(w, figures != NULL ? figures : heard, &words),
        status = count < 0 ? count : restart(&m);

    for (int i = 0; status == 0 && i < count;) {
        int used = take(&m, words + i, (size_t)(count - i), before);
        if (used < 0)
            status = used;
        else
            i += used;
    }
    if (count > 0)
        free_words(words, (size_t)count);
    free(figures);
    if (m.to != NULL && (fclose(m.to) != 0 || m.text == NULL) && status == 0)
        status = -ENOMEM;
    if (status < 0) {
        free(m.text);
        return status;
    }
    *ret = (struct words_made){.text = m.text, .taken = m.taken, .after = m.at};
    return 0;
}

/* the user's own --------------------------------------------------------------------------------- */

/* \n, \t and \\ */
static void unescape(char *text)
{
    char *to = text;

    for (const char *at = text; *at != '\0'; at++) {
        if (at[0] == '\\' && (at[1] == 'n' || at[1] == 't' || at[1] == '\\')) {
            at++;
            *to++ = *at == 'n' ? '\n' : *at == 't' ? '\t' : '\\';
        } else {
            *to++ = *at;
        }
    }
    *to = '\0';
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    for (size_t n = strlen(text); n > 0 && strchr(" \t\r\n", text[n - 1]) != NULL; n--)
        text[n - 1] = '\0';
    return text;
}

/* What is said, as words are compared. */
static char *fold_said(const struct words *w, const char *said)
{
    struct word *words = NULL;
    char *text = NULL;
    size_t bytes;
    int count = split(w, said, &words);
    FILE *to = count > 0 ? open_memstream(&text, &bytes) : NULL;

    for (int i = 0; to != NULL && i < count; i++)
        fprintf(to, "%s%s", i > 0 ? " " : "", words[i].plain);
    if (count > 0)
        free_words(words, (size_t)count);
    if (to != NULL)
        fclose(to);
    return text;
}

/* "said = written". @return 0 or -errno */
static int add_phrase(struct words *w, char *line)
{
    char *equals = strchr(line, '=');
    struct phrase p = {NULL, NULL};

    line = trim(line);
    if (*line == '\0' || *line == '#')
        return 0;
    if (equals == NULL || equals == line)
        return -EINVAL;
    *equals = '\0';
    p.said = fold_said(w, trim(line));
    p.written = strdup(trim(equals + 1));
    struct phrase *more = realloc(w->phrases, (w->count + 1) * sizeof(p));
    if (more != NULL)
        w->phrases = more;
    if (p.said == NULL || p.said[0] == '\0' || p.written == NULL || more == NULL) {
        int status = more == NULL || p.written == NULL ? -ENOMEM : -EINVAL;
        free(p.said);
        free(p.written);
        return status;
    }
    unescape(p.written);
    w->phrases[w->count++] = p;
    return 0;
}

static int read_phrases(struct words *w, const char *path, unsigned *ret_line)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    int status = file != NULL ? 0 : -errno;

    *ret_line = 0;
    while (status == 0 && getline(&line, &room, file) > 0) {
        ++*ret_line;
        status = add_phrase(w, line);
    }
    if (status == 0 && !feof(file)) /* also without memory for a line */
        status = -EIO;
    free(line);
    if (file != NULL)
        fclose(file);
    return status;
}

int words_open(const struct words_config *config, struct words **ret, unsigned *ret_line)
{
    struct words *w = calloc(1, sizeof(*w));
    int status = 0;

    if (w == NULL)
        return -ENOMEM;
    w->plain = config->plain;
    w->figures = config->figures && strcmp(config->language, "en") == 0;
    w->spoken = spoken_of(config->language);
    w->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (w->spoken == NULL)
        status = -ENOTSUP;
    else if (w->locale == (locale_t)0)
        status = -ENOMEM;
    else if (config->phrases != NULL)
        status = read_phrases(w, config->phrases, ret_line);
    if (status < 0) {
        words_close(w);
        return status;
    }
    *ret = w;
    return 0;
}

void words_close(struct words *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->count; i++) {
        free(w->phrases[i].said);
        free(w->phrases[i].written);
    }
    free(w->phrases);
    if (w->locale != (locale_t)0)
        freelocale(w->locale);
    free(w);
}
