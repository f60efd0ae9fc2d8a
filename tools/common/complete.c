/* SPDX-License-Identifier: MIT */
/* Completion scripts for shells, made from the tables of commands and options. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/options.h"

typedef void visit_fn(FILE *to, const struct command *c, const struct option *o);

static void visit_options(FILE *to, const struct command *c, visit_fn *visit)
{
    for (size_t g = 0; c->groups[g] != NULL; g++)
        for (const struct option *o = c->groups[g]->options; o->name != NULL; o++)
            visit(to, c, o);
}

static void print_choices(FILE *to, const char *const *choices, const char *between)
{
    for (size_t i = 0; choices[i] != NULL; i++)
        fprintf(to, "%s%s", i > 0 ? between : "", choices[i]);
}

static void print_commands(FILE *to, const char *between)
{
    for (const struct command *c = commands; c->name != NULL; c++)
        fprintf(to, "%s%s", c != commands ? between : "", c->name);
}

/* bash --------------------------------------------------------------------------------------- */

static void bash_word(FILE *to, const struct command *c, const struct option *o)
{
    (void)c;
    fprintf(to, " --%s", o->name);
    if (o->letter != 0)
        fprintf(to, " -%c", o->letter);
}

static void bash_value(FILE *to, const struct command *c, const struct option *o)
{
    if (o->argument == NULL)
        return;
    fprintf(to, "    %s,--%s", c->name, o->name);
    if (o->letter != 0)
        fprintf(to, " | %s,-%c", c->name, o->letter);
    fprintf(to, ") ");
    if (o->choices != NULL) {
        fprintf(to, "words='");
        print_choices(to, o->choices, " ");
        fprintf(to, "' ;;\n");
    } else if (o->value == VALUE_FILE) {
        fprintf(to, "kind=f ;;\n");
    } else if (o->value == VALUE_FOLDER) {
        fprintf(to, "kind=d ;;\n");
    } else {
        fprintf(to, "kind=none ;;\n");
    }
}

/* What stands for no option: a word, which is the first argument, or a file. */
static void bash_operand(FILE *to, const struct command *c)
{
    const char *kind = c->takes == VALUE_FILE ? "f" : c->takes == VALUE_FOLDER ? "d" : "none";

    if (c->words == NULL) {
        fprintf(to, "kind=%s ;;\n", kind);
        return;
    }
    if (c->takes != VALUE_ANY)
        fprintf(to, "{ ((COMP_CWORD > 2)) && kind=%s; } || ", kind);
    fprintf(to, "words='");
    print_choices(to, c->words, " ");
    fprintf(to, "' ;;\n");
}

static void complete_bash(FILE *to)
{
    fprintf(to, "# bash completion for voicestand, made by 'voicestand completions bash'\n"
                "_voicestand() {\n"
                "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
                "    local command=${COMP_WORDS[1]} words='' kind=''\n"
                "    COMPREPLY=()\n"
                "    if ((COMP_CWORD == 1)); then\n"
                "        mapfile -t COMPREPLY < <(compgen -W '");
    print_commands(to, " ");
    fprintf(to, "' -- \"$current\")\n"
                "        return\n"
                "    fi\n"
                "    case $command,$before in\n");
    for (const struct command *c = commands; c->name != NULL; c++)
        visit_options(to, c, bash_value);
    fprintf(to, "    help,*) words='");
    print_commands(to, " ");
    fprintf(to, "' ;;\n"
                "    *)\n"
                "        case $command in\n");
    for (const struct command *c = commands; c->name != NULL; c++) {
        fprintf(to, "        %s) [[ $current == -* ]] && words='", c->name);
        visit_options(to, c, bash_word);
        fprintf(to, "' || ");
        bash_operand(to, c);
    }
    fprintf(to, "        esac ;;\n"
                "    esac\n"
                "    if [[ -n $words ]]; then\n"
                "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
                "    elif [[ $kind == [fd] ]]; then\n"
                "        compopt -o filenames 2>/dev/null\n"
                "        mapfile -t COMPREPLY < <(compgen \"-$kind\" -- \"$current\")\n"
                "    fi\n"
                "}\n"
                "complete -F _voicestand voicestand\n");
}

/* zsh ---------------------------------------------------------------------------------------- */

/* Text inside '...' and [...]: quotes, brackets and colons are the shell's there. */
static void print_plain(FILE *to, const char *text, const char *escaped)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs("'\\''", to);
        else if (strchr(escaped, *text) != NULL)
            fprintf(to, "\\%c", *text);
        else
            fputc(*text, to);
    }
}

static void zsh_value(FILE *to, const struct option *o)
{
    if (o->argument == NULL)
        return;
    fprintf(to, ":");
    print_plain(to, o->argument, ":[]");
    fprintf(to, ":");
    if (o->choices != NULL) {
        fprintf(to, "(");
        for (size_t i = 0; o->choices[i] != NULL; i++) {
            fputs(i > 0 ? " " : "", to);
            print_plain(to, o->choices[i], ":");
        }
        fprintf(to, ")");
    } else if (o->value == VALUE_FILE) {
        fprintf(to, "_files");
    } else if (o->value == VALUE_FOLDER) {
        fprintf(to, "_files -/");
    }
}

