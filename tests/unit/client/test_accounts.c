/* test_accounts.c - fields of accounting typed and shown, and files of accounts: taken whole, or named where they are wrong
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "account/account.h"

static void takes(const char *field, uint32_t of, const char *value, const char *want)
{
    struct td_arena a = {0};
    struct td_error err = {0};
    struct td_buf out = {0};
    const struct acct_field *f = acct_field_find(field, 1u << of);
    union {
        struct td_assoc_conf assoc;
        struct td_qos_conf qos;
        struct td_user_conf user;
    } rec;

    memset(&rec, 0, sizeof(rec));
    assert_non_null(f);
    int r = acct_field_take(&a, f, value, &rec, &err);
    if (!want) {
        assert_int_equal(r, -TD_E_USAGE);
        assert_non_null(strstr(err.text, f->name));
    } else {
        if (r < 0)
            fail_msg("%s=%s: %s", field, value, err.text);
        acct_value_print(&out, f->style, acct_record(f->of), f->key, &rec);
        assert_string_equal(td_buf_str(&out), want);
    }
    td_buf_release(&out);
    td_arena_release(&a);
}

static void fields_are_typed_and_shown(void **state TD_UNUSED)
{
    takes("fairshare", ACCT_OF_ASSOC, "10", "10");
    takes("Share", ACCT_OF_ASSOC, "parent", "parent");
    takes("fairshare", ACCT_OF_ASSOC, "0", "0");
    takes("fairshare", ACCT_OF_ASSOC, "2147483648", NULL);
    takes("fairshare", ACCT_OF_ASSOC, "ten", NULL);
    takes("GrpJ", ACCT_OF_ASSOC, "0", "0"); /* none may run: not the same as no limit */
    takes("grpjobs", ACCT_OF_ASSOC, "-1", "");
    takes("MaxWall", ACCT_OF_ASSOC, "3-00:00:00", "3-00:00:00");
    takes("maxwall", ACCT_OF_ASSOC, "90", "01:30:00");
    takes("grptres", ACCT_OF_ASSOC, "cpu=4,gres/gpu=2", "cpu=4,gres/gpu=2");
    takes("grptres", ACCT_OF_ASSOC, "mem=10G", "mem=10G");
    takes("grptres", ACCT_OF_ASSOC, "4", NULL);
    takes("grptres", ACCT_OF_ASSOC, "cpu=", NULL);
    takes("grpcpus", ACCT_OF_ASSOC, "4", "cpu=4");
    takes("priority", ACCT_OF_QOS, "150", "150");
    takes("usagefactor", ACCT_OF_QOS, "0.5", "0.500000");
    takes("usagefactor", ACCT_OF_QOS, "half", NULL);
    takes("flags", ACCT_OF_QOS, "NoDecay,denyonlimit", "DenyOnLimit,NoDecay");
    takes("flags", ACCT_OF_QOS, "Nice", NULL);
    takes("preemptmode", ACCT_OF_QOS, "requeue", "requeue");
    takes("MaxSubmitPU", ACCT_OF_QOS, "20", "20");
    takes("admin", ACCT_OF_USER, "operator", "Operator");
    assert_null(acct_field_find("Max", 1u << ACCT_OF_ASSOC)); /* several */
    assert_null(acct_field_find("Frobs", 1u << ACCT_OF_ASSOC));
}

static void loads(const char *text, uint32_t want_ops, const char *words)
{
    struct td_arena a = {0};
    struct td_error err = {0};
    struct td_change_accounts m = {0};
    int r = acct_load(&a, text, &m, &err);

    if (words) {
        assert_true(r < 0);
        if (!strstr(err.text, words))
            fail_msg("\"%s\" does not say \"%s\"", err.text, words);
        assert_int_equal(m.ops.n, 0);
    } else {
        if (r < 0)
            fail_msg("%s", err.text);
        assert_int_equal(m.ops.n, want_ops);
    }
    td_arena_release(&a);
}

