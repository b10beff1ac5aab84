/* conf.c - what a front takes of a tender.conf of its own: FrontAddress, at its start
 *
 * Everything else of the configuration comes from the broker, by events. */
#include <unistd.h>

#include "broker/front/front.h"
#include "conf/conf.h"

/* FrontAddress of tender.conf beside the slurm.conf of this front, owned; NULL where there is none. */
static int front_address(const struct shell *s, char **ret, struct td_error *err)
{
    struct td_conf *conf = NULL;
    char path[4200];
    *ret = NULL;
    td_format(path, sizeof(path), "%s", s->opt.conf ? s->opt.conf : "");
    if (!s->opt.conf && s->opt.dir)
        td_format(path, sizeof(path), "%s/slurm.conf", s->opt.dir);
    if (!path[0] || (!s->opt.conf && access(path, F_OK) < 0))
        return 0;
    int r = td_conf_load(path, &conf, err);
    if (r == 0 && conf->front_address)
        *ret = td_strdup(conf->front_address);
    td_conf_destroy(&conf);
    return r;
}

int front_conf_take(struct front *f, struct td_error *err)
{
    int r = front_address(f->s, &f->door_address, err);
    return r == 0 && f->door_address ? front_door_open(f, f->door_address, err) : r;
}

void front_conf_look(struct front *f)
{
    td_autofree char *now = NULL;
    struct td_error err = {0};
    if (front_address(f->s, &now, &err) < 0)
        shell_log(&f->s->log, "error conf not read again: %s", err.text);
    else if (!td_str_equal(now, f->door_address))
        shell_log(&f->s->log, "warn conf FrontAddress changed from %s to %s: takes effect when the front is started again",
                  f->door_address ? f->door_address : "(none)", now ? now : "(none)");
}
