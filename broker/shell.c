/* shell.c - the end of a shell: everything it owns, once its doors are closed */
#include "broker/shell.h"

#include <unistd.h>

void shell_release(struct shell *s)
{
    shell_snapshot_release(s);
    shell_digest_drop(s);
    shell_follow_release(s);
    td_core_destroy(&s->core);
    if (s->store)
        s->ops->close(&s->store);
    shell_blobs_release(&s->blobs);
    shell_users_release(&s->users);
    td_conf_destroy(&s->conf);
    td_arena_release(&s->arena);
    td_arena_release(&s->history_arena);
    td_buf_release(&s->bodies);
    td_buf_release(&s->frame);
    td_buf_release(&s->wakes_kept);
    td_vec_release(&s->clients);
    td_vec_release(&s->dirty);
    td_vec_release(&s->gone);
    td_vec_release(&s->reads);
    td_vec_release(&s->answers);
    td_vec_release(&s->asked);
    td_vec_release(&s->denied);
    shell_rates_release(&s->rates);
    td_vec_release(&s->new_blobs);
    td_vec_release(&s->old_confs);
    td_vec_release(&s->stored);
    td_vec_release(&s->history);
    td_vec_release(&s->inputs);
    td_vec_release(&s->wakes_at);
    td_map_release(&s->client_by_handle);
    td_map_release(&s->tenant_by_uid);
    if (s->signal_fd >= 0)
        close(s->signal_fd);
    if (s->epoll_fd >= 0)
        close(s->epoll_fd);
    shell_log_release(&s->log);
    td_buf_release(&s->rows);
    td_free(s->state_dir);
}
