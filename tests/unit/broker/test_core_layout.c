/* test_core_layout.c - how many tasks on which node: what a job is told, and what its steps get
 *
 * Random allocations of whole cores, then steps with random wishes; each answer is held against
 * what plain arithmetic says, the step that repeats the job's own count against
 * SLURM_TASKS_PER_NODE. */
#include "film.h"

#define NODES 4

static uint64_t seed,
    began; /* where the generator is; the cluster it was started for, 0 when all are done */

static uint32_t below(uint32_t n)
{
    seed = td_mix_u64(seed, 1);
    return (uint32_t)((seed >> 20) % n);
}

/* One in `often` says something. */
static uint32_t perhaps(uint32_t often, uint32_t most)
{
    return below(often) ? 0 : 1 + below(most);
}

struct layout {
    uint32_t tasks[NODES], cpus[NODES], nodes, all; /* by the film's workers */
};

static uint32_t worker_no(struct film *f, const char *name)
{
    for (uint32_t i = 0; i < f->nworkers; i++) {
        if (td_str_equal(f->workers[i].name, name))
            return i;
    }
    fail_msg("%s is no worker", name);
    return 0;
}

static struct layout layout_of_job(struct film *f, uint32_t job)
{
    const struct core_alloc *a = film_job(f, job)->alloc;
    struct layout l = {.nodes = a->nparts};
    for (uint32_t i = 0; i < a->nparts; i++) {
        const struct td_placement *p = a->parts[i].place;
        uint32_t w = worker_no(f, p->node);
        l.tasks[w] = p->tasks;
        l.cpus[w] = td_bits_count(p->cpus.v, p->cpus.n);
        l.all += p->tasks;
    }
    return l;
}

/* SLURM_TASKS_PER_NODE, node by node: "4(x2),3". */
static void expect_told(struct film *f, uint32_t job, const struct layout *l)
{
    for (uint32_t w = 0; w < f->nworkers; w++) {
        if (!l->tasks[w])
            continue;
        const struct td_award *a = &f->workers[w].last_award;
        const char *at = a->tasks_per_node;
        uint32_t next = 0;
        assert_int_equal(a->job, job);
        assert_int_equal(a->ntasks, l->all);
        while (*at) {
            unsigned each = 0, run = 1;
            int len = 0;
            assert_true(sscanf(at, "%u%n", &each, &len) == 1);
            at += len;
            if (*at == '(') {
                assert_true(sscanf(at, "(x%u)%n", &run, &len) == 1);
                at += len;
            }
            at += *at == ',';
            for (; run; run--, next++) {
                while (next < NODES && !l->tasks[next])
                    next++;
                assert_true(next < NODES);
                assert_int_equal(l->tasks[next], each);
            }
        }
        while (next < NODES)
            assert_int_equal(l->tasks[next++], 0);
    }
}

static bool layout_of_step(struct film *f, uint32_t n, struct layout *ret)
{
    const struct film_answer *a = &f->asked.v[n];
    uint32_t rank = 0;
    *ret = (struct layout){0};
    if (a->id != TD_MSG_STEP_CREATED)
        return false;
    for (uint32_t i = 0; i < a->places.n; i++) {
        const struct td_step_place *p = &a->places.v[i];
        uint32_t w = worker_no(f, p->node);
        assert_int_equal(ret->tasks[w], 0);
        assert_true(p->ranks.n > 0);
        for (uint32_t k = 0; k < p->ranks.n; k++)
            assert_int_equal(p->ranks.v[k], rank++);
        ret->tasks[w] = p->ranks.n;
        ret->cpus[w] = td_bits_count(p->cpus.v, p->cpus.n);
        ret->nodes++;
    }
    ret->all = rank;
    return true;
}

static void end_step(struct film *f, uint32_t job, uint32_t n)
{
    for (uint32_t w = 0; w < f->nworkers; w++) {
        if (f->workers[w].steps.n)
            film_step_exit(f, &f->workers[w], job, f->asked.v[n].step, 0);
    }
    assert_int_equal(film_steps(f, job), 0);
}

static void expect_as_told(struct film *f, const struct layout *told, struct film_ask a)
{
    struct layout l;
    uint32_t n = film_ask_(f, a);
    assert_true(layout_of_step(f, n, &l));
    assert_memory_equal(l.tasks, told->tasks, sizeof(l.tasks));
    end_step(f, a.job, n);
}

/* Tasks that nodes could take at most, the `nodes` roomiest of them. */
static uint32_t most_tasks(const struct layout *job, const struct film_ask *a, uint32_t nodes)
{
    uint32_t cap[NODES], sum = 0, each = TD_MAX(a->cores, 1u);
    for (uint32_t i = 0; i < NODES; i++) {
        cap[i] = job->cpus[i] / each;
        if (a->per_node)
            cap[i] = TD_MIN(cap[i], a->per_node);
        for (uint32_t k = i; k > 0 && cap[k] > cap[k - 1]; k--) {
            uint32_t swap = cap[k];
            cap[k] = cap[k - 1];
            cap[k - 1] = swap;
        }
    }
    for (uint32_t i = 0; i < nodes; i++) {
        if (cap[i] == 0)
            return 0;
        sum += cap[i];
    }
    return sum;
}

