/* feature.c - constraint expressions over a node's features
 *
 * constraint := term { '|' term }      term := factor { ('&' | ',') factor }
 * factor     := '!' factor | '(' constraint ')' | '[' constraint ']' | name
 * Brackets (all nodes of the job alike) ask no more than parentheses of one node by itself. Counts (name*2) concern
 * the choice of nodes, which is the broker's; to a node they read as the bare name. */
#include "worker/core/pool.h"

#include <string.h>

#define DEPTH_MAX 64 /* nested parentheses and negations */

struct cursor {
    const char *at;
    const char *features;
    uint32_t depth;
    bool broken;
};

static bool is_name_char(char c)
{
    return c != '\0' && c != '&' && c != '|' && c != ',' && c != '!' && c != '(' && c != ')' && c != '[' && c != ']' && c != '*' &&
           c != ' ';
}

static void skip_blanks(struct cursor *c)
{
    while (*c->at == ' ')
        c->at++;
}

static bool has_feature(const char *features, const char *name, size_t n)
{
    const char *f = features ? features : "";

    while (*f != '\0') {
        const char *end = f;
        while (*end != '\0' && *end != ',')
            end++;
        if ((size_t)(end - f) == n && memcmp(f, name, n) == 0)
            return true;
        f = *end == ',' ? end + 1 : end;
    }
    return false;
}

static bool either(struct cursor *c);

static bool factor(struct cursor *c)
{
    skip_blanks(c);
    if (++c->depth > DEPTH_MAX) {
        c->broken = true;
        return false;
    }
    bool met = false;
    if (*c->at == '!') {
        c->at++;
        met = !factor(c);
    } else if (*c->at == '(' || *c->at == '[') {
        char close = *c->at == '(' ? ')' : ']';
        c->at++;
        met = either(c);
        if (*c->at == close)
            c->at++;
        else
            c->broken = true;
    } else {
        const char *name = c->at;
        while (is_name_char(*c->at))
            c->at++;
        if (c->at == name)
            c->broken = true;
        met = has_feature(c->features, name, (size_t)(c->at - name));
    }
    if (*c->at == '*') {
        do
            c->at++;
        while (*c->at >= '0' && *c->at <= '9');
    }
    skip_blanks(c);
    c->depth--;
    return met;
}

static bool both(struct cursor *c)
{
    bool met = factor(c);

    while (!c->broken && (*c->at == '&' || *c->at == ',')) {
        c->at++;
        bool next = factor(c);
        met = met && next;
    }
    return met;
}

static bool either(struct cursor *c)
{
    bool met = both(c);

    while (!c->broken && *c->at == '|') {
        c->at++;
        bool next = both(c);
        met = met || next;
    }
    return met;
}

bool td_features_meet(const char *features, const char *constraint)
{
    if (td_str_empty(constraint))
        return true;
    struct cursor c = {.at = constraint, .features = features};
    bool met = either(&c);
    return met && !c.broken && *c.at == '\0';
}
