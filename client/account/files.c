/* files.c - sacctmgr dump, sacctmgr load: the file around the text */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account/sacctmgr.h"
#include "say.h"

#define FILE_BYTES_MAX (64u << 20)

static const char *file_of(struct sacctmgr *s, char **words, uint32_t n)
{
    const char *file = NULL;

    for (uint32_t i = 1; i < n; i++) {
        struct acct_word x;
        acct_word_split(s->arena, words[i], &x);
        if (x.name && acct_word_is(x.name, "file", 1))
            file = x.value;
        else if (!x.name)
            file = file ? file : x.value;
    }
    return file;
}

int sacctmgr_dump(struct sacctmgr *s, char **words, uint32_t n)
{
    const struct td_query_accounts q = {.what = 1u << TD_ACCT_ACCOUNT | 1u << TD_ACCT_USER | 1u << TD_ACCT_QOS | 1u << TD_ACCT_ASSOC};
    struct acct_rows rows = {0};
    struct td_buf out = {0};
    struct td_error err = {0};
    const char *file = NULL;
    int r = client_open(&s->client, &err);

    for (uint32_t i = 1; i < n; i++) { /* Slurm's way: dump CLUSTER file=FILE */
        struct acct_word x;
        acct_word_split(s->arena, words[i], &x);
        if (x.name && acct_word_is(x.name, "file", 1))
            file = x.value;
    }
    if (r == 0)
        r = acct_gather(&s->client, &q, &rows, &err);
    if (r == 0)
        acct_dump(&out, rows.cluster, &rows);
    if (r == 0 && file && strcmp(file, "-") != 0) {
        FILE *f = fopen(file, "we");
        if (!f || fwrite(out.data, 1, out.len, f) != out.len || fflush(f) != 0)
            r = td_fail(&err, TD_E_IO, "cannot write %s: %s", file, strerror(errno));
        if (f && fclose(f) != 0 && r == 0)
            r = td_fail(&err, TD_E_IO, "cannot write %s: %s", file, strerror(errno));
    } else if (r == 0) {
        say_out(&out);
    }
    td_buf_release(&out);
    acct_rows_release(&rows);
    return r < 0 ? acct_fail(s, &err) : 0;
}

static int read_all(const char *file, struct td_buf *out, struct td_error *err)
{
    char space[65536];
    int fd = strcmp(file, "-") == 0 ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;

    while (n > 0 && out->len <= FILE_BYTES_MAX) {
        n = read(fd, space, sizeof(space));
        if (n > 0)
            td_buf_put(out, space, (size_t)n);
    }
    int failed = n < 0 ? errno : 0;
    if (fd > STDIN_FILENO)
        close(fd);
    if (failed)
        return td_fail(err, TD_E_IO, "cannot read %s: %s", file, strerror(failed));
    if (out->len > FILE_BYTES_MAX)
        return td_fail(err, TD_E_TOO_BIG, "%s is over %u bytes", file, FILE_BYTES_MAX);
    if (strlen(td_buf_str(out)) != out->len)
        return td_fail(err, TD_E_USAGE, "%s is no text", file);
    return 0;
}

int sacctmgr_load(struct sacctmgr *s, char **words, uint32_t n)
{
    struct td_change_accounts m = {0};
    struct td_buf text = {0}, out = {0};
    struct td_error err = {0};
    void *body = NULL;
    const char *file = file_of(s, words, n);
    int r = file ? 0 : td_fail(&err, TD_E_USAGE, "load needs a file: sacctmgr load FILE");

    if (r == 0 && s->readonly)
        r = td_fail(&err, TD_E_USAGE, "nothing is changed under --readonly");
    if (r == 0)
        r = read_all(file, &text, &err);
    if (r == 0)
        r = acct_load(s->arena, td_buf_str(&text), &m, &err);
    if (r == 0)
        r = td_record_check(&td_rec_change_accounts, &m, &err);
    if (r == 0)
        r = client_open(&s->client, &err);
    if (r == 0)
        r = client_ask(&s->client, TD_MSG_CHANGE_ACCOUNTS, &m, TD_MSG_ACCOUNTS_CHANGED, &body, &err);
    if (r == 0 && !s->quiet) {
        td_buf_putf(&out, "sacctmgr: Done adding cluster: %u objects made or set\n", ((const struct td_accounts_changed *)body)->touched.n);
        say_out(&out);
    }
    td_buf_release(&out);
    td_buf_release(&text);
    return r < 0 ? acct_fail(s, &err) : 0;
}
