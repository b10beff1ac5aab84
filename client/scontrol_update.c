/* scontrol_update.c - scontrol hold, release, requeue, update, write, ping, reconfigure, shutdown */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "say.h"
#include "scontrol.h"

/* Says what could not be done, job by job. */
static int tell(const struct scontrol *s, const struct td_done *done)
{
    for (uint32_t i = 0; i < done->errors.n && !s->quiet; i++) {
        const struct td_job_error *e = &done->errors.v[i];
        struct td_error err = {.code = (int)e->code};
        struct td_buf tmp = {0};
        td_format(err.text, sizeof(err.text), "%s", e->text ? e->text : "");
        if (td_str_empty(e->name))
            say_plain("%s for job %u", say_words(&err, &tmp), e->job);
        else
            say_plain("%s for job %s", say_words(&err, &tmp), e->name);
        td_buf_release(&tmp);
    }
    return done->errors.n ? 1 : 0;
}

static int ask(struct scontrol *s, uint32_t id, const void *m, const char *before)
{
    struct td_error err = {0};
    void *body = NULL;
    int r = client_open(&s->client, &err);

    if (r == 0)
        r = client_ask(&s->client, id, m, TD_MSG_DONE, &body, &err);
    return r < 0 ? scontrol_fail(s, before, &err) : tell(s, body);
}

/* "12,13_[1-2]" to selections appended to v. */
static int parse_ids(struct scontrol *s, const char *text, struct td_job_sel *v, uint32_t *n, uint32_t cap,
                     struct td_error *err)
{
    uint32_t depth = 0;
    td_autofree char *copy = td_strdup(text);
    char *save = NULL;

    for (char *c = copy; *c; c++) {
        depth += *c == '[';
        depth -= *c == ']' && depth;
        if (*c == ',' && !depth)
            *c = '\n';
    }
    for (char *w = strtok_r(copy, "\n", &save); w; w = strtok_r(NULL, "\n", &save)) {
        if (*n == cap)
            return td_fail(err, TD_E_TOO_BIG, "more than %u jobs named", cap);
        int r = client_sel_parse(s->arena, w, &v[*n], err);
        if (r < 0)
            return r;
        ++*n;
    }
    return 0;
}

static uint32_t count_ids(char **words, uint32_t n)
{
    uint32_t cap = n;

    for (uint32_t i = 0; i < n; i++)
        for (const char *c = words[i]; *c; c++)
            cap += *c == ',';
    return TD_MIN(cap, (uint32_t)TD_MAX_IDS_PER_REQUEST);
}

