/* example.c - queues a job by libtender, watches it to its end, says how it ended
 *
 * cc example.c -ltender */
#include <stdio.h>
#include <string.h>
#include <tender.h>

/* From the event that queued it on, so that nothing is missed however fast it was. */
static int watch_to_end(struct tender *t, const struct tender_submitted *job, struct tender_error *err)
{
    const struct tender_watch_what what = {.since = job->seq, .jobs = &job->job, .njobs = 1};
    struct tender_watch *watch = NULL;
    const struct tender_event *event;
    int news = tender_watch(t, &what, &watch, err);

    while (news >= 0) {
        news = tender_watch_next(watch, -1, &event, err);
        if (news == TENDER_EVENT)
            printf("%s %s\n", event->type, event->state);
        if (news == TENDER_RESYNC)
            printf("events up to %llu are lost: ask how it stands\n", (unsigned long long)event->seq);
        if (news == TENDER_EVENT && event->job == job->job && strcmp(event->type, "JOB_ENDED") == 0)
            break;
    }
    tender_watch_free(watch);
    return news < 0 ? -1 : 0;
}

static int tell(struct tender *t, unsigned job, struct tender_error *err)
{
    char id[16];
    struct tender_jobs *jobs = NULL;
    const struct tender_job_query query = {.ids = id, .states = "all", .history = 1};

    snprintf(id, sizeof(id), "%u", job);
    if (tender_jobs(t, &query, &jobs, err) < 0)
        return -1;
    for (size_t i = 0; i < tender_jobs_count(jobs); i++) {
        const struct tender_job *j = tender_jobs_get(jobs, i);
        printf("%s %s %s on %s, exit code %u\n", j->id, j->name, j->state, j->nodes, j->exit_code);
    }
    tender_jobs_free(jobs);
    return 0;
}

int main(int argc, char **argv)
{
    const char *const options[] = {"--job-name=example", "--output=/dev/null", NULL};
    const struct tender_submission what = {.script = argc > 1 ? argv[1] : "#!/bin/sh\nhostname\n", .options = options};
    struct tender_submitted job = {0};
    struct tender_error err = {0};
    struct tender *t = tender_open(NULL, &err);
    int r = t ? tender_submit(t, &what, &job, &err) : -1;

    if (r == 0)
        printf("job %u is queued\n%s", job.job, job.warnings);
    if (r == 0)
        r = watch_to_end(t, &job, &err);
    if (r == 0)
        r = tell(t, job.job, &err);
    if (r < 0)
        fprintf(stderr, "example: %s\n", err.text);
    tender_close(t);
    return r < 0;
}
