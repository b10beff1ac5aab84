/* test_core_accounts.c - accounts, users, associations and QOS: requests are done whole or not at all, and last */
#include "film.h"

#define BIT(rec, field) (1ull << TD_KEY_##rec##_##field)
#define NAMES(...)                                                                                                          \
    {                                                                                                                       \
        (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)                     \
    }

static void asks(struct film *f, uint32_t uid, const struct td_acct_op *ops, uint32_t n)
{
    const struct td_change_accounts m = {.ops = {ops, n}};
    film_request(f, uid, TD_MSG_CHANGE_ACCOUNTS, &m);
}
#define ask_one(f, uid, ...) asks(f, uid, &(struct td_acct_op){__VA_ARGS__}, 1)

static void add_account(struct film *f, const char *name, const char *parent)
{
    ask_one(f, 0, .op = TD_ACCT_ADD, .what = TD_ACCT_ACCOUNT, .names = NAMES(name), .parent = parent);
    film_expect_refused(f, TD_E_OK);
}

static void add_user(struct film *f, const char *name, uint32_t uid, const char *account)
{
    const uint32_t uids[] = {uid + 1};
    ask_one(f, 0, .op = TD_ACCT_ADD, .what = TD_ACCT_USER, .names = NAMES(name), .accounts = NAMES(account),
            .uids = {uids, 1});
    film_expect_refused(f, TD_E_OK);
}

static const struct core_assoc *assoc(struct film *f, const char *account, const char *user)
{
    return core_assoc_find(&f->core->acct, account, user, NULL);
}

static void the_first_account_turns_it_on(void **state)
{
    struct film *f = *state;
    film_start(f);
    assert_false(core_acct_on(&f->core->acct));
    ask_one(f, 1000, .op = TD_ACCT_ADD, .what = TD_ACCT_ACCOUNT, .names = NAMES("chem"));
    film_expect_refused(f, TD_E_DENIED);
    assert_false(core_acct_on(&f->core->acct));
    add_account(f, "Chem", NULL); /* small letters */
    add_user(f, "kim", 1000, "chem");
    for (int i = 0; i < 2; i++) {
        assert_non_null(core_account_find(&f->core->acct, "root"));
        assert_non_null(core_qos_find(&f->core->acct, "normal"));
        assert_string_equal(core_acct_user_find(&f->core->acct, "kim")->is->conf.def_account, "chem");
        assert_string_equal(assoc(f, "chem", "kim")->parent->is->account, "chem");
        assert_int_equal(td_core_admin_level(f->core, 0), TD_LEVEL_ADMINISTRATOR);
        film_restart(f, i == 0);
    }
}

static void all_or_nothing(void **state)
{
    struct film *f = *state;
    film_start(f);
    add_account(f, "chem", NULL);
    uint64_t seq = f->core->seq, digest = td_core_digest(f->core);
    uint32_t next = f->core->acct.next_assoc;
    const struct td_acct_op ops[] = {
        {.op = TD_ACCT_ADD, .what = TD_ACCT_ACCOUNT, .names = NAMES("a", "b", "c"), .parent = "chem"},
        {.op = TD_ACCT_ADD, .what = TD_ACCT_USER, .names = NAMES("x", "y"), .accounts = NAMES("a", "b")},
        {.op = TD_ACCT_REMOVE, .what = TD_ACCT_ACCOUNT, .names = NAMES("c")},
        {.op = TD_ACCT_ADD,
         .what = TD_ACCT_QOS,
         .names = NAMES("high"),
         .set_qos = BIT(qos_conf, max_tres),
         .qos = {.max_tres = {(struct td_tres_count[]){{"gres/gpu", 4}}, 1}}},
        {.op = TD_ACCT_ADD, .what = TD_ACCT_USER, .names = NAMES("z"), .accounts = NAMES("nowhere")},
    };
    asks(f, 0, ops, 5);
    film_expect_refused(f, TD_E_INVALID_ACCOUNT);
    assert_int_equal(f->core->seq, seq);
    assert_true(td_core_digest(f->core) == digest);
    assert_int_equal(f->core->acct.next_assoc, next);
    asks(f, 0, ops, 4);
    film_expect_refused(f, TD_E_OK);
    assert_non_null(assoc(f, "b", "y"));
    assert_null(core_account_find(&f->core->acct, "c"));
    film_restart(f, true);
    assert_int_equal(core_qos_find(&f->core->acct, "high")->is->conf.max_tres.v[0].count, 4);
    film_restart(f, false);
}

