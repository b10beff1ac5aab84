/* test_conf_place.c - how a command finds its cluster */
#include "folder.h"

static void put_default(struct folder *f, const char *below, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s", below);
    for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
        char sub[512];
        *p = '\0';
        snprintf(sub, sizeof(sub), "%s/%s", f->dir, path);
        mkdir(sub, 0755);
        *p = '/';
    }
    folder_put(f, below, text);
}

static void the_environment_comes_first(void **state)
{
    struct folder *f = *state;
    struct td_conf_place place;
    char want[256];

    folder_put(f, "slurm.conf", "ClusterName=a\nstatesavelocation = /var/spool/x # journal\nNodeName=a\n");
    put_default(f, ".local/state/tender/default/slurm.conf", "ClusterName=b\n");
    assert_int_equal(td_conf_find(f->path, f->dir, NULL, getuid(), &place, &f->err), 0);
    assert_string_equal(place.conf, f->path);
    assert_string_equal(place.socket, "/var/spool/x/run/broker.sock");

    /* what is found is what loads */
    folder_load(f);
    assert_string_equal(f->conf->state_dir, "/var/spool/x");

    folder_put(f, "slurm.conf", "ClusterName=a\n");
    assert_int_equal(td_conf_find(f->path, f->dir, NULL, getuid(), &place, &f->err), 0);
    snprintf(want, sizeof(want), "%s/state/run/broker.sock", f->dir);
    assert_string_equal(place.socket, want);
    folder_load(f);
    snprintf(want, sizeof(want), "%s/state", f->dir);
    assert_string_equal(f->conf->state_dir, want);
}

static void then_the_users_own_cluster(void **state)
{
    struct folder *f = *state;
    struct td_conf_place place;
    char want[256];

    put_default(f, ".local/state/tender/default/slurm.conf", "StateSaveLocation=/one\n");
    put_default(f, "run/tender/default/slurm.conf", "StateSaveLocation=/two\n");
    snprintf(want, sizeof(want), "%s/run", f->dir);
    assert_int_equal(td_conf_find("", f->dir, want, getuid(), &place, &f->err), 0);
    assert_string_equal(place.socket, "/one/run/broker.sock");
    assert_int_equal(td_conf_find(NULL, "/nowhere", want, getuid(), &place, &f->err), 0);
    assert_string_equal(place.socket, "/two/run/broker.sock");
}

/* `default` is a link that tender up moves: neighbours and state lie beside its target, which is the same folder. */
static void through_a_link(void **state)
{
    struct folder *f = *state;
    struct td_conf_place place;
    char target[256], link[256], want[512];

    put_default(f, ".local/state/tender/x", "");
    put_default(f, "cluster/slurm.conf", "ClusterName=a\n");
    snprintf(target, sizeof(target), "%s/cluster", f->dir);
    snprintf(link, sizeof(link), "%s/.local/state/tender/default", f->dir);
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(td_conf_find(NULL, f->dir, NULL, getuid(), &place, &f->err), 0);
    snprintf(want, sizeof(want), "%s/slurm.conf", link);
    assert_string_equal(place.conf, want);
    snprintf(want, sizeof(want), "%s/cluster/state/run/broker.sock", f->dir);
    assert_string_equal(place.socket, want);
}

static void a_strangers_cluster_is_refused(void **state)
{
    struct folder *f = *state;
    struct td_conf_place place = {.socket = "untouched"};

    put_default(f, ".local/state/tender/default/slurm.conf", "ClusterName=a\n");
    if (getuid() == 0) {
        char path[256];
        snprintf(path, sizeof(path), "%s/.local/state/tender/default/slurm.conf", f->dir);
        assert_int_equal(chown(path, 4711, 4711), 0);
    }
    uint32_t other = getuid() == 0 ? 4712 : getuid() + 1;
    assert_int_equal(td_conf_find(NULL, f->dir, NULL, other, &place, &f->err), -TD_E_CONF);
    assert_non_null(strstr(f->err.text, "belongs to another user"));
    assert_string_equal(place.socket, "untouched");
    assert_int_equal(td_conf_find(NULL, f->dir, NULL, 0, &place, &f->err), 0); /* root may look at anybody's */
}

static void nothing_found_says_what_to_do(void **state)
{
    struct folder *f = *state;
    struct td_conf_place place;
    char want[256];

    snprintf(want, sizeof(want), "SLURM_CONF: cannot read %s: No such file or directory", f->path);
    assert_int_equal(td_conf_find(f->path, f->dir, NULL, getuid(), &place, &f->err), -TD_E_CONF);
    assert_string_equal(f->err.text, want);
    if (access("/etc/slurm/slurm.conf", F_OK) == 0) {
        print_message("this machine has an /etc/slurm/slurm.conf: the rest is skipped\n");
        return;
    }
    assert_int_equal(td_conf_find(NULL, f->dir, NULL, getuid(), &place, &f->err), -TD_E_CONF);
    assert_non_null(strstr(f->err.text, "start one with: tender up"));
    assert_int_equal(td_conf_find(NULL, NULL, NULL, getuid(), &place, &f->err), -TD_E_CONF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_environment_comes_first, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(then_the_users_own_cluster, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(through_a_link, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(a_strangers_cluster_is_refused, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(nothing_found_says_what_to_do, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
