/* libtry.c - calls libtender as told by its first word and prints what came of it, a line each; for the scenario tests
 *
 * Built with the public header and the shared library alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tender.h>
#include <unistd.h>

static struct tender_error err;

static int refused(const char *what, int r)
{
    if (r < 0)
        printf("%s refused %s: %s\n", what, tender_error_name(-r), err.text);
    return r;
}

static void submit(struct tender *t, const char *script, const char *key, const char *const *options)
{
    const struct tender_submission what = {.script = script, .options = options, .key = key};
    struct tender_submitted job = {0};

    if (refused("submit", tender_submit(t, &what, &job, &err)) == 0)
        printf("submit %u\n%s", job.job, job.warnings);
}

/* submit KEY SCRIPT|- OPTION... */
static void submit_words(struct tender *t, char **words)
{
    submit(t, strcmp(words[1], "-") == 0 ? NULL : words[1], *words[0] ? words[0] : NULL, (const char *const *)words + 2);
}

static void jobs(struct tender *t, const char *ids)
{
    const struct tender_job_query q = {.ids = ids, .states = "all", .history = ids != NULL};
    struct tender_jobs *l = NULL;

    if (refused("jobs", tender_jobs(t, &q, &l, &err)) < 0)
        return;
    for (size_t i = 0; i < tender_jobs_count(l); i++) {
        const struct tender_job *j = tender_jobs_get(l, i);
        printf("job %s %s %s %s %s %s%s\n", j->id, j->name, j->user, j->partition, j->state, j->reason,
               tender_jobs_stale_ms(l) ? " stale" : "");
    }
    tender_jobs_free(l);
}

static void nodes(struct tender *t, const char *names)
{
    struct tender_nodes *l = NULL;

    if (refused("nodes", tender_nodes(t, names, &l, &err)) < 0)
        return;
    for (size_t i = 0; i < tender_nodes_count(l); i++) {
        const struct tender_node *n = tender_nodes_get(l, i);
        printf("node %s %s %u/%u %s\n", n->name, n->state, n->cpus_held, n->cpus, n->partitions);
    }
    tender_nodes_free(l);
}

/* watch SINCE: until standard input ends, by a poll loop of one's own */
static void watch(struct tender *t, const char *since)
{
    static const char *const names[] = {"TIME", "EVENT", "RESYNC", "LOST", "BACK", "STALE", "FRESH"};
    const struct tender_watch_what what = {.since = strtoull(since, NULL, 10)};
    struct tender_watch *w = NULL;
    const struct tender_event *e;
    int news = refused("watch", tender_watch(t, &what, &w, &err));

    while (news >= 0) {
        news = refused("watch", tender_watch_next(w, 200, &e, &err));
        if (news > 0)
            printf("%s %llu %s %u %s\n", names[news], (unsigned long long)e->seq, e->type, e->job, e->state);
        fflush(stdout);
        if (news == TENDER_EVENT && strcmp(e->type, "JOB_ENDED") == 0 && getenv("LIBTRY_UNTIL") &&
            e->job == strtoul(getenv("LIBTRY_UNTIL"), NULL, 10))
            break;
    }
    tender_watch_free(w);
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "open";
    struct tender *t = tender_open(getenv("LIBTRY_CONF"), &err);
    int r = 0;

    if (!t) {
        printf("open refused %s: %s\n", tender_error_name(err.code), err.text);
        return 1;
    }
    if (strcmp(word, "submit") == 0)
        submit_words(t, argv + 2);
    if (strcmp(word, "jobs") == 0)
        jobs(t, argc > 2 ? argv[2] : NULL);
    if (strcmp(word, "nodes") == 0)
        nodes(t, argc > 2 ? argv[2] : NULL);
    if (strcmp(word, "cancel") == 0 && (r = refused("cancel", tender_cancel(t, argv[2], 0, &err))) == 0)
        printf("cancel %s\n", argv[2]);
    if (strcmp(word, "watch") == 0)
        watch(t, argv[2]);
    if (strcmp(word, "again") == 0) { /* the same handle before and after what standard input waits for */
        char line[8];
        nodes(t, NULL);
        fflush(stdout);
        while (fgets(line, sizeof(line), stdin)) {
            nodes(t, NULL);
            fflush(stdout);
        }
    }
    tender_close(t);
    return 0;
}