static void move(struct film *f, const char *name, const char *parent, int code)
{
    ask_one(f, 0, .op = TD_ACCT_MODIFY, .what = TD_ACCT_ACCOUNT, .names = NAMES(name), .parent = parent);
    film_expect_refused(f, code);
}

static void accounts_make_no_circle(void **state)
{
    struct film *f = *state;
    film_start(f);
    add_account(f, "a", NULL);
    add_account(f, "b", "a");
    add_account(f, "c", "b");
    move(f, "a", "c", TD_E_CIRCULAR);
    move(f, "a", "a", TD_E_CIRCULAR);
    move(f, "root", "a", TD_E_INVALID_REQUEST);
    move(f, "a", "nowhere", TD_E_INVALID_ACCOUNT);
    move(f, "c", "root", TD_E_OK);
    assert_string_equal(assoc(f, "c", NULL)->parent->is->account, "root");
    move(f, "a", "c", TD_E_OK); /* now it may */
    film_restart(f, true);
    assert_int_equal(core_assoc_depth(assoc(f, "b", NULL)), 3);
    char name[16], parent[16] = "c";
    for (uint32_t i = 2; i < TD_MAX_ACCOUNT_DEPTH; i++) {
        td_format(name, sizeof(name), "d%u", i);
        add_account(f, name, parent);
        td_format(parent, sizeof(parent), "%s", name);
    }
    ask_one(f, 0, .op = TD_ACCT_ADD, .what = TD_ACCT_ACCOUNT, .names = NAMES("toodeep"), .parent = parent);
    film_expect_refused(f, TD_E_TOO_BIG);
}

static void names_and_numbers(void **state)
{
    struct film *f = *state;
    static const char *const bad[] = {"it's", "a\"b", "a b", "a,b", "a=b", "a|b", "a:b", "tab\t", "", "nl\n"};
    film_start(f);
    add_account(f, "화학", NULL); /* letters of any language */
    assert_non_null(core_account_find(&f->core->acct, "화학"));
    for (size_t i = 0; i < TD_ARRAY_LEN(bad); i++) {
        ask_one(f, 0, .op = TD_ACCT_ADD, .what = TD_ACCT_ACCOUNT, .names = NAMES(bad[i]));
        film_expect_refused(f, TD_E_INVALID_REQUEST);
    }
    char lengthy[400];
    memset(lengthy, 'x', sizeof(lengthy) - 1);
    lengthy[399] = 0;
    ask_one(f, 0, .op = TD_ACCT_ADD, .what = TD_ACCT_ACCOUNT, .names = NAMES(lengthy));
    film_expect_refused(f, TD_E_TOO_BIG);
    ask_one(f, 0, .op = TD_ACCT_MODIFY, .what = TD_ACCT_ACCOUNT, .names = NAMES("화학"),
            .set_assoc = BIT(assoc_conf, shares), .assoc = {.shares = 0x80000001u});
    film_expect_refused(f, TD_E_INVALID_REQUEST); /* 2^31 */
    ask_one(f, 0, .op = TD_ACCT_MODIFY, .what = TD_ACCT_ACCOUNT, .names = NAMES("화학"),
            .set_assoc = BIT(assoc_conf, shares), .assoc = {.shares = 1});
    film_expect_refused(f, TD_E_OK); /* none */
    ask_one(f, 0, .op = TD_ACCT_MODIFY, .what = TD_ACCT_ACCOUNT, .names = NAMES("화학"),
            .set_assoc = BIT(assoc_conf, def_qos), .assoc = {.def_qos = "none"});
    film_expect_refused(f, TD_E_INVALID_QOS);
    ask_one(f, 0, .op = TD_ACCT_MODIFY, .what = TD_ACCT_ACCOUNT, .names = NAMES("화학"),
            .set_assoc = BIT(assoc_conf, max_tres), .assoc = {.max_tres = {(struct td_tres_count[]){{"gpus", 1}}, 1}});
    film_expect_refused(f, TD_E_INVALID_REQUEST); /* no kind of resource */
}

