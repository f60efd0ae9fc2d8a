/* SPDX-License-Identifier: MIT */
#include "dictate/spoken.h"

#include <stddef.h>
#include <string.h>

#define MARK(words, mark)                                                                          \
    {                                                                                              \
        words, mark, SPOKEN_WRITE, GLUE_LEFT                                                       \
    }
#define STOP(words, mark)                                                                          \
    {                                                                                              \
        words, mark, SPOKEN_WRITE, GLUE_LEFT | GLUE_SENTENCE                                       \
    }
#define OPEN(words, mark)                                                                          \
    {                                                                                              \
        words, mark, SPOKEN_WRITE, GLUE_RIGHT                                                      \
    }
#define BETWEEN(words, mark)                                                                       \
    {                                                                                              \
        words, mark, SPOKEN_WRITE, GLUE_BOTH                                                       \
    }
#define BREAK(words, mark)                                                                         \
    {                                                                                              \
        words, mark, SPOKEN_WRITE, GLUE_BOTH | GLUE_SENTENCE                                       \
    }
#define ACT(words, what)                                                                           \
    {                                                                                              \
        words, NULL, what, 0                                                                       \
    }

/* clang-format off */
static const struct spoken en[] = {
    STOP("period", "."), STOP("full stop", "."), STOP("question mark", "?"),
    STOP("exclamation mark", "!"), STOP("exclamation point", "!"), MARK("comma", ","),
    MARK("colon", ":"), MARK("semicolon", ";"), MARK("semi colon", ";"), MARK("ellipsis", "…"),
    MARK("dot dot dot", "…"), MARK("percent sign", "%"), MARK("close quote", "\""),
    MARK("end quote", "\""), MARK("close paren", ")"), MARK("close parenthesis", ")"),
    MARK("close bracket", "]"), OPEN("open quote", "\""), OPEN("open paren", "("),
    OPEN("open parenthesis", "("), OPEN("open bracket", "["), BETWEEN("hyphen", "-"),
    BETWEEN("slash", "/"), BETWEEN("forward slash", "/"), BETWEEN("at sign", "@"),
    BETWEEN("underscore", "_"), {"dash", "–", SPOKEN_WRITE, 0},
    {"ampersand", "&", SPOKEN_WRITE, 0}, BREAK("new line", "\n"), BREAK("newline", "\n"),
    BREAK("new paragraph", "\n\n"), BETWEEN("tab key", "\t"), ACT("cap", SPOKEN_CAPITAL),
    ACT("all caps", SPOKEN_UPPER), ACT("no space", SPOKEN_JOIN),
    ACT("literal", SPOKEN_LITERAL), ACT("scratch that", SPOKEN_SCRATCH),
    ACT("delete that", SPOKEN_SCRATCH), ACT("undo that", SPOKEN_SCRATCH), {0}};

static const struct spoken de[] = {
    STOP("punkt", "."), STOP("fragezeichen", "?"), STOP("ausrufezeichen", "!"), MARK("komma", ","),
    MARK("doppelpunkt", ":"), MARK("semikolon", ";"), MARK("strichpunkt", ";"),
    MARK("auslassungspunkte", "…"), MARK("anführungszeichen zu", "“"), MARK("klammer zu", ")"),
    OPEN("anführungszeichen auf", "„"), OPEN("klammer auf", "("), BETWEEN("bindestrich", "-"),
    BETWEEN("schrägstrich", "/"), BETWEEN("unterstrich", "_"), BETWEEN("klammeraffe", "@"),
    {"gedankenstrich", "–", SPOKEN_WRITE, 0}, BREAK("neue zeile", "\n"),
    BREAK("neuer absatz", "\n\n"), ACT("groß", SPOKEN_CAPITAL), ACT("großbuchstaben", SPOKEN_UPPER),
    ACT("ohne leerzeichen", SPOKEN_JOIN), ACT("wörtlich", SPOKEN_LITERAL),
    ACT("streich das", SPOKEN_SCRATCH), ACT("lösch das", SPOKEN_SCRATCH), {0}};

/* Before the marks of two parts French has a narrow blank that does not break, and inside quotes one
   that does not break. */
static const struct spoken fr[] = {
    STOP("point", "."), STOP("point d'interrogation", "\u202f?"),
    STOP("point d'exclamation", "\u202f!"), MARK("virgule", ","), MARK("deux points", "\u00a0:"),
    MARK("point virgule", "\u202f;"), MARK("points de suspension", "…"),
    MARK("fermez les guillemets", "\u00a0»"), MARK("fermez la parenthèse", ")"),
    OPEN("ouvrez les guillemets", "«\u00a0"), OPEN("ouvrez la parenthèse", "("),
    BETWEEN("trait d'union", "-"), BETWEEN("barre oblique", "/"), BETWEEN("arobase", "@"),
    {"tiret", "–", SPOKEN_WRITE, 0}, BREAK("à la ligne", "\n"), BREAK("nouvelle ligne", "\n"),
    BREAK("nouveau paragraphe", "\n\n"), ACT("majuscule", SPOKEN_CAPITAL),
    ACT("tout en majuscules", SPOKEN_UPPER), ACT("sans espace", SPOKEN_JOIN),
    ACT("littéral", SPOKEN_LITERAL), ACT("efface ça", SPOKEN_SCRATCH), {0}};
/* clang-format on */

const struct spoken *spoken_of(const char *language)
{
    static const struct {
        const char *name;
        const struct spoken *words;
    } languages[] = {{"en", en}, {"de", de}, {"fr", fr}};

    for (size_t i = 0; i < sizeof(languages) / sizeof(languages[0]); i++)
        if (strcmp(languages[i].name, language) == 0)
            return languages[i].words;
    return NULL;
}
