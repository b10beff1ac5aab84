/* admin.c - the configuration: read whole or not at all, and given to the core
 *
 * A reload changes what a reload may change; what needs a restart is named, so that nobody believes it is in force. */
#include "broker/shell.h"

#include <string.h>
#include <unistd.h>

/* Who starts a cluster is its first administrator. */
static void admins_add_self(struct td_conf *conf)
{
    uint32_t self = (uint32_t)geteuid();
    const struct td_u32s *old = &conf->settings.admins;
    uint32_t *v = td_arena_alloc(&conf->arena, (old->n + 1) * sizeof(*v));
    for (uint32_t i = 0; i < old->n; i++) {
        if (old->v[i] == self)
            return;
        v[i] = old->v[i];
    }
    v[old->n] = self;
    conf->settings.admins = (struct td_u32s){v, old->n + 1};
}

int shell_conf_load(struct shell *s, struct td_conf **ret, struct td_error *err)
{
    struct td_conf *conf = NULL;
    int r = td_conf_load(s->opt.conf, &conf, err);
    if (r < 0)
        return r;
    const struct td_ev_conf_loaded ev = {.settings = conf->settings, .nodes = conf->nodes, .partitions = conf->partitions};
    r = td_record_check(&td_rec_ev_conf_loaded, &ev, err);
    if (r < 0) {
        td_conf_destroy(&conf);
        return r;
    }
    admins_add_self(conf);
    for (uint32_t i = 0; i < conf->notes.n; i++)
        shell_log(&s->log, "warn conf %s", conf->notes.v[i]);
    *ret = conf;
    return 0;
}

void shell_conf_input(struct shell *s, bool always)
{
    struct td_ev_conf_loaded *ev = td_arena_alloc(&s->arena, sizeof(*ev));
    uint8_t hash[32];
    *ev = (struct td_ev_conf_loaded){.settings = s->conf->settings, .nodes = s->conf->nodes, .partitions = s->conf->partitions};
    td_buf_reset(&s->frame);
    td_wire_put_record(&s->frame, &td_rec_ev_conf_loaded, ev);
    td_hash(s->frame.data, s->frame.len, hash);
    if (!always && memcmp(hash, s->conf_hash, sizeof(hash)) == 0)
        return;
    shell_input(s, &(struct td_input){.kind = TD_IN_CONF, .id = TD_EV_CONF_LOADED, .body = ev});
}

static void warn_if_changed(struct shell *s, const char *name, const char *was, const char *is)
{
    if (!td_str_equal(was, is))
        shell_log(&s->log, "warn conf %s changed from %s to %s: takes effect when the broker is started again", name,
                  was ? was : "(none)", is ? is : "(none)");
}

/* What the shell took at its start stays until it starts again. */
static void keep_start_values(struct shell *s, struct td_conf *now)
{
    const struct td_conf *was = s->conf;
    warn_if_changed(s, "StateSaveLocation", was->state_dir, now->state_dir);
    warn_if_changed(s, "Address", was->address, now->address);
    warn_if_changed(s, "Ports", was->ports, now->ports);
    warn_if_changed(s, "SlurmctldLogFile", was->log_file, now->log_file);
    if (was->input_log != now->input_log)
        warn_if_changed(s, "InputLog", was->input_log ? "yes" : "no", now->input_log ? "yes" : "no");
    now->input_log = was->input_log;
}

void shell_reconfigure(struct shell *s, const struct shell_from *from, uint64_t request)
{
    struct td_conf *conf = NULL;
    struct td_error err = {0};
    if (shell_conf_load(s, &conf, &err) < 0) {
        shell_log(&s->log, "error conf not read again: %s", err.text);
        if (from)
            shell_refuse(s, from->peer, request, &err);
        return;
    }
    keep_start_values(s, conf);
    struct td_conf *old = s->conf;
    s->conf = conf;
    shell_conf_input(s, false);
    /* Inputs and answers of this wake may borrow from the old one; the log and the bus borrow its names. */
    td_vec_push(&s->old_confs, old);
    shell_log(&s->log, "info conf read again uid=%u", from ? from->uid : (uint32_t)geteuid());
    if (from) {
        shell_admin_acted(s, from, TD_MSG_RECONFIGURE);
        struct td_done *d = td_arena_alloc(&s->arena, sizeof(*d));
        d->seq = td_core_seq(s->core);
        shell_answer_later(s, from->peer, request, TD_MSG_DONE, d);
    }
}