static const char *behind(const char *word, const char *key)
{
    size_t n = strlen(key);

    return strncasecmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

int scontrol_op(struct scontrol *s, char **words, uint32_t n)
{
    uint32_t cap = count_ids(words, n), nids = 0;
    struct td_job_sel *ids = td_arena_alloc(s->arena, (cap + 1) * sizeof(*ids));
    struct td_job_op m = {.op = s->op};
    struct td_error err = {0};

    for (uint32_t i = 1; i < n; i++) {
        const char *name = behind(words[i], "jobname");
        if (!name)
            name = behind(words[i], "name");
        if (name) {
            m.names = str_list(s->arena, name);
        } else if (parse_ids(s, words[i], ids, &nids, cap, &err) < 0) {
            say_plain("%s", err.text);
            return 1;
        }
    }
    m.ids = (struct td_job_sel_list){.v = ids, .n = nids};
    return ask(s, TD_MSG_JOB_OP, &m, "");
}

/* --- update jobid= ------------------------------------------------------------------------------------------------- */

enum change_kind { CHANGE_TEXT, CHANGE_LIMIT, CHANGE_I64, CHANGE_U64, CHANGE_MOMENT, CHANGE_YES_NO, CHANGE_U32 };
static const struct change_row {
    const char *name;
    uint32_t key; /* of job_change */
    enum change_kind kind;
    size_t offset;
} changes[] = {
#define C(name, key, kind, field) {name, key, kind, offsetof(struct td_job_change, field)}
    C("TimeLimit", 2, CHANGE_LIMIT, limit_s),
    C("JobName", 3, CHANGE_TEXT, name),
    C("Name", 3, CHANGE_TEXT, name),
    C("Partition", 4, CHANGE_TEXT, partition),
    C("Nice", 5, CHANGE_I64, nice),
    C("Priority", 6, CHANGE_U64, priority),
    C("StartTime", 7, CHANGE_MOMENT, begin_ms),
    C("EligibleTime", 7, CHANGE_MOMENT, begin_ms),
    C("Comment", 8, CHANGE_TEXT, comment),
    C("Requeue", 9, CHANGE_YES_NO, requeue),
    C("ArrayTaskThrottle", 10, CHANGE_U32, array_limit),
    C("Account", 11, CHANGE_TEXT, account),
    C("QOS", 12, CHANGE_TEXT, qos),
    C("Dependency", 13, CHANGE_TEXT, dependency),
#undef C
};

static int bad_value(const char *name, const char *value, struct td_error *err)
{
    return td_fail(err, TD_E_INVALID_REQUEST, "Invalid value for %s: %s", name, value);
}

/* TimeLimit=+30 and -30 change the limit in force; that needs to be known. */
static int relative_limit(struct scontrol *s, const char *value, const struct td_job_sel *first, uint32_t *ret,
                          struct td_error *err)
{
    static const char *const all[] = {"all"};
    struct td_query_jobs q = {.filter = {.ids = {.v = first, .n = 1}, .states = {.v = all, .n = 1}}, .all = true};
    struct client_jobs jobs = {0};
    uint32_t by, now = 0;
    int r = td_duration_parse(value + 1, &by, err);

    if (r == 0 && !s->client.open)
        r = client_open(&s->client, err);
    if (r == 0)
        r = client_jobs(&s->client, &q, &jobs, err);
    if (r == 0 && !jobs.rows.n)
        r = td_fail(err, TD_E_INVALID_JOB, "%s", td_error_words(TD_E_INVALID_JOB));
    if (r == 0)
        now = jobs.rows.v[0]->limit_s;
    td_vec_release(&jobs.rows);
    if (r < 0)
        return r;
    if (now == TD_INFINITE || by == TD_INFINITE || (*value == '-' && by >= now) ||
        (*value == '+' && by >= TD_INFINITE - now))
        return bad_value("TimeLimit", value, err);
    *ret = *value == '+' ? now + by : now - by;
    return 0;
}

static int set_change(struct scontrol *s, struct td_job_change *c, const struct change_row *row, const char *value,
                      const struct td_job_sel *first, struct td_error *err)
{
    void *to = (char *)c + row->offset;
    uint64_t n = 0;
    struct td_error why = {0};
    int64_t now = client_now_ms();
    bool ok = true;

    c->set |= 1ull << row->key;
    switch (row->kind) {
    case CHANGE_TEXT:
        *(const char **)to = value;
        break;
    case CHANGE_LIMIT:
        if ((*value == '+' || (*value == '-' && strcmp(value, "-1") != 0)) && value[1])
            return relative_limit(s, value, first, to, err);
        ok = td_duration_parse(value, to, &why) == 0;
        break;
    case CHANGE_I64:
        ok = td_parse_i64(value, to);
        break;
    case CHANGE_U64:
        ok = td_parse_u64(value, to);
        break;
    case CHANGE_U32:
        ok = td_parse_u64(value, &n) && n < UINT32_MAX;
        *(uint32_t *)to = (uint32_t)n;
        break;
    case CHANGE_MOMENT:
        ok = td_time_parse(value, now, client_zone_s(now), to, &why) == 0;
        break;
    case CHANGE_YES_NO:
        ok = strcmp(value, "0") == 0 || strcmp(value, "1") == 0 || td_str_casecmp(value, "yes") == 0 ||
             td_str_casecmp(value, "no") == 0;
        *(bool *)to = strcmp(value, "1") == 0 || td_str_casecmp(value, "yes") == 0;
        break;
    }
    return ok ? 0 : bad_value(row->name, value, err);
}

static const struct change_row *find_change(const char *name)
{
    const struct change_row *found = NULL;

    for (size_t i = 0; i < TD_ARRAY_LEN(changes); i++) {
        if (td_str_casecmp(changes[i].name, name) == 0)
            return &changes[i];
        if (strlen(name) >= 3 && strncasecmp(changes[i].name, name, strlen(name)) == 0 &&
            (!found || found->key == changes[i].key))
            found = &changes[i];
    }
    return found;
}

static int update_job(struct scontrol *s, char **words, uint32_t n)
{
    uint32_t cap = count_ids(words, n), nids = 0;
    struct td_job_sel *ids = td_arena_alloc(s->arena, (cap + 1) * sizeof(*ids));
    struct td_update_job m = {0};
    struct td_error err = {0};
    int r = 0;

    for (uint32_t i = 1; i < n && r == 0; i++) { /* the jobs first: a relative limit needs them */
        const char *text = behind(words[i], "jobid");
        if (!text)
            text = behind(words[i], "job");
        if (text)
            r = parse_ids(s, text, ids, &nids, cap, &err);
    }
    for (uint32_t i = 1; i < n && r == 0; i++) {
        const char *eq = strchr(words[i], '=');
        td_autofree char *key = td_strndup(words[i], eq ? (size_t)(eq - words[i]) : strlen(words[i]));
        const struct change_row *row = find_change(key);
        if (behind(words[i], "jobid") || behind(words[i], "job"))
            continue;
        if (!eq || !row)
            r = td_fail(&err, TD_E_INVALID_REQUEST, "Update of this parameter is not supported: %s", words[i]);
        else
            r = set_change(s, &m.change, row, eq + 1, ids, &err);
    }
    if (r == 0 && !m.change.set)
        r = td_fail(&err, TD_E_INVALID_REQUEST, "No changes specified");
    if (r < 0) {
        say_plain("%s\nRequest aborted", err.text);
        return 1;
    }
    m.ids = (struct td_job_sel_list){.v = ids, .n = nids};
    if (s->client.open)
        client_close(&s->client);
    return ask(s, TD_MSG_UPDATE_JOB, &m, "");
}

/* --- update nodename= ---------------------------------------------------------------------------------------------- */

static int update_node(struct scontrol *s, char **words, uint32_t n)
{
    static const char *const states[] = {"RESUME", "DRAIN", "DOWN", "IDLE", "UNDRAIN"};
    struct td_update_node m = {0};
    bool known = false, reason_needed;

    for (uint32_t i = 1; i < n; i++) {
        const char *v;
        if ((v = behind(words[i], "nodename")))
            m.nodes = v;
        else if ((v = behind(words[i], "state")))
            m.state = v;
        else if ((v = behind(words[i], "reason")))
            m.reason = v;
        else {
            say_plain("Update of this parameter is not supported: %s\nRequest aborted", words[i]);
            return 1;
        }
    }
    for (size_t i = 0; m.state && i < TD_ARRAY_LEN(states); i++) {
        if (td_str_casecmp(states[i], m.state) != 0)
            continue;
        known = true;
        m.state = states[i];
    }
    if (m.state && !known) {
        say_plain("Invalid input: state=%s\nRequest aborted\nValid states are: RESUME DRAIN DOWN IDLE UNDRAIN", m.state);
        return 1;
    }
    if (!m.state && !m.reason) {
        say_plain("No changes specified\nRequest aborted");
        return 1;
    }
    reason_needed = m.state && (strcmp(m.state, "DOWN") == 0 || strcmp(m.state, "DRAIN") == 0);
    if (reason_needed && td_str_empty(m.reason)) {
        say_plain("You must specify a reason when DOWNING or DRAINING a node. Request denied");
        return 1;
    }
    return ask(s, TD_MSG_UPDATE_NODE, &m, "slurm_update error: ");
}

int scontrol_update(struct scontrol *s, char **words, uint32_t n)
{
    bool job = false, node = false, reservation = false;

    for (uint32_t i = 1; i < n; i++) {
        job |= behind(words[i], "jobid") || behind(words[i], "job");
        node |= behind(words[i], "nodename") != NULL;
        reservation |= behind(words[i], "reservationname") || behind(words[i], "reservation");
    }
    if (reservation && !job && !node)
        return scontrol_set_reservation(s, words, n, false);
    for (uint32_t i = 1; i < n; i++) {
        if (behind(words[i], "partitionname")) {
            say_plain("Updating partitions is not supported yet: change slurm.conf, then scontrol reconfigure");
            return 1;
        }
    }
    if (job && !node)
        return update_job(s, words, n);
    if (node && !job)
        return update_node(s, words, n);
    say_plain("No valid entity in update command\nInput line must include \"NodeName\", \"JobId\" or \"ReservationName\"");
    return 1;
}

/* --- the rest ------------------------------------------------------------------------------------------------------ */

static int save(const char *path, struct td_bin text)
{
    struct td_buf out = {0};

    if (strcmp(path, "-") == 0) {
        td_buf_put(&out, text.v, text.n);
        say_out(&out);
        td_buf_release(&out);
        return 0;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        say_plain("cannot write %s: %s", path, strerror(errno));
        return 1;
    }
    size_t done = 0;
    while (done < text.n) {
        ssize_t k = write(fd, text.v + done, text.n - done);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            break;
        done += (size_t)k;
    }
    if (close(fd) < 0 || done < text.n) {
        say_plain("cannot write %s: %s", path, strerror(errno));
        return 1;
    }
    td_buf_putf(&out, "batch script written to %s\n", path);
    say_out(&out);
    td_buf_release(&out);
    return 0;
}

int scontrol_write(struct scontrol *s, char **words, uint32_t n)
{
    struct td_error err = {0};
    struct td_query_script q = {0};
    void *body = NULL;
    uint64_t id;
    char path[64];

    if (strncasecmp("batch_script", words[1], strlen(words[1])) != 0 || n < 3) {
        say_plain("%s", n < 3 ? "too few arguments for keyword:write" : "invalid entity for keyword:write (batch_script)");
        return 1;
    }
    if (!td_parse_u64(words[2], &id) || !id || id >= UINT32_MAX) {
        say_plain("job script retrieval failed: %s", td_error_words(TD_E_INVALID_JOB));
        return 1;
    }
    q.job = (uint32_t)id;
    int r = client_open(&s->client, &err);
    if (r == 0)
        r = client_ask(&s->client, TD_MSG_QUERY_SCRIPT, &q, TD_MSG_SCRIPT, &body, &err);
    if (r < 0)
        return scontrol_fail(s, "job script retrieval failed: ", &err);
    td_format(path, sizeof(path), "slurm-%u.sh", q.job);
    return save(n > 3 ? words[3] : path, ((struct td_script *)body)->script);
}

int scontrol_ping(struct scontrol *s, char **words TD_UNUSED, uint32_t n TD_UNUSED)
{
    struct td_error err = {0};
    struct td_ping q = {.version = TD_PROTOCOL_VERSION};
    struct td_buf out = {0};
    void *body = NULL;
    int r = client_open(&s->client, &err);

    if (r == 0)
        r = client_ask(&s->client, TD_MSG_PING, &q, TD_MSG_PONG, &body, &err);
    if (r == 0) {
        const struct td_pong *p = body;
        td_buf_putf(&out, "Slurmctld(primary) at %s is UP\n", p->host ? p->host : "localhost");
    } else {
        td_buf_putf(&out, "Slurmctld(primary) at %s is DOWN\n", s->client.place.socket[0] ? s->client.place.socket : "?");
        say_plain("%s", err.text);
    }
    say_out(&out);
    td_buf_release(&out);
    return r < 0 ? 1 : 0;
}

int scontrol_reconfigure(struct scontrol *s, char **words TD_UNUSED, uint32_t n TD_UNUSED)
{
    struct td_reconfigure m = {0};

    return ask(s, TD_MSG_RECONFIGURE, &m, "slurm_reconfigure error: ");
}

int scontrol_shutdown(struct scontrol *s, char **words TD_UNUSED, uint32_t n TD_UNUSED)
{
    struct td_shutdown m = {.snapshot = true};

    return ask(s, TD_MSG_SHUTDOWN, &m, "slurm_shutdown error: ");
}

/* --- delete nodename=, reservationname= ---------------------------------------------------------------------------------------------- */

int scontrol_delete(struct scontrol *s, char **words, uint32_t n)
{
    struct td_delete_node m = {0};

    if (n == 3 && td_str_casecmp(words[1], "reservation") == 0)
        return scontrol_delete_reservation(s, words[2]);
    for (uint32_t i = 1; i < n; i++) {
        const char *v = behind(words[i], "nodename");
        const char *name = behind(words[i], "reservationname");
        if (!name)
            name = behind(words[i], "reservation");
        if (name && n == 2)
            return scontrol_delete_reservation(s, name);
        if (behind(words[i], "partitionname")) {
            say_plain("Deleting partitions is not supported yet: change slurm.conf, then scontrol reconfigure");
            return 1;
        }
        if (!v || m.nodes) {
            say_plain("Invalid option: %s\nInput line must include \"NodeName\" or \"ReservationName\"", words[i]);
            return 1;
        }
        m.nodes = v;
    }
    return ask(s, TD_MSG_DELETE_NODE, &m, "delete_node error: ");
}
