/* explain_json.c - the facts of tender explain and sbatch --quote for programs: what is a number on the wire and a word to
 * people is the word */
#include "render/explain.h"
#include "render/job.h"
#include "wire/wire.h"

/* The record without its closing brace, and a comma where something stands in it. */
static void open_record(struct td_buf *out, const struct td_record *rec, const void *body)
{
    td_wire_json(out, rec, body, TD_SEE_OWNER);
    out->len--;
    if (out->data[out->len - 1] != '{')
        td_buf_putc(out, ',');
}

static void put_word(struct td_buf *out, const char *key, const char *word)
{
    td_buf_putf(out, "\"%s\":", key);
    td_json_string(out, word ? word : "");
}

static void put_partitions(struct td_buf *out, const struct td_explain_partition_list *l)
{
    td_buf_puts(out, ",\"partitions\":[");
    for (uint32_t i = 0; i < l->n; i++) {
        struct td_explain_partition rest = l->v[i];
        rest.blocked = 0;
        td_buf_puts(out, i ? "," : "");
        open_record(out, &td_rec_explain_partition, &rest);
        put_word(out, "blocked", td_reason_word(l->v[i].blocked));
        td_buf_putc(out, '}');
    }
    td_buf_putc(out, ']');
}

static void put_classes(struct td_buf *out, const struct td_explain_class_list *l)
{
    td_buf_puts(out, ",\"nodes\":[");
    for (uint32_t i = 0; i < l->n; i++) {
        struct td_explain_class rest = l->v[i];
        rest.standing = rest.refusal = rest.node_state = 0;
        td_buf_puts(out, i ? "," : "");
        open_record(out, &td_rec_explain_class, &rest);
        put_word(out, "standing", td_standing_name(l->v[i].standing));
        if (l->v[i].refusal) {
            td_buf_putc(out, ',');
            put_word(out, "refusal", td_refusal_name(l->v[i].refusal));
        }
        if (l->v[i].standing == TD_STANDING_DOWN) {
            td_buf_putc(out, ',');
            put_word(out, "node_state", td_node_state_name(l->v[i].node_state));
        }
        td_buf_putc(out, '}');
    }
    td_buf_putc(out, ']');
}

static void put_others(struct td_buf *out, const char *key, const struct td_explain_other_list *l)
{
    td_buf_putf(out, ",\"%s\":[", key);
    for (uint32_t i = 0; i < l->n; i++) {
        struct td_explain_other rest = l->v[i];
        rest.before = 0;
        rest.array_task = rest.array_task == TD_NO_TASK ? 0 : rest.array_task;
        td_buf_puts(out, i ? "," : "");
        open_record(out, &td_rec_explain_other, &rest);
        if (l->v[i].before) {
            put_word(out, "before", td_before_name(l->v[i].before));
            td_buf_putc(out, '}');
        } else {
            out->data[out->len - 1] = '}'; /* the comma: a job has a number at least */
        }
    }
    td_buf_putc(out, ']');
}

static void put_deps(struct td_buf *out, const struct td_explain_dep_list *l)
{
    td_buf_puts(out, ",\"dependencies\":[");
    for (uint32_t i = 0; i < l->n; i++) {
        struct td_explain_dep rest = l->v[i];
        rest.kind = rest.state = rest.job_state = rest.outcome = rest.reason = 0;
        rest.task = rest.task == TD_NO_TASK ? 0 : rest.task;
        td_buf_puts(out, i ? "," : "");
        open_record(out, &td_rec_explain_dep, &rest);
        put_word(out, "kind", td_depend_word(l->v[i].kind));
        td_buf_putc(out, ',');
        put_word(out, "state", td_depend_state_word(l->v[i].state));
        if (l->v[i].known) {
            td_buf_putc(out, ',');
            put_word(out, "job_state", td_job_state_word(l->v[i].job_state, l->v[i].outcome));
            td_buf_putc(out, ',');
            put_word(out, "reason", td_reason_word(l->v[i].reason));
        }
        td_buf_putc(out, '}');
    }
    td_buf_putc(out, ']');
}

static void put_time(struct td_buf *out, const char *key, int64_t ms)
{
    if (ms)
        td_buf_putf(out, ",\"%s\":%lld", key, (long long)ms);
}

static void put_forms(struct td_buf *out, const struct td_quote_form_list *l)
{
    td_buf_puts(out, "\"forms\":[");
    for (uint32_t i = 0; i < l->n; i++) {
        td_buf_puts(out, i ? "," : "");
        struct td_quote_form rest = l->v[i];
        rest.code = 0;
        open_record(out, &td_rec_quote_form, &rest);
        put_word(out, "error", l->v[i].code ? td_error_name((int)l->v[i].code) : "");
        td_buf_putc(out, '}');
    }
    td_buf_putc(out, ']');
}

static void put_waiting(struct td_buf *out, const struct td_explain_info *e)
{
    put_partitions(out, &e->partitions);
    put_classes(out, &e->classes);
    td_buf_putf(out, ",\"nodes_more\":%u,\"ahead\":%u", e->nodes_more, e->ahead);
    put_others(out, "before", &e->before);
    put_others(out, "holders", &e->holders);
    td_buf_putf(out, ",\"nholders\":%u", e->nholders);
    put_deps(out, &e->deps);
    td_buf_putf(out, ",\"deps_any\":%s,\"may_start\":%s,\"too_deep\":%s,\"array_running\":%u", e->deps_any ? "true" : "false",
                e->may_start ? "true" : "false", e->too_deep ? "true" : "false", e->array_running);
    put_time(out, "by_ms", e->by_ms);
    put_time(out, "forecast_ms", e->forecast_ms);
    put_time(out, "planned_ms", e->planned_ms);
    td_buf_putc(out, ',');
    put_word(out, "planned_nodes", e->planned_nodes);
    td_buf_putc(out, ',');
    put_word(out, "policy", e->policy);
    td_buf_putf(out, ",\"depth\":%u,\"free_order\":%s,", e->depth, e->free_order ? "true" : "false");
    put_forms(out, &e->forms);
}

void explain_json(struct td_buf *out, const struct td_explain_info *e)
{
    td_buf_puts(out, "{\"job\":");
    job_json(out, &e->job);
    if (e->foretold_s)
        td_buf_putf(out, ",\"foretold_s\":%u", e->foretold_s);
    if (e->job.state == TD_JOB_PENDING)
        put_waiting(out, e);
    td_buf_putc(out, '}');
}

void quote_json(struct td_buf *out, const struct td_quote_form_list *forms)
{
    td_buf_putc(out, '{');
    put_forms(out, forms);
    td_buf_puts(out, "}\n");
}