static void files_are_taken_whole(void **state TD_UNUSED)
{
    loads("Cluster - 'c':Fairshare=1\nParent - 'root'\nAccount - 'chem':Description='it\\'s: a=b':Fairshare=5\nParent - "
          "'chem'\n"
          "User - 'kim':DefaultAccount='chem':AdminLevel='Operator':Coordinator='chem'\n",
          5, NULL); /* three, and a default account and a coordinator behind them */
    loads("# Slurm's\nCluster - linux:MaxNodesPerJob=15\nParent - root\nAccount - "
          "cs:MaxNodesPerJob=5:MaxJobs=4:FairShare=399:MaxWallDuration=40\n",
          2, NULL);
    loads("", 0, "no Cluster line");
    loads("Account - 'a'\n", 0, "no Cluster line");
    loads("Cluster - 'c'\nAccount - 'chem", 0, "in the middle");
    loads("Cluster - 'c'\nAccount - 'chem\n", 0, "line 2");
    loads("Cluster - 'c'\nAccount - 'chem':Frobs=1\n", 0, "Frobs");
    loads("Cluster - 'c'\nAccount - 'chem':Fairshare\n", 0, "no value");
    loads("Cluster - 'c'\nAccount - 'chem':Fairshare='1' x\n", 0, "line 2");
    loads("Cluster - 'c'\nSomething - 'chem'\n", 0, "unknown word");
    loads("Cluster - 'c'\nnonsense\n", 0, "line 2");
    loads("# Accounts of a cluster: x\nCluster - 'c'\n", 0, "it was cut");
    loads("# Accounts of a cluster: x\nCluster - 'c'\n# End: 2 lines\n", 0, "part of it is missing");
    loads("# Accounts of a cluster: x\nCluster - 'c'\n# End: 1 lines\n", 1, NULL);
}

/* What is dumped is taken again, whatever the words hold. */
static void a_dump_can_be_loaded(void **state TD_UNUSED)
{
    const char *qos[] = {"high", "normal"};
    struct td_tres_count gpus[] = {{"gres/gpu:a100", 4}};
    struct td_acct_row v[] = {
        {.what = TD_ACCT_QOS,
         .qos = {.id = 2,
                 .name = "high",
                 .conf = {.priority = 10, .max_wall_m = 61, .grace_s = 300, .usage_factor = 500001}}},
        {.what = TD_ACCT_ACCOUNT,
         .account = {.name = "chem", .conf = {.description = "a 'b' \\ c:d=e", .organization = "대학"}}},
        {.what = TD_ACCT_USER, .user = {.name = "kim", .conf = {.def_account = "chem"}}},
        {.what = TD_ACCT_ASSOC, .assoc = {.id = 1, .account = "root"}},
        {.what = TD_ACCT_ASSOC,
         .depth = 1,
         .assoc =
             {.id = 2, .account = "chem", .parent = "root", .conf = {.shares = 11, .qos = {qos, 2}, .grp_tres = {gpus, 1}}}},
        {.what = TD_ACCT_ASSOC,
         .depth = 2,
         .assoc = {.id = 3,
                   .account = "chem",
                   .user = "kim",
                   .partition = "gpu",
                   .conf = {.shares = TD_INFINITE, .max_wall_m = 1441}}},
    };
    struct acct_rows rows = {0};
    struct td_arena a = {0};
    struct td_error err = {0};
    struct td_change_accounts m = {0};
    struct td_buf out = {0};

    for (size_t i = 0; i < TD_ARRAY_LEN(v); i++)
        td_vec_push(&rows.v, &v[i]);
    acct_dump(&out, "c", &rows);
    if (acct_load(&a, td_buf_str(&out), &m, &err) < 0)
        fail_msg("%s in:\n%s", err.text, td_buf_str(&out));
    assert_int_equal(m.ops.n, 5); /* QOS, root, account, user; his default account */
    assert_true(td_record_equal(&td_rec_qos_conf, &m.ops.v[0].qos, &v[0].qos.conf));
    assert_true(td_record_equal(&td_rec_account_conf, &m.ops.v[2].account, &v[1].account.conf));
    assert_true(td_record_equal(&td_rec_assoc_conf, &m.ops.v[2].assoc, &v[4].assoc.conf));
    assert_true(td_record_equal(&td_rec_assoc_conf, &m.ops.v[3].assoc, &v[5].assoc.conf));
    assert_string_equal(m.ops.v[3].partitions.v[0], "gpu");
    assert_string_equal(m.ops.v[3].accounts.v[0], "chem");
    td_buf_release(&out);
    acct_rows_release(&rows);
    td_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_typed_and_shown),
        cmocka_unit_test(files_are_taken_whole),
        cmocka_unit_test(a_dump_can_be_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