static void zsh_option(FILE *to, const struct command *c, const struct option *o)
{
    (void)c;
    fprintf(to, " \\\n            '--%s%s[", o->name, o->argument != NULL ? "=" : "");
    print_plain(to, o->help, "[]");
    fprintf(to, "]");
    zsh_value(to, o);
    fprintf(to, "'");
    if (o->letter == 0)
        return;
    fprintf(to, " \\\n            '-%c%s[", o->letter, o->argument != NULL ? "+" : "");
    print_plain(to, o->help, "[]");
    fprintf(to, "]");
    zsh_value(to, o);
    fprintf(to, "'");
}

static void complete_zsh(FILE *to)
{
    fprintf(to, "#compdef voicestand\n"
                "# zsh completion, made by 'voicestand completions zsh'\n"
                "_voicestand() {\n"
                "    local -a list=(\n");
    for (const struct command *c = commands; c->name != NULL; c++) {
        fprintf(to, "        '%s:", c->name);
        print_plain(to, c->summary, "");
        fprintf(to, "'\n");
    }
    fprintf(to, "    )\n"
                "    if (( CURRENT == 2 )); then\n"
                "        _describe command list\n"
                "        return\n"
                "    fi\n"
                "    local command=$words[2]\n"
                "    shift words; (( CURRENT-- ))\n"
                "    case $command in\n");
    for (const struct command *c = commands; c->name != NULL; c++) {
        fprintf(to, "        %s) _arguments -s", c->name);
        visit_options(to, c, zsh_option);
        if (c->words != NULL) {
            fprintf(to, " \\\n            '1:word:(");
            print_choices(to, c->words, " ");
            fprintf(to, ")'");
        }
        if (strcmp(c->name, "help") == 0)
            fprintf(to, " \\\n            '1:command:(${list%%%%:*})'");
        else if (c->takes == VALUE_FILE)
            fprintf(to, " \\\n            '*:file:_files'");
        else if (c->takes == VALUE_FOLDER)
            fprintf(to, " \\\n            '*:folder:_files -/'");
        fprintf(to, " ;;\n");
    }
    fprintf(to, "    esac\n"
                "}\n"
                "_voicestand \"$@\"\n");
}

/* fish --------------------------------------------------------------------------------------- */

static void fish_option(FILE *to, const struct command *c, const struct option *o)
{
    fprintf(to, "complete -c voicestand -n '__fish_seen_subcommand_from %s' -l %s", c->name,
            o->name);
    if (o->letter != 0)
        fprintf(to, " -s %c", o->letter);
    if (o->choices != NULL) {
        fprintf(to, " -x -a '");
        print_choices(to, o->choices, " ");
        fprintf(to, "'");
    } else if (o->value == VALUE_FILE) {
        fprintf(to, " -r -F");
    } else if (o->value == VALUE_FOLDER) {
        fprintf(to, " -x -a '(__fish_complete_directories)'");
    } else if (o->argument != NULL) {
        fprintf(to, " -x");
    }
    fprintf(to, " -d '");
    for (const char *t = o->help; *t != '\0'; t++)
        fprintf(to, *t == '\'' ? "\\%c" : "%c", *t);
    fprintf(to, "'\n");
}

static void complete_fish(FILE *to)
{
    fprintf(to, "# fish completion, made by 'voicestand completions fish'\n"
                "complete -c voicestand -f\n");
    for (const struct command *c = commands; c->name != NULL; c++) {
        fprintf(to, "complete -c voicestand -n __fish_use_subcommand -a %s -d '%s'\n", c->name,
                c->summary);
        if (c->takes == VALUE_FILE)
            fprintf(to, "complete -c voicestand -n '__fish_seen_subcommand_from %s' -F\n", c->name);
        else if (c->takes == VALUE_FOLDER)
            fprintf(to,
                    "complete -c voicestand -n '__fish_seen_subcommand_from %s' "
                    "-a '(__fish_complete_directories)'\n",
                    c->name);
        if (c->words != NULL) {
            fprintf(to, "complete -c voicestand -n '__fish_seen_subcommand_from %s' -a '", c->name);
            print_choices(to, c->words, " ");
            fprintf(to, "'\n");
        }
        visit_options(to, c, fish_option);
    }
    fprintf(to, "complete -c voicestand -n '__fish_seen_subcommand_from help' -a '");
    print_commands(to, " ");
    fprintf(to, "'\n");
}

int options_complete(const char *shell, FILE *to)
{
    if (strcmp(shell, "bash") == 0)
        complete_bash(to);
    else if (strcmp(shell, "zsh") == 0)
        complete_zsh(to);
    else if (strcmp(shell, "fish") == 0)
        complete_fish(to);
    else
        return -EINVAL;
    return 0;
}
