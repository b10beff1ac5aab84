/* folder.h - a configuration in a folder of its own, gone at the end of the test */
#ifndef TEST_FOLDER_H
#define TEST_FOLDER_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/conf.h"

struct folder {
    char dir[64];
    char path[128]; /* its slurm.conf */
    struct td_conf *conf;
    struct td_error err;
    struct td_arena arena;
};

static TD_UNUSED int folder_setup(void **state)
{
    struct folder *f = td_alloc(sizeof(*f));

    snprintf(f->dir, sizeof(f->dir), "/tmp/tender-conf.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/slurm.conf", f->dir);
    *state = f;
    return 0;
}

static int folder_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static TD_UNUSED int folder_teardown(void **state)
{
    struct folder *f = *state;

    td_conf_destroy(&f->conf);
    td_arena_release(&f->arena);
    nftw(f->dir, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    td_free(f);
    return 0;
}

static TD_UNUSED void folder_put(struct folder *f, const char *name, const char *text)
{
    char path[512];
    FILE *out;

    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    unlink(path); /* a file cut short in place is flushed to disk by some file systems; a new one is not */
    out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

/* Loads the folder's slurm.conf; the words of an error end the test. */
static TD_UNUSED const struct td_conf *folder_load(struct folder *f)
{
    td_conf_destroy(&f->conf);
    if (td_conf_load(f->path, &f->conf, &f->err) < 0)
        fail_msg("%s", f->err.text);
    return f->conf;
}

static TD_UNUSED const struct td_conf *folder_conf(struct folder *f, const char *slurm_conf)
{
    folder_put(f, "slurm.conf", slurm_conf);
    return folder_load(f);
}

static TD_UNUSED bool has_note(const struct td_conf *c, const char *words)
{
    for (uint32_t i = 0; i < c->notes.n; i++)
        if (strstr(c->notes.v[i], words))
            return true;
    return false;
}

static TD_UNUSED const char *shown(const struct td_conf *c, const char *key)
{
    for (uint32_t i = 0; i < c->all.n; i++)
        if (strcmp(c->all.v[i].key, key) == 0)
            return c->all.v[i].value;
    return NULL;
}

static TD_UNUSED uint32_t count_nodes(const struct td_conf *c)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->nodes.n; i++) {
        struct td_hostlist l = {0};
        struct td_error err;
        assert_int_equal(td_hostlist_parse(c->nodes.v[i].names, TD_MAX_NODES, &l, &err), 0);
        n += l.names.n;
        td_hostlist_release(&l);
    }
    return n;
}

#endif
