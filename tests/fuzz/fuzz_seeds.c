/* fuzz_seeds.c - one frame of every message and one body of every record, written into a directory */
#include <stdio.h>
#include <sys/stat.h>

#include "fill.h"
#include "wire/wire.h"

static int write_seed(const char *dir, const char *kind, uint32_t no, const struct td_buf *b)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s-%u", dir, kind, no);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(b->data, 1, b->len, f) != b->len || fclose(f) != 0) {
        perror(path);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct td_arena a = {0};
    struct td_buf b = {0};
    uint32_t n;
    int failed = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
        return 1;
    }
    mkdir(argv[1], 0755);
    const struct td_msg_row *msgs = td_msg_rows(&n);
    for (uint32_t i = 0; i < n && !failed; i++) {
        void *body = td_arena_alloc(&a, msgs[i].record->size);

        fill_record(&a, msgs[i].record, body, i);
        td_buf_reset(&b);
        td_wire_put_frame(&b, msgs[i].id, i, body);
        failed = write_seed(argv[1], "frame", i, &b);
    }
    const struct td_record *const *recs = td_records(&n);
    for (uint32_t i = 0; i < n && !failed; i++) {
        void *body = td_arena_alloc(&a, recs[i]->size);

        fill_record(&a, recs[i], body, i);
        td_buf_reset(&b);
        td_buf_putc(&b, (char)i);
        td_wire_put_record(&b, recs[i], body);
        failed = write_seed(argv[1], "record", i, &b);
    }
    td_buf_release(&b);
    td_arena_release(&a);
    return failed;
}