static void one_default_account(void **state)
{
    struct film *f = *state;
    film_start(f);
    add_account(f, "a", NULL);
    add_account(f, "b", NULL);
    add_user(f, "kim", 1000, "a");
    add_user(f, "kim", 1000, "b");
    assert_string_equal(core_acct_user_find(&f->core->acct, "kim")->is->conf.def_account, "a");
    ask_one(f, 0, .op = TD_ACCT_REMOVE, .what = TD_ACCT_USER, .names = NAMES("kim"), .accounts = NAMES("a"));
    film_expect_refused(f, TD_E_INVALID_ACCOUNT);
    ask_one(f, 0, .op = TD_ACCT_REMOVE, .what = TD_ACCT_ACCOUNT, .names = NAMES("a"));
    film_expect_refused(f, TD_E_INVALID_ACCOUNT);
    ask_one(f, 1000, .op = TD_ACCT_MODIFY, .what = TD_ACCT_USER, .names = NAMES("kim"),
            .set_user = BIT(user_conf, def_account), .user = {.def_account = "c"});
    film_expect_refused(f, TD_E_INVALID_ACCOUNT);
    ask_one(f, 1000, .op = TD_ACCT_MODIFY, .what = TD_ACCT_USER, .names = NAMES("kim"),
            .set_user = BIT(user_conf, def_account), .user = {.def_account = "b"});
    film_expect_refused(f, TD_E_OK); /* his own to choose */
    ask_one(f, 1000, .op = TD_ACCT_MODIFY, .what = TD_ACCT_USER, .names = NAMES("kim"),
            .set_user = BIT(user_conf, admin_level), .user = {.admin_level = 2});
    film_expect_refused(f, TD_E_DENIED);
    ask_one(f, 0, .op = TD_ACCT_REMOVE, .what = TD_ACCT_ACCOUNT, .names = NAMES("a"));
    film_expect_refused(f, TD_E_OK);
    assert_null(assoc(f, "a", "kim"));
    ask_one(f, 0, .op = TD_ACCT_REMOVE, .what = TD_ACCT_USER, .names = NAMES("kim"));
    film_expect_refused(f, TD_E_OK);
    assert_null(core_acct_user_find(&f->core->acct, "kim"));
    film_restart(f, true);
}

static void coordinators(void **state)
{
    struct film *f = *state;
    film_start(f);
    add_account(f, "chem", NULL);
    add_account(f, "phys", NULL);
    add_user(f, "lee", 1001, "chem");
    ask_one(f, 1001, .op = TD_ACCT_ADD, .what = TD_ACCT_ACCOUNT, .names = NAMES("organic"), .parent = "chem");
    film_expect_refused(f, TD_E_DENIED);
    ask_one(f, 0, .op = TD_ACCT_ADD, .what = TD_ACCT_COORDINATOR, .names = NAMES("lee"), .accounts = NAMES("chem"));
    film_expect_refused(f, TD_E_OK);
    ask_one(f, 1001, .op = TD_ACCT_ADD, .what = TD_ACCT_ACCOUNT, .names = NAMES("organic"), .parent = "chem");
    film_expect_refused(f, TD_E_OK);
    ask_one(f, 1001, .op = TD_ACCT_ADD, .what = TD_ACCT_USER, .names = NAMES("kim"), .accounts = NAMES("organic"));
    film_expect_refused(f, TD_E_OK); /* below it, too */
    ask_one(f, 1001, .op = TD_ACCT_ADD, .what = TD_ACCT_USER, .names = NAMES("kim"), .accounts = NAMES("phys"));
    film_expect_refused(f, TD_E_DENIED);
    ask_one(f, 1001, .op = TD_ACCT_MODIFY, .what = TD_ACCT_ACCOUNT, .names = NAMES("chem"),
            .set_assoc = BIT(assoc_conf, grp_jobs), .assoc = {.grp_jobs = 100});
    film_expect_refused(f, TD_E_DENIED); /* his own account's limits are not his */
    ask_one(f, 1001, .op = TD_ACCT_MODIFY, .what = TD_ACCT_ACCOUNT, .names = NAMES("organic"),
            .set_assoc = BIT(assoc_conf, grp_jobs), .assoc = {.grp_jobs = 100});
    film_expect_refused(f, TD_E_OK);
    ask_one(f, 1001, .op = TD_ACCT_ADD, .what = TD_ACCT_QOS, .names = NAMES("high"));
    film_expect_refused(f, TD_E_DENIED);
    ask_one(f, 0, .op = TD_ACCT_REMOVE, .what = TD_ACCT_COORDINATOR, .names = NAMES("lee"), .accounts = NAMES("chem"));
    film_expect_refused(f, TD_E_OK);
    ask_one(f, 1001, .op = TD_ACCT_ADD, .what = TD_ACCT_ACCOUNT, .names = NAMES("inorganic"), .parent = "chem");
    film_expect_refused(f, TD_E_DENIED);
}

