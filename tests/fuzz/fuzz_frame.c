/* fuzz_frame.c - any bytes at all into the decoder
 *
 * What must hold: no memory error; memory within the bound that get.c states; a refusal has a code and words; and what
 * was taken, written again and read again, is the same. */
#include "must.h"
#include "wire/wire.h"

static void check_refusal(int r, const struct td_error *err)
{
    MUST(err->code == -r && err->text[0]);
    MUST(r == -TD_E_BAD_FRAME || r == -TD_E_TOO_BIG || r == -TD_E_UNKNOWN_MESSAGE);
}

static void check_again(struct td_arena *a, const struct td_record *rec, const void *body)
{
    struct td_buf out = {0}, json = {0};
    void *back = td_arena_alloc(a, rec->size);
    struct td_error err;

    td_wire_put_record(&out, rec, body);
    MUST(td_wire_get_record(a, rec, out.data, out.len, back, &err) == 0);
    MUST(td_record_equal(rec, body, back));
    td_wire_json(&json, rec, body, TD_SEE_NOBODY);
    MUST(json.data[0] == '{' && json.data[json.len - 1] == '}');
    td_buf_release(&out);
    td_buf_release(&json);
}

static void try_frame(const uint8_t *data, size_t len)
{
    struct td_arena a = {0};
    struct td_error err = {0};
    struct td_frame f;
    int r = td_wire_get_frame(&a, data, len, &f, &err);

    MUST(a.used_total <= 2 * 1024 * 1024 + 34 * len + 4096);
    if (r < 0)
        check_refusal(r, &err);
    else
        check_again(&a, f.row->record, f.body);
    td_arena_release(&a);
}

/* The first byte chooses the record, so that events and snapshot records are reached too. */
static void try_record(const uint8_t *data, size_t len)
{
    struct td_arena a = {0};
    struct td_error err = {0};
    uint32_t n;
    const struct td_record *const *recs = td_records(&n);
    const struct td_record *rec = recs[data[0] % n];
    void *body = td_arena_alloc(&a, rec->size);
    int r = td_wire_get_record(&a, rec, data + 1, len - 1, body, &err);

    MUST(a.used_total <= 2 * 1024 * 1024 + 34 * len + 4096);
    if (r < 0)
        check_refusal(r, &err);
    else
        check_again(&a, rec, body);
    td_arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    try_frame(data, len);
    if (len > 0)
        try_record(data, len);
    return 0;
}
