/* protocol.c - tender protocol: the page of messages, events and records, made from the tables that define them */
#include <string.h>

#include "commands.h"
#include "say.h"

static const struct option options[] = {
    OPTIONS_HELP,
    {0},
};

static const char *const rights[] = {
#define RIGHT(name, number, help) [number] = help,
#include "tbl/states.def"
#undef RIGHT
};
static const char *const sees[] = {
#define SEE(name, number, help) [number] = #name,
#include "tbl/states.def"
#undef SEE
};

static void put_type(struct td_buf *out, const struct td_field *f)
{
    static const char *const types[] = {"bool", "u32", "u64", "i64", "text", "bytes", "list of u32", "list of text"};

    if (f->type == TD_T_REC)
        td_buf_putf(out, "`%s`", f->sub->name);
    else if (f->type == TD_T_RECS)
        td_buf_putf(out, "list of `%s`", f->sub->name);
    else
        td_buf_puts(out, types[f->type]);
}

static void put_fields(struct td_buf *out, const struct td_record *rec)
{
    td_buf_puts(out, "| key | field | type | at most | since | seen by | |\n|---|---|---|---|---|---|---|\n");
    for (uint32_t i = 0; i < rec->n; i++) {
        const struct td_field *f = &rec->fields[i];
        td_buf_putf(out, "| %u | `%s` | ", f->key, f->name);
        put_type(out, f);
        td_buf_puts(out, " | ");
        if (f->max)
            td_buf_putf(out, "%llu", (unsigned long long)f->max);
        td_buf_putf(out, " | %u | %s | %s |\n", f->since, sees[f->see], f->help);
    }
    td_buf_putc(out, '\n');
}

static void put_events(struct td_buf *out, const struct td_event_row *rows, uint32_t n, const char *title)
{
    td_buf_putf(out, "## %s\n\n", title);
    for (uint32_t i = 0; i < n; i++) {
        td_buf_putf(out, "### %u %s\n\n%s. Since version %u.\n\n", rows[i].id, rows[i].name, rows[i].help, rows[i].since);
        put_fields(out, rows[i].record);
    }
}

/* Records that are no message, event or snapshot of their own. */
static bool is_part(const struct td_record *rec)
{
    uint32_t n, i;
    const struct td_msg_row *m = td_msg_rows(&n);

    for (i = 0; i < n; i++)
        if (m[i].record == rec)
            return false;
    const struct td_event_row *e = td_event_rows(&n);
    for (i = 0; i < n; i++)
        if (e[i].record == rec)
            return false;
    e = td_snap_rows(&n);
    for (i = 0; i < n; i++)
        if (e[i].record == rec)
            return false;
    return true;
}

static void put_small_tables(struct td_buf *out)
{
    td_buf_puts(out, "## Errors\n\n| number | name | exit code | words |\n|---|---|---|---|\n");
#define ERR(name, number, exit_code, text) td_buf_putf(out, "| %d | %s | %d | %s |\n", number, #name, exit_code, text);
#include "tbl/errors.def"
#undef ERR
    td_buf_puts(out, "\n## Limits\n\n| name | value | of |\n|---|---|---|\n");
#define LIMIT(name, value, help) td_buf_putf(out, "| %s | %lld | %s |\n", #name, (long long)(value), help);
#include "tbl/limits.def"
#undef LIMIT
    td_buf_puts(out, "\n## Why a job waits or failed\n\n| number | word | |\n|---|---|---|\n");
#define REASON(name, number, word, help) td_buf_putf(out, "| %d | %s | %s |\n", number, word, help);
#include "tbl/states.def"
#undef REASON
    td_buf_puts(out, "\n## Why a worker does not bid\n\n| number | name | |\n|---|---|---|\n");
#define REFUSAL(name, number, help) td_buf_putf(out, "| %d | %s | %s |\n", number, #name, help);
#include "tbl/states.def"
#undef REFUSAL
}

static void put_page(struct td_buf *out)
{
    uint32_t n, i;
    const struct td_msg_row *m = td_msg_rows(&n);

    td_buf_putf(out,
                "# Tender's protocol, version %u\n\n"
                "Made by `tender protocol` from proto/tbl. A frame is a msgpack array [number, request, body]; a body is a map\n"
                "from the keys below; zero and empty fields are not sent, unknown keys are skipped. Over unix sockets a frame\n"
                "stands behind its length in 4 bytes, big-endian; on the bus it is one part.\n\n## Messages\n\n",
                TD_PROTOCOL_VERSION);
    for (i = 0; i < n; i++) {
        td_buf_putf(out, "### %u %s\n\n%s. May be sent by: %s. Since version %u.\n\n", m[i].id, m[i].name, m[i].help,
                    rights[m[i].right], m[i].since);
        put_fields(out, m[i].record);
    }
    const struct td_event_row *e = td_event_rows(&n);
    put_events(out, e, n, "Events of the journal");
    e = td_snap_rows(&n);
    put_events(out, e, n, "Records of a snapshot");
    td_buf_puts(out, "## Records they are made of\n\n");
    const struct td_record *const *all = td_records(&n);
    for (i = 0; i < n; i++) {
        if (!is_part(all[i]))
            continue;
        td_buf_putf(out, "### %s\n\n%s.\n\n", all[i]->name, all[i]->help);
        put_fields(out, all[i]);
    }
    put_small_tables(out);
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct option_parse p = {.cmd = &protocol_command, .arena = &arena};
    struct td_error err = {0};
    struct td_buf out = {0};
    int r = option_parse(&p, argc, argv, &err);

    if (r == 0 && p.words.n)
        r = td_fail(&err, TD_E_USAGE, "unexpected word '%s'", p.words.v[0]);
    if (r < 0) {
        say_error("%s", err.text);
    } else {
        put_page(&out);
        say_out(&out);
    }
    td_buf_release(&out);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 ? 1 : 0;
}

const struct command protocol_command = {
    .name = "tender protocol",
    .synopsis = "",
    .summary = "print the protocol's page",
    .about = "Prints messages, events, records, errors and limits as Markdown, made from the tables that define them.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
