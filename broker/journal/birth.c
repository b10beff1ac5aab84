/* birth.c - a journal is made in one piece, and only where there has been none
 *
 * It is built as journal.new and gets its name when it is whole and on disk. So there is no moment at which journal.db is
 * empty, and one that is empty, or missing beside files that a reign leaves, has been lost: it is refused and not
 * replaced in silence, because everybody's jobs were in it. journal.lock tells nothing: it is there before the journal. */
#include "broker/journal/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES_MIN 512 /* SQLite takes a shorter file for a new one, and drops the log beside it */

static const char *const traces[] = {"broker.key", "broker.ports", "journal.db-wal"};

static const char *trace_of_a_reign(const struct td_store *s)
{
    for (size_t i = 0; i < TD_ARRAY_LEN(traces); i++) {
        char path[4200];
        td_format(path, sizeof(path), "%s/%s", s->dir, traces[i]);
        if (access(path, F_OK) == 0)
            return traces[i];
    }
    return NULL;
}

static int dir_sync(const char *dir, struct td_error *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) {
        int r = td_fail(err, TD_E_JOURNAL, "cannot sync %s: %s", dir, strerror(errno));
        if (fd >= 0)
            close(fd);
        return r;
    }
    close(fd);
    return 0;
}

/* The connection stands in the store while it lasts, because failures are told from there. */
static int build(struct td_store *s, const char *path, struct td_error *err)
{
    /* Made here, so that it and the files SQLite puts beside it are for us alone. */
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return td_fail(err, errno == ENOSPC ? TD_E_NO_SPACE : TD_E_JOURNAL, "cannot open %s: %s", path, strerror(errno));
    close(fd);
    int r = 0;
    struct td_buf sql = {0};
    td_buf_putf(&sql, "PRAGMA synchronous=FULL;BEGIN;%sPRAGMA application_id=%d;PRAGMA user_version=%d;COMMIT", td_store_schema,
                TD_STORE_APPLICATION_ID, TD_STORE_VERSION);
    if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        td_store_sums(s->db) != SQLITE_OK || sqlite3_exec(s->db, td_buf_str(&sql), NULL, NULL, NULL) != SQLITE_OK)
        r = td_store_fail(s, err, "make the journal's tables");
    td_buf_release(&sql);
    TD_ASSERT(sqlite3_close(s->db) == SQLITE_OK);
    s->db = NULL;
    return r;
}

static int make(struct td_store *s, const char *path, struct td_error *err)
{
    char part[4200], rest[4300];
    td_format(part, sizeof(part), "%s/journal.new", s->dir);
    td_format(rest, sizeof(rest), "%s-journal", part);
    unlink(rest); /* of a broker that died at it */
    int r = build(s, part, err);
    if (r == 0 && rename(part, path) < 0)
        r = td_fail(err, TD_E_JOURNAL, "cannot rename %s to %s: %s", part, path, strerror(errno));
    if (r < 0) {
        unlink(part);
        unlink(rest);
        return r;
    }
    return dir_sync(s->dir, err);
}

int td_store_birth(struct td_store *s, const char *path, struct td_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0) {
        if (st.st_size >= PAGE_BYTES_MIN)
            return 0;
        return td_fail(err, TD_E_JOURNAL, "%s is %s, which no broker leaves behind: the journal was lost. " TD_STORE_LOST, path,
                       st.st_size ? "cut off" : "empty");
    }
    if (errno != ENOENT)
        return td_fail(err, TD_E_JOURNAL, "cannot read %s: %s", path, strerror(errno));
    const char *trace = trace_of_a_reign(s);
    if (trace)
        return td_fail(err, TD_E_JOURNAL, "%s is missing, but %s is of an earlier reign: the journal was lost. " TD_STORE_LOST,
                       path, trace);
    return s->read_only ? td_fail(err, TD_E_JOURNAL, "cannot read %s: %s", path, strerror(ENOENT)) : make(s, path, err);
}
