/* status.c - what the broker says of itself: scontrol show config, tender status */
#include "broker/shell.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct rows {
    struct td_arena *arena;
    TD_VEC(struct td_kv) v;
};

static void put(struct rows *out, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void put(struct rows *out, const char *key, const char *fmt, ...)
{
    char text[4400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    const struct td_kv kv = {.key = key, .value = td_arena_strdup(out->arena, text)};
    td_vec_push(&out->v, kv);
}

static void send_rows(struct shell *s, const struct shell_read *r, struct rows *out)
{
    const struct td_config m = {.rows = {out->v.v, TD_MIN(out->v.n, (uint32_t)TD_MAX_ROWS_PER_ANSWER)}};
    shell_reply(s, r->from.peer, r->request, TD_MSG_CONFIG, &m);
    td_vec_release(&out->v);
}

/* Lines that only the running broker knows. */
void shell_read_config(struct shell *s, const struct shell_read *r)
{
    struct rows out = {.arena = &s->arena};
    for (uint32_t i = 0; i < s->conf->all.n; i++) {
        const struct td_kv *kv = &s->conf->all.v[i];
        if (td_str_equal(kv->key, "BOOT_TIME")) {
            char text[64];
            time_t t = (time_t)(s->started_ms / 1000);
            struct tm tm;
            localtime_r(&t, &tm);
            strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
            put(&out, kv->key, "%s", text);
        } else if (td_str_equal(kv->key, "NEXT_JOB_ID")) {
            put(&out, kv->key, "%u", TD_MAX(s->next_job, TD_MAX(s->conf->settings.first_job, 1u)));
        } else if (td_str_equal(kv->key, "StateSaveLocation")) {
            put(&out, kv->key, "%s", s->state_dir);
        } else {
            td_vec_push(&out.v, *kv);
        }
    }
    send_rows(s, r, &out);
}

static uint64_t rss_kb(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long size = 0, resident = 0;
    if (f && fscanf(f, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

void shell_read_status(struct shell *s, const struct shell_read *r)
{
    struct rows out = {.arena = &s->arena};
    struct td_core_sizes z = {0};
    struct rusage ru = {0};
    td_core_get_sizes(s->core, &z);
    getrusage(RUSAGE_SELF, &ru);
    put(&out, "cluster", "%s", s->conf->settings.cluster);
    put(&out, "version", "%s", TD_VERSION);
    put(&out, "host", "%s", s->host);
    put(&out, "pid", "%u", s->pid);
    put(&out, "uid", "%u", (unsigned)geteuid());
    put(&out, "epoch", "%llu", (unsigned long long)td_core_epoch(s->core));
    put(&out, "seq", "%llu", (unsigned long long)td_core_seq(s->core));
    put(&out, "uptime_s", "%lld", (long long)(shell_wall_us() / 1000 - s->started_ms) / 1000);
    put(&out, "journal", "%s", s->down ? s->cause.text : s->low_space ? "low on space: new work is refused" : "ok");
    put(&out, "journal_bytes", "%llu", (unsigned long long)s->ops->bytes(s->store));
    put(&out, "journal_free_mb", "%llu", (unsigned long long)(s->ops->free_bytes(s->store) >> 20));
    put(&out, "snapshot_seq", "%llu", (unsigned long long)s->last_snapshot);
    put(&out, "commit_us_last", "%llu", (unsigned long long)s->last_commit_us);
    put(&out, "commit_us_max", "%llu", (unsigned long long)s->slowest_commit_us);
    put(&out, "state_dir", "%s", s->state_dir);
    put(&out, "router", "%s", s->bus ? td_bus_server_router_endpoint(s->bus) : "none");
    put(&out, "pub", "%s", s->bus ? td_bus_server_pub_endpoint(s->bus) : "none");
    put(&out, "server_key", "%s", s->keys.public_key);
    put(&out, "jobs", "%u", z.jobs);
    put(&out, "pending_tasks", "%u", z.pending_tasks);
    put(&out, "running", "%u", z.running);
    put(&out, "nodes", "%u", z.nodes);
    put(&out, "nodes_up", "%u", z.nodes_up);
    put(&out, "partitions", "%u", z.partitions);
    put(&out, "shapes", "%u", z.shapes);
    put(&out, "bytes_jobs", "%llu", (unsigned long long)z.bytes_jobs);
    put(&out, "rss_kb", "%llu", (unsigned long long)rss_kb());
    put(&out, "cpu_ms", "%lld", (long long)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000 +
                                    (long long)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1000);
    put(&out, "clients", "%u", s->clients.n);
    put(&out, "peers", "%u", s->peers.n);
    put(&out, "sends_full", "%llu", (unsigned long long)s->send_full);
    put(&out, "sends_gone", "%llu", (unsigned long long)s->send_gone);
    put(&out, "bus_dropped", "%llu", (unsigned long long)(s->bus ? td_bus_server_dropped(s->bus) : 0));
    const struct td_counters *c = td_core_counters(s->core);
#define COUNTER(name, help) put(&out, #name, "%llu", (unsigned long long)c->name);
#include "tbl/counters.def"
#undef COUNTER
    send_rows(s, r, &out);
}