static void lists_of_qos(void **state)
{
    struct film *f = *state;
    struct td_assoc_conf conf;
    film_start(f);
    add_account(f, "chem", NULL);
    add_user(f, "kim", 1000, "chem");
    ask_one(f, 0, .op = TD_ACCT_ADD, .what = TD_ACCT_QOS, .names = NAMES("high", "low"));
    ask_one(f, 0, .op = TD_ACCT_MODIFY, .what = TD_ACCT_USER, .names = NAMES("kim"), .set_assoc = BIT(assoc_conf, qos),
            .assoc = {.qos = NAMES("high")}, .lists = 1);
    film_expect_refused(f, TD_E_OK); /* to what it inherits */
    core_assoc_effective(assoc(f, "chem", "kim"), &conf);
    assert_int_equal(conf.qos.n, 2);
    assert_string_equal(conf.qos.v[0], "high");
    assert_string_equal(conf.qos.v[1], "normal");
    ask_one(f, 0, .op = TD_ACCT_MODIFY, .what = TD_ACCT_QOS, .names = NAMES("high"), .set_qos = BIT(qos_conf, preempt),
            .qos = {.preempt = NAMES("low")});
    film_expect_refused(f, TD_E_OK);
    ask_one(f, 0, .op = TD_ACCT_REMOVE, .what = TD_ACCT_QOS, .names = NAMES("low", "high"));
    film_expect_refused(f, TD_E_OK); /* taken out of every list */
    core_assoc_effective(assoc(f, "chem", "kim"), &conf);
    assert_int_equal(conf.qos.n, 1);
    film_restart(f, true);
}

static uint64_t used(struct film *f, const char *account, const char *user)
{
    const struct core_assoc *s = assoc(f, account, user);
    return s && s->nused > ACCT_TRES_CPU ? s->used[ACCT_TRES_CPU] / ACCT_UNITS : 0;
}

/* The film's jobs are of user 1000, whom it names u1000. */
static void jobs_are_charged(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    add_account(f, "chem", NULL);
    add_account(f, "phys", NULL);
    add_user(f, "u1000", 1000, "chem");
    uint32_t job = film_submit(f, .cores = 2, .user = "u1000");
    film_expect(f, job, "RUNNING");
    assert_int_equal(core_job_find(f->core, job)->assoc, assoc(f, "chem", "u1000")->is->id);
    assert_string_equal(core_job_find(f->core, job)->spec->body.account, "chem");
    ask_one(f, 0, .op = TD_ACCT_REMOVE, .what = TD_ACCT_ACCOUNT, .names = NAMES("chem"));
    film_expect_refused(f, TD_E_INVALID_STATE); /* a job runs on it */
    film_advance(f, 100 * SEC);
    film_exit(f, job, 0);
    assert_in_range(used(f, "chem", "u1000"), 199, 203);
    assert_int_equal(used(f, "root", NULL), used(f, "chem", "u1000"));
    move(f, "chem", "phys", TD_E_OK); /* what it used goes along */
    assert_int_equal(used(f, "phys", NULL), used(f, "chem", NULL));
    film_restart(f, true);
    ask_one(f, 0, .op = TD_ACCT_MODIFY, .what = TD_ACCT_ACCOUNT, .names = NAMES("chem"), .reset_usage = true);
    film_expect_refused(f, TD_E_OK);
    assert_int_equal(used(f, "chem", "u1000"), 0);
    assert_int_equal(used(f, "root", NULL), 0);
    film_restart(f, false);
}

