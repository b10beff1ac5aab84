/* test_conf_broken.c - damaged files: always a configuration or a sentence, never both, never a crash
 *
 * The files of the samples are cut at every place and struck with single random bytes. The seed is printed. */
#include "folder.h"

static const char *const names[] = {"slurm.conf", "gres.conf", "cgroup.conf", "tender.conf"};

static void put_bytes(const struct folder *f, const char *name, const char *bytes, size_t n)
{
    char path[512];
    FILE *out;

    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    unlink(path); /* a file cut short in place is flushed to disk by some file systems; a new one is not */
    out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    fclose(out);
}

static size_t get_sample(const char *name, char *out, size_t cap)
{
    char path[4096];
    FILE *in;

    snprintf(path, sizeof(path), "%s/conf/samples/%s", TD_SOURCE_DIR, name);
    in = fopen(path, "r");
    assert_non_null(in);
    size_t n = fread(out, 1, cap, in);
    fclose(in);
    return n;
}

static void load_either_way(struct folder *f)
{
    struct td_conf *c = NULL;

    f->err = (struct td_error){0};
    int r = td_conf_load(f->path, &c, &f->err);
    if (r < 0) {
        assert_null(c);
        assert_true(f->err.text[0] != '\0');
        assert_int_equal(-r, f->err.code);
    } else {
        assert_int_equal(r, 0);
        assert_non_null(c);
        assert_true(c->partitions.n > 0);
    }
    td_conf_destroy(&c);
}

static void cut_anywhere(void **state)
{
    struct folder *f = *state;
    char whole[16384];

    for (size_t i = 0; i < TD_ARRAY_LEN(names); i++) {
        for (size_t k = 0; k < TD_ARRAY_LEN(names); k++)
            put_bytes(f, names[k], whole, get_sample(names[k], whole, sizeof(whole)));
        size_t n = get_sample(names[i], whole, sizeof(whole));
        for (size_t len = 0; len <= n; len++) {
            put_bytes(f, names[i], whole, len);
            load_either_way(f);
        }
    }
}

static void struck_anywhere(void **state)
{
    struct folder *f = *state;
    struct td_rng rng = {.state = 20261122};
    static const char nasty[] = {'\0', '"', '=', '[', ']', ',', '-', '\\', '\n', '#', ' ', ':', '9', (char)0xff};
    char whole[16384];

    print_message("seed %llu\n", (unsigned long long)rng.state);
    for (int i = 0; i < 4000; i++) {
        const char *name = names[i % (int)TD_ARRAY_LEN(names)];
        size_t n = get_sample(name, whole, sizeof(whole));
        uint32_t hits = 1 + td_rng_below(&rng, 3);
        for (uint32_t k = 0; k < hits; k++) {
            char byte = td_rng_below(&rng, 2) ? nasty[td_rng_below(&rng, sizeof(nasty))] : (char)td_rng_below(&rng, 256);
            whole[td_rng_below(&rng, (uint32_t)n)] = byte;
        }
        put_bytes(f, name, whole, n);
        load_either_way(f);
        put_bytes(f, name, whole, get_sample(name, whole, sizeof(whole)));
    }
}

/* Long runs of what nests, repeats or grows. */
static void overgrown(void **state)
{
    static const char *const seeds[] = {"[", "\"", "\\\n", "a=", ",", "=", "NodeName=a[1-65536]b[1-65536] ", "#", "x[0-9]"};
    struct folder *f = *state;

    for (size_t i = 0; i < TD_ARRAY_LEN(seeds); i++) {
        struct td_buf b = {0};
        td_buf_puts(&b, i % 2 ? "NodeName=" : "PartitionName=p Nodes=");
        for (int k = 0; k < 20000; k++)
            td_buf_puts(&b, seeds[i]);
        put_bytes(f, "slurm.conf", td_buf_str(&b), b.len);
        load_either_way(f);
        td_buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cut_anywhere, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(struck_anywhere, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(overgrown, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
