/* spool.c - the statuses file and its image in memory
 *
 * Owns: DIR/spool/statuses, a row of pages: 4-byte big-endian length, then a spool_page record. A torn last page (the
 * process died in its write) is cut off. Invariant: waiting is sorted by number and holds exactly acked < no < next_no
 * that were added here or read at the start. */
#include "worker/shepherd/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "wire/wire.h"
#include "worker/log.h"

#define SPOOL_COMPACT_BYTES (1024 * 1024) /* growth after which the file is written anew */
#define PAGE_REPORTS 1024u
#define SPOOL_READ_MAX (256u * 1024 * 1024)

static int64_t clock_ms(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void put_page(struct td_buf *out, const struct td_spool_page *page)
{
    size_t at = out->len;
    td_buf_put(out, "\0\0\0\0", 4);
    td_wire_put_record(out, &td_rec_spool_page, page);
    size_t n = out->len - at - 4;
    out->data[at] = (uint8_t)(n >> 24);
    out->data[at + 1] = (uint8_t)(n >> 16);
    out->data[at + 2] = (uint8_t)(n >> 8);
    out->data[at + 3] = (uint8_t)n;
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
    while (n) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return -1;
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

/* --- reading what an earlier shepherd left -------------------------------------------------------------------------- */

static int read_whole(const char *path, struct td_buf *ret, struct td_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return td_fail(err, TD_E_IO, "cannot read %s: %s", path, strerror(errno));
    uint8_t chunk[65536];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0 && ret->len < SPOOL_READ_MAX)
        td_buf_put(ret, chunk, (size_t)n);
    int failed = n < 0 ? errno : 0;
    close(fd);
    if (failed)
        return td_fail(err, TD_E_IO, "cannot read %s: %s", path, strerror(failed));
    return 0;
}

static void drop_life(life_vec *lives, uint32_t job, uint32_t attempt)
{
    for (uint32_t i = 0; i < lives->n; i++)
        if (lives->v[i].job == job && lives->v[i].attempt == attempt) {
            lives->v[i] = lives->v[--lives->n];
            return;
        }
}

static void keep(struct spool *s, const struct td_report *r, int64_t at_boot_ms)
{
    struct status st = {.report = *r, .at_boot_ms = at_boot_ms};
    st.report.text = td_str_empty(r->text) ? NULL : td_strdup(r->text);
    td_vec_push(&s->waiting, st);
}

static void take_page(struct spool *s, const struct td_spool_page *page, life_vec *lives)
{
    int64_t wall = clock_ms(CLOCK_REALTIME), boot = clock_ms(CLOCK_BOOTTIME);
    if (!td_str_empty(page->boot_id))
        td_format(s->boot_id, sizeof(s->boot_id), "%s", page->boot_id);
    s->next_no = TD_MAX(s->next_no, page->next_no);
    for (uint32_t i = 0; i < page->lives.n; i++)
        td_vec_push(lives, page->lives.v[i]);
    for (uint32_t i = 0; i < page->reports.n; i++) {
        const struct td_report *r = &page->reports.v[i];
        keep(s, r, boot - TD_MAX(0, wall - r->at_ms));
        s->next_no = TD_MAX(s->next_no, r->no + 1);
        if (r->kind == TD_REPORT_GONE)
            drop_life(lives, r->job, r->attempt);
    }
    spool_ack(s, page->acked);
}

static void read_pages(struct spool *s, const struct td_buf *file, life_vec *lives)
{
    struct td_arena arena = {0};
    size_t at = 0;
    while (file->len - at >= 4) {
        const uint8_t *p = file->data + at;
        size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        struct td_spool_page page;
        struct td_error err = {0};
        if (n > file->len - at - 4)
            break;
        if (td_wire_get_record(&arena, &td_rec_spool_page, p + 4, n, &page, &err) < 0) {
            td_log("error", "%s: page at byte %zu: %s; the rest of the file is given up", s->path, at, err.text);
            break;
        }
        take_page(s, &page, lives);
        td_arena_reset(&arena);
        at += 4 + n;
    }
    if (at < file->len)
        td_log("warn", "%s: %zu bytes behind the last whole page are cut off", s->path, file->len - at);
    td_arena_release(&arena);
}

void spool_new_boot(struct spool *s, const char *host_boot_id)
{
    snprintf(s->boot_id, sizeof(s->boot_id), "%.40s/%llx", host_boot_id, (unsigned long long)clock_ms(CLOCK_REALTIME));
}

int spool_open(struct spool *s, const char *dir, const char *host_boot_id, life_vec *ret_lives, struct td_error *err)
{
    memset(s, 0, sizeof(*s));
    s->fd = -1;
    td_format(s->path, sizeof(s->path), "%s/spool", dir);
    if (mkdir(s->path, 0711) < 0 && errno != EEXIST)
        return td_fail(err, TD_E_IO, "cannot make %s: %s", s->path, strerror(errno));
    td_format(s->path, sizeof(s->path), "%s/spool/statuses", dir);
    td_format(s->path_new, sizeof(s->path_new), "%s/spool/statuses.new", dir);

    struct td_buf file = {0};
    int r = read_whole(s->path, &file, err);
    if (r < 0)
        return r;
    read_pages(s, &file, ret_lives);
    td_buf_release(&file);

    /* Numbers never go back, not even when the directory was wiped: the broker may remember the old ones. */
    if (s->next_no == 0)
        s->next_no = (uint64_t)clock_ms(CLOCK_REALTIME) * 1000;
    bool same_host_life = strncmp(s->boot_id, host_boot_id, strlen(host_boot_id)) == 0;
    if (!same_host_life || ret_lives->n > 0)
        spool_new_boot(s, host_boot_id);
    spool_compact(s, ret_lives->v, ret_lives->n);
    if (s->fd < 0)
        return td_fail(err, TD_E_IO, "cannot write %s: %s", s->path, strerror(errno));
    return 0;
}

void spool_release(struct spool *s)
{
    if (s->fd >= 0)
        close(s->fd);
    for (uint32_t i = s->taken; i < s->waiting.n; i++)
        td_free((void *)(uintptr_t)s->waiting.v[i].report.text);
    td_vec_release(&s->waiting);
    td_vec_release(&s->new_lives);
    td_vec_release(&s->scratch);
    td_buf_release(&s->page);
}

/* --- adding ------------------------------------------------------------------------------------------------------------ */

uint64_t spool_add(struct spool *s, const struct td_report *r, int64_t now_boot_ms)
{
    struct td_report numbered = *r;
    numbered.no = s->next_no++;
    numbered.at_ms = clock_ms(CLOCK_REALTIME);
    keep(s, &numbered, now_boot_ms);
    return numbered.no;
}

void spool_add_life(struct spool *s, const struct td_spool_life *life)
{
    td_vec_push(&s->new_lives, *life);
}

/* Pages with the statuses from index `first` on; `head` is the first of them. */
static void put_pages(struct spool *s, struct td_spool_page *head, uint32_t first)
{
    td_buf_reset(&s->page);
    do {
        s->scratch.n = 0;
        while (first < s->waiting.n && s->scratch.n < PAGE_REPORTS)
            td_vec_push(&s->scratch, s->waiting.v[first++].report);
        head->reports = (struct td_report_list){s->scratch.v, s->scratch.n};
        put_page(&s->page, head);
        *head = (struct td_spool_page){0};
    } while (first < s->waiting.n);
}

void spool_commit(struct spool *s)
{
    if (s->committed == s->waiting.n && s->new_lives.n == 0)
        return;
    struct td_spool_page head = {.lives = {s->new_lives.v, s->new_lives.n}};
    put_pages(s, &head, s->committed);
    s->committed = s->waiting.n;
    s->new_lives.n = 0;
    if (write_all(s->fd, s->page.data, s->page.len) < 0) {
        if (!s->failing)
            td_log("error", "cannot append to %s: %s; statuses are kept in memory only", s->path, strerror(errno));
        s->failing = true;
        /* a page cut short would hide the pages behind it */
        if (ftruncate(s->fd, (off_t)s->bytes) < 0)
            td_log("error", "cannot cut %s back: %s", s->path, strerror(errno));
        return;
    }
    s->bytes += s->page.len;
    s->failing = false;
}

/* --- forgetting -------------------------------------------------------------------------------------------------------- */

void spool_ack(struct spool *s, uint64_t acked)
{
    s->acked = TD_MAX(s->acked, TD_MIN(acked, s->next_no ? s->next_no - 1 : 0));
    while (s->taken < s->waiting.n && s->waiting.v[s->taken].report.no <= s->acked)
        td_free((void *)(uintptr_t)s->waiting.v[s->taken++].report.text);
    if (s->taken < s->waiting.n && s->taken < 4096)
        return; /* moving the rest down is done rarely, or when it costs nothing */
    uint32_t rest = s->waiting.n - s->taken;
    if (rest > 0)
        memmove(s->waiting.v, s->waiting.v + s->taken, rest * sizeof(*s->waiting.v));
    s->committed = s->committed > s->taken ? s->committed - s->taken : 0;
    s->waiting.n = rest;
    s->taken = 0;
}

bool spool_has_grown(const struct spool *s)
{
    return s->bytes > s->compact_at;
}

void spool_compact(struct spool *s, const struct td_spool_life *lives, uint32_t nlives)
{
    struct td_spool_page head = {
        .boot_id = s->boot_id,
        .next_no = s->next_no,
        .acked = s->acked,
        .lives = {lives, nlives},
    };
    put_pages(s, &head, s->taken);
    int fd = open(s->path_new, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write_all(fd, s->page.data, s->page.len) < 0 || rename(s->path_new, s->path) < 0) {
        td_log("error", "cannot write %s anew: %s", s->path, strerror(errno));
        if (fd >= 0)
            close(fd);
        s->compact_at += SPOOL_COMPACT_BYTES; /* not tried again before as much has been added once more */
        return;
    }
    if (s->fd >= 0)
        close(s->fd);
    s->fd = fd;
    s->bytes = s->page.len;
    s->compact_at = s->bytes + SPOOL_COMPACT_BYTES;
    s->committed = s->waiting.n;
    s->new_lives.n = 0;
}

struct status *spool_after(struct spool *s, uint64_t no, uint32_t *ret_n)
{
    uint32_t lo = s->taken, hi = s->waiting.n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->waiting.v[mid].report.no <= no)
            lo = mid + 1;
        else
            hi = mid;
    }
    *ret_n = s->waiting.n - lo;
    return *ret_n ? &s->waiting.v[lo] : NULL;
}