static void usage_decays_by_ticks(void **state)
{
    struct film *f = *state;
    f->settings.priority = (struct td_priority_conf){.multifactor = true,
                                                     .half_life_s = 1000,
                                                     .period_s = 100,
                                                     .max_age_s = 1000,
                                                     .weight_age = 1000,
                                                     .weight_fair = 10000};
    film_start(f);
    film_worker(f, "n1", 2, 0);
    add_account(f, "chem", NULL);
    add_user(f, "u1000", 1000, "chem");
    add_user(f, "u1001", 1001, "chem");
    uint32_t job = film_submit(f, .cores = 2, .user = "u1000");
    film_advance(f, 500 * SEC);
    assert_in_range(used(f, "chem", "u1000"), 700, 900); /* charged while it runs: 2 x 500, decayed */
    uint32_t his = film_submit(f, .cores = 1, .user = "u1000"),
             other = film_submit(f, .cores = 1, .user = "u1001", .uid = 1001);
    assert_true(core_job_find(f->core, other)->priority > core_job_find(f->core, his)->priority);
    struct td_job_need need = {.ntasks = 1, .cpus_per_task = 1};
    struct td_submit ask = {.spec = {.name = "ask", .needs = {&need, 1}, .limit_s = 60, .work_dir = "/"}, .test_only = true};
    film_request(f, 1000, TD_MSG_SUBMIT, &ask); /* its partition is settled before its priority is reckoned */
    film_expect_refused(f, 0);
    uint64_t was = core_job_find(f->core, his)->priority;
    film_advance(f, 300 * SEC);
    assert_true(core_job_find(f->core, his)->priority > was); /* it grows older */
    film_exit(f, job, 0);
    uint64_t before = used(f, "chem", "u1000");
    film_cancel(f, 1000, his);
    film_cancel(f, 1001, other);
    film_advance(f, 1100 * SEC);
    assert_in_range(used(f, "chem", "u1000"), before * 40 / 100, before * 56 / 100);
    film_restart(f, true);
    film_restart(f, false);
}

static void who_is_in_no_account(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    add_account(f, "chem", NULL);
    uint32_t job = film_submit(f, .cores = 1, .user = "u1000"); /* uncharged */
    assert_true(job && core_job_find(f->core, job)->assoc == 0);
    f->settings.enforce = TD_ENFORCE_ASSOCIATIONS;
    film_configure(f);
    assert_int_equal(film_submit(f, .cores = 1, .user = "u1000"), 0);
    film_expect_refused(f, TD_E_INVALID_ACCOUNT);
    add_user(f, "u1000", 1000, "chem");
    assert_true(film_submit(f, .cores = 1, .user = "u1000") != 0);
    assert_int_equal(film_submit(f, .cores = 1, .user = "u1000", .qos = "none"), 0);
    film_expect_refused(f, TD_E_INVALID_QOS);
}

#define FILM(test) cmocka_unit_test_setup_teardown(test, film_open, film_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM(the_first_account_turns_it_on),
        FILM(all_or_nothing),
        FILM(accounts_make_no_circle),
        FILM(names_and_numbers),
        FILM(one_default_account),
        FILM(coordinators),
        FILM(lists_of_qos),
        FILM(jobs_are_charged),
        FILM(usage_decays_by_ticks),
        FILM(who_is_in_no_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
