/* test_groups.c - node states in Slurm's words, and which nodes share a row of sinfo */
#include "client_test.h"
#include "sample.h"

static void states(void **state TD_UNUSED)
{
    static const struct {
        struct td_node_info n;
        const char *compact, *wide, *flags;
    } cases[] = {
        {{.state = TD_NODE_UP, .cpus = 4}, "idle", "idle", "IDLE"},
        {{.state = TD_NODE_UP, .cpus = 4, .cpus_alloc = 1}, "mix", "mixed", "MIXED"},
        {{.state = TD_NODE_UP, .cpus = 4, .cpus_alloc = 4}, "alloc", "allocated", "ALLOCATED"},
        {{.state = TD_NODE_UP, .cpus = 4, .drain = true}, "drain", "drained", "IDLE+DRAIN"},
        {{.state = TD_NODE_UP, .cpus = 4, .cpus_alloc = 1, .drain = true}, "drng", "draining", "MIXED+DRAIN"},
        {{.state = TD_NODE_UP, .cpus = 4, .down = true}, "down", "down", "DOWN"},
        {{.state = TD_NODE_UP, .cpus = 4, .cpus_alloc = 1, .jobs = 1, .completing = true}, "comp", "completing",
         "MIXED+COMPLETING"},
        {{.state = TD_NODE_SUSPECT, .cpus = 4}, "idle*", "idle*", "IDLE*"},
        {{.state = TD_NODE_LOST, .cpus = 4}, "down*", "down*", "DOWN*"},
        {{.state = TD_NODE_LEFT, .cpus = 4}, "down*", "down*", "DOWN*"},
        {{.state = TD_NODE_UNKNOWN, .cpus = 4}, "unk*", "unknown*", "UNKNOWN*"},
    };
    struct td_buf out = {0};

    for (size_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        td_buf_reset(&out);
        node_put_state_compact(&out, &cases[i].n);
        assert_string_equal(td_buf_str(&out), cases[i].compact);
        td_buf_reset(&out);
        node_put_state(&out, &cases[i].n);
        assert_string_equal(td_buf_str(&out), cases[i].wide);
        td_buf_reset(&out);
        node_put_state_flags(&out, &cases[i].n);
        assert_string_equal(td_buf_str(&out), cases[i].flags);
    }
    td_buf_release(&out);
}

static void group(const struct td_node_info *nodes, uint32_t n, const char *format, const struct node_filter *filter,
                  bool exact, bool by_node, const char *want)
{
    struct td_arena arena = {0};
    struct format f = {.arena = &arena};
    struct node_groups g = {0};
    struct td_buf out = {0};

    format_parse(&f, &node_fields, format);
    node_group(&sample_partitions, nodes, n, filter, &f, exact, by_node, &g);
    for (uint32_t i = 0; i < g.rows.n; i++)
        format_row(&f, g.rows.v[i], &out);
    assert_string_equal(td_buf_str(&out), want);
    node_groups_release(&g);
    format_release(&f);
    td_buf_release(&out);
    td_arena_release(&arena);
}

static void rows_by_what_is_printed(void **state TD_UNUSED)
{
    struct node_filter all = {0};
    struct td_node_info two[2] = {sample_nodes[0], sample_nodes[1]};

    group(two, 2, "%P %t %D %N", &all, false, false, "gpu* mix 2 node[1-2]\ndebug mix 1 node1\n");
    group(two, 2, "%T", &all, false, false, "mixed\n"); /* no partition asked for: one row, each node once */
    group(two, 2, "%C", &all, false, false, "8/72/0/80\n");
    group(two, 2, "%n %G", &all, false, false, "vm gpu:TitanXp:4\n");
    group(two, 2, "%R,%C", &all, false, false, "gpu,8/72/0/80\ndebug,4/36/0/40\n");
    group(two, 2, "%N %P", &all, false, true, "node1 gpu*\nnode2 gpu*\nnode1 debug\n");
    two[1].cpus = 20;
    two[1].cpus_alloc = 0;
    group(two, 2, "%c %D", &all, false, false, "20+ 2\n");
    group(two, 2, "%c %D", &all, true, false, "40 1\n20 1\n"); /* -e */
    group(two, 2, "%P %t %F", &all, false, false, "gpu* mix 1/0/0/1\ngpu* idle 0/1/0/1\ndebug mix 1/0/0/1\n");
    two[1].drain = true;
    two[1].reason = "bad disk";
    group(two, 2, "%F %C", &all, false, false, "1/0/1/2 4/36/20/60\n");
}

static void filters(void **state TD_UNUSED)
{
    struct td_node_info two[2] = {sample_nodes[0], sample_nodes[1]};
    static const char *const debug[] = {"debug"}, *const idle[] = {"idle"}, *const down[] = {"down"}, *const no[] = {"none"};
    struct node_filter f = {.partitions = {.v = debug, .n = 1}};

    two[1].cpus_alloc = 0;
    group(two, 2, "%P %N", &f, false, false, "debug node1\n");
    f = (struct node_filter){.states = {.v = idle, .n = 1}};
    group(two, 2, "%P %N", &f, false, false, "gpu* node2\n");
    f = (struct node_filter){.states = {.v = down, .n = 1}};
    group(two, 2, "%P %D %t", &f, false, false, "gpu* 0 n/a\ndebug 0 n/a\n"); /* as Slurm, when there is none at all */
    group(two, 2, "%P %N", &f, false, true, "");
    f = (struct node_filter){.nodes = "node[2-9]"};
    group(two, 2, "%P %N", &f, false, false, "gpu* node2\n");
    f = (struct node_filter){.dead = true};
    two[0].state = TD_NODE_LOST;
    group(two, 2, "%P %N %E", &f, false, false, "gpu* node1 Not responding\ndebug node1 Not responding\n");
    f = (struct node_filter){.with_reason = true};
    group(two, 2, "%E %N", &f, false, false, "Not responding node1\n");
    f = (struct node_filter){.partitions = {.v = no, .n = 1}};
    group(two, 2, "%P %N", &f, false, false, "");
}

static void state_words(void **state TD_UNUSED)
{
    static const char *const good[] = {"idle", "ALLOC", "mix", "drain", "drained", "DOWN", "unk", "comp", "all", "maint"};
    struct td_error err = {0};

    for (size_t i = 0; i < TD_ARRAY_LEN(good); i++)
        assert_int_equal(node_state_check(good[i], &err), 0);
    assert_true(node_state_check("foo", &err) < 0);
    assert_int_equal(err.code, TD_E_INVALID_STATE);
    assert_contains(err.text, "Bad state string: \"foo\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states),
        cmocka_unit_test(rows_by_what_is_printed),
        cmocka_unit_test(filters),
        cmocka_unit_test(state_words),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