static bool could_be(const struct layout *job, const struct film_ask *a)
{
    uint32_t nodes = TD_MIN(a->nodes, a->tasks);
    if (nodes > job->nodes) /* fewer tasks than nodes: as many nodes as tasks */
        return false;
    for (uint32_t n = nodes ? nodes : 1; n <= (nodes ? nodes : TD_MIN(job->nodes, a->tasks)); n++) {
        if (most_tasks(job, a, n) >= a->tasks)
            return true;
    }
    return false;
}

static void try_step(struct film *f, const struct layout *job, struct film_ask a)
{
    struct layout l;
    uint32_t n = film_ask_(f, a);
    bool ran = layout_of_step(f, n, &l), could = could_be(job, &a);
    if (ran != could) {
        for (uint32_t i = 0; i < NODES; i++)
            print_error("n%u: %u tasks, %u CPUs, now %u\n", i + 1, job->tasks[i], job->cpus[i],
                        l.tasks[i]);
        fail_msg("-n %u -N %u --ntasks-per-node %u -c %u: %s", a.tasks, a.nodes, a.per_node,
                 a.cores, ran ? "cannot be, and is" : f->asked.v[n].text);
    }
    if (f->asked.v[n].id != TD_MSG_STEP_CREATED)
        return;
    assert_int_equal(l.all, a.tasks);
    if (a.nodes)
        assert_int_equal(l.nodes, TD_MIN(a.nodes, a.tasks));
    for (uint32_t w = 0; w < NODES; w++) {
        assert_true(l.cpus[w] <= job->cpus[w]);
        assert_true(l.cpus[w] >= l.tasks[w] * TD_MAX(a.cores, 1u));
        assert_true(!a.per_node || l.tasks[w] <= a.per_node);
    }
    end_step(f, a.job, n);
}

static uint32_t one_cluster(void)
{
    void *state = NULL;
    film_open(&state);
    struct film *f = state;
    f->threads = 1 + below(2);
    f->settings.core_is_unit = below(4) > 0;
    film_start(f);
    for (uint32_t i = 1; i <= NODES; i++) {
        char name[8];
        snprintf(name, sizeof(name), "n%u", i);
        film_worker(f, name, f->threads * (1 + below(6)), 0)->score = 400 + below(200);
    }
    uint32_t ran = 0;
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t job = film_submit(f, .nodes = perhaps(2, NODES), .tasks = perhaps(2, 12),
                                   .per_node = perhaps(3, 4), .cores = perhaps(3, 3));
        struct core_job *j = job ? film_job(f, job) : NULL;
        if (j && j->state == TD_JOB_RUNNING) {
            struct layout told = layout_of_job(f, job);
            expect_told(f, job, &told);
            expect_as_told(f, &told, (struct film_ask){.job = job});
            expect_as_told(f, &told, (struct film_ask){.job = job, .tasks = told.all});
            expect_as_told(f, &told,
                           (struct film_ask){.job = job, .tasks = told.all, .nodes = told.nodes});
            for (uint32_t k = 0; k < 12; k++)
                try_step(f, &told,
                         (struct film_ask){.job = job,
                                           .tasks = 1 + below(12),
                                           .nodes = perhaps(2, NODES),
                                           .per_node = perhaps(3, 4),
                                           .cores = perhaps(3, 3)});
            ran++;
        }
        if (j)
            film_cancel(f, 1000, job);
        film_run(f);
    }
    film_close(&state);
    return ran;
}

static void steps_keep_the_layout_that_the_job_was_told(void **state)
{
    (void)state;
    uint32_t ran = 0;
    for (uint32_t i = 1; i <= 300; i++) {
        began = seed = i;
        ran += one_cluster();
    }
    began = 0;
    assert_true(ran > 1000); /* else little was tried */
}

static int say_seed(void **state)
{
    (void)state;
    if (began)
        print_error("in the cluster of seed %llu\n", (unsigned long long)began);
    return 0;
}

/* Whole cores of two threads: three tasks are given four CPUs, and four tasks would fit there. */
static void a_core_more_than_its_tasks_need_draws_no_other_task(void **state)
{
    struct film *f = *state;
    struct layout l;
    f->threads = 2;
    f->settings.core_is_unit = true;
    film_start(f);
    film_worker(f, "n1", 16, 0);
    film_worker(f, "n2", 16, 0);
    uint32_t job = film_submit(f, .nodes = 2, .tasks = 4);
    film_expect(f, job, "RUNNING");
    assert_string_equal(f->workers[0].last_award.tasks_per_node, "3,1");
    struct layout told = layout_of_job(f, job);
    assert_int_equal(told.cpus[0], 4);
    expect_as_told(f, &told, (struct film_ask){.job = job, .tasks = 4});
    /* who wants one node gets one, and who wants more tasks than the job was made for gets them */
    uint32_t n = film_ask(f, .job = job, .tasks = 4, .nodes = 1);
    assert_true(layout_of_step(f, n, &l));
    assert_int_equal(l.tasks[0], 4);
    end_step(f, job, n);
    n = film_ask(f, .job = job, .tasks = 6);
    assert_true(layout_of_step(f, n, &l));
    assert_int_equal(l.tasks[0], 4);
    assert_int_equal(l.tasks[1], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_core_more_than_its_tasks_need_draws_no_other_task,
                                        film_open, film_close),
        cmocka_unit_test_teardown(steps_keep_the_layout_that_the_job_was_told, say_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
