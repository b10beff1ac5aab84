/* test_request.c - the small languages inside sbatch's options, and job ids */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "client_test.h"
#include "connect.h"
#include "submit.h"

static struct td_arena arena;

static void node_counts(void **state TD_UNUSED)
{
    uint32_t min, max;
    struct td_error err = {0};
    static const char *const bad[] = {"", "x", "0", "1-", "3-2", "1,3", "-1", "1-2-3", "2x", "99999999"};

    assert_int_equal(request_nodes("2", &min, &max, &err), 0);
    assert_true(min == 2 && max == 2);
    assert_int_equal(request_nodes("1-3", &min, &max, &err), 0);
    assert_true(min == 1 && max == 3);
    assert_int_equal(request_nodes("1k", &min, &max, &err), 0);
    assert_int_equal(min, 1024);
    for (size_t i = 0; i < TD_ARRAY_LEN(bad); i++) {
        assert_true(request_nodes(bad[i], &min, &max, &err) < 0);
        assert_int_equal(err.code, TD_E_USAGE);
    }
    request_nodes("3-2", &min, &max, &err);
    assert_string_equal(err.text, "Maximum node count 2 is less than minimum node count 3");
    request_nodes("x", &min, &max, &err);
    assert_string_equal(err.text, "\"x\" is not a valid node count");
}

static void devices(void **state TD_UNUSED)
{
    static const struct {
        const char *text, *name, *type;
        uint64_t count;
    } good[] = {
        {"gpu:2", "gpu", "", 2},           {"gpu:TitanXp:2", "gpu", "TitanXp", 2}, {"gpu", "gpu", "", 1},
        {"gpu:tesla", "gpu", "tesla", 1},  {"gres:gpu:1", "gpu", "", 1},           {"gres/gpu:1", "gpu", "", 1},
        {"gpu:1080:1", "gpu", "1080", 1},  {"mps:1k", "mps", "", 1024},            {"gpu=3", "gpu", "", 3},
    };
    static const char *const bad[] = {":2", "gpu:", "gpu:a:b:2", "gpu:TitanXp:x", "gpu::2"};
    struct td_gres_need_list l;
    struct td_error err = {0};

    for (size_t i = 0; i < TD_ARRAY_LEN(good); i++) {
        if (request_gres(&arena, "gres", good[i].text, &l, &err) < 0)
            fail_msg("%s: %s", good[i].text, err.text);
        assert_int_equal(l.n, 1);
        assert_string_equal(l.v[0].name, good[i].name);
        assert_true(td_str_equal(l.v[0].type, good[i].type));
        assert_int_equal(l.v[0].count, good[i].count);
    }
    for (size_t i = 0; i < TD_ARRAY_LEN(bad); i++) {
        if (request_gres(&arena, "gres", bad[i], &l, &err) == 0)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(err.code, TD_E_INVALID_GRES);
        assert_contains(err.text, bad[i]);
    }
    assert_int_equal(request_gres(&arena, "gres", "gpu:2,mps:50", &l, &err), 0);
    assert_int_equal(l.n, 2);
    assert_int_equal(request_gres(&arena, "gres", "none", &l, &err), 0);
    assert_int_equal(l.n, 0);
    assert_int_equal(request_gres(&arena, "gres", "gpu:0", &l, &err), 0);
    assert_int_equal(l.n, 0);
    assert_int_equal(request_gpus(&arena, "gpus", "TitanXp:1,V100:2", &l, &err), 0);
    assert_true(l.n == 2 && l.v[1].count == 2);
    assert_string_equal(l.v[1].name, "gpu");
}

static void hosts_from_a_file(void **state TD_UNUSED)
{
    char path[] = "/tmp/hosts.XXXXXX";
    int fd = mkstemp(path);
    const char *list = NULL;
    struct td_error err = {0};

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "n1 n2\nn[4-6]\n\n", 14), 14);
    close(fd);
    assert_int_equal(request_hosts(&arena, path, &list, &err), 0);
    assert_string_equal(list, "n1,n2,n[4-6]");
    unlink(path);
    assert_true(request_hosts(&arena, path, &list, &err) < 0);
    assert_contains(err.text, "cannot read the node file");
}

static void dependencies(void **state TD_UNUSED)
{
    static const char *const good[] = {"afterok:12", "afterany:12:13", "after:12+5", "singleton", "afterok:1,afternotok:2_3",
                                       "aftercorr:7?afterok:8"};
    static const char *const bad[] = {"foo:1", "afterok", "afterok:", "afterok:x", "12", "afterok:1,afterany:2?singleton"};
    struct td_error err = {0};

    for (size_t i = 0; i < TD_ARRAY_LEN(good); i++)
        if (request_dependency(good[i], &err) < 0)
            fail_msg("%s: %s", good[i], err.text);
    for (size_t i = 0; i < TD_ARRAY_LEN(bad); i++) {
        if (request_dependency(bad[i], &err) == 0)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(err.code, TD_E_DEPENDENCY);
    }
}

static void job_ids(void **state TD_UNUSED)
{
    static const char *const bad[] = {"", "abc", "0", "-1", "12_", "12_x", "12_[", "12_[1-", "4294967295", "1_2_3", "12 "};
    struct td_job_sel s;
    struct td_error err = {0};

    assert_int_equal(client_sel_parse(&arena, "12", &s, &err), 0);
    assert_true(s.job == 12 && s.tasks.n == 0);
    assert_int_equal(client_sel_parse(&arena, "12_3", &s, &err), 0);
    assert_true(s.tasks.n == 1 && s.tasks.v[0].first == 3 && s.tasks.v[0].last == 3);
    assert_int_equal(client_sel_parse(&arena, "12_[1-3,7]", &s, &err), 0);
    assert_true(s.tasks.n == 2 && s.tasks.v[1].first == 7);
    assert_int_equal(client_sel_parse(&arena, "12_*", &s, &err), 0);
    assert_true(s.tasks.n == 0);
    for (size_t i = 0; i < TD_ARRAY_LEN(bad); i++) {
        if (client_sel_parse(&arena, bad[i], &s, &err) == 0)
            fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(err.code, TD_E_INVALID_JOB);
    }
    assert_true(client_sel_parse(&arena, "12.0", &s, &err) < 0);
    assert_int_equal(err.code, TD_E_NOT_SUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_counts),
        cmocka_unit_test(devices),
        cmocka_unit_test(hosts_from_a_file),
        cmocka_unit_test(dependencies),
        cmocka_unit_test(job_ids),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);

    td_arena_release(&arena);
    return r;
}
