/* scontrol_reservation.c - scontrol create, update, delete reservation: keys in Slurm's words
 *
 * What is typed is told to the broker with the keys that were set; what it makes of it is the broker's. Keys that Slurm has
 * and Tender has not are refused by name. */
#include <string.h>
#include <strings.h>

#include "say.h"
#include "scontrol.h"

enum key { NAME = 1, START = 3, END = 4, DURATION = 5, NODES = 6, COUNT = 7, USERS = 8, ACCOUNTS = 9, PARTITION = 10,
           FEATURES = 11, FLAGS = 12, COMMENT = 13 };

static const struct row {
    const char *word;
    enum key key; /* of reservation_ask */
    bool list;    /* += and -= too */
    const char *refused;
} rows[] = {
    {"ReservationName", NAME, false, NULL},
    {"Reservation", NAME, false, NULL},
    {"StartTime", START, false, NULL},
    {"EndTime", END, false, NULL},
    {"Duration", DURATION, false, NULL},
    {"Nodes", NODES, true, NULL},
    {"NodeCnt", COUNT, false, NULL},
    {"NodeCount", COUNT, false, NULL},
    {"Users", USERS, true, NULL},
    {"Accounts", ACCOUNTS, true, NULL},
    {"PartitionName", PARTITION, false, NULL},
    {"Features", FEATURES, false, NULL},
    {"Flags", FLAGS, true, NULL},
    {"Comment", COMMENT, false, NULL},
    {"BurstBuffer", 0, true, "there is no burst buffer"},
    {"CoreCnt", 0, false, "whole nodes are reserved: give NodeCnt or Nodes"},
    {"Groups", 0, true, "give Users or Accounts"},
    {"Licenses", 0, true, "licences cannot be reserved"},
    {"MaxStartDelay", 0, false, "a job names its reservation (--reservation)"},
    {"PurgeCompleted", 0, false, "delete it, or let its end come"},
    {"Skip", 0, false, "the next time of one that comes again cannot be left out"},
    {"TRES", 0, false, "whole nodes are reserved: give NodeCnt or Nodes"},
    {"TRESPerNode", 0, false, "whole nodes are reserved: give NodeCnt or Nodes"},
    {"Watts", 0, false, "there is no power management"},
};

static const struct row *find(const char *word, size_t n)
{
    const struct row *found = NULL;

    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++) {
        if (strncasecmp(rows[i].word, word, n) != 0)
            continue;
        if (strlen(rows[i].word) == n)
            return &rows[i];
        if (n >= 3 && (!found || (found->key && found->key == rows[i].key)))
            found = &rows[i]; /* a beginning that tells it from others */
        else if (n >= 3)
            return NULL;
    }
    return found;
}

static int bad(const struct row *row, const char *value, struct td_error *err)
{
    return td_fail(err, TD_E_INVALID_REQUEST, "Invalid value for %s: %s", row->word, value);
}

static int set_flags(const char *value, uint64_t *ret, struct td_error *err)
{
    td_autofree char *copy = td_strdup(value);
    char *save = NULL;

    *ret = 0;
    for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
        uint64_t bit;
        const char *why;
        if (!td_reserve_flag(w, &bit, &why))
            return why ? td_fail(err, TD_E_NOT_SUPPORTED, "Flags=%s is not supported: %s", w, why)
                       : td_fail(err, TD_E_INVALID_REQUEST, "Error parsing flags %s: there is no such flag", w);
        *ret |= bit;
    }
    return 0;
}

static int set_key(struct td_reservation_ask *a, const struct row *row, uint32_t op, const char *value, struct td_error *err)
{
    int64_t now = client_now_ms();
    struct td_error why = {0};
    uint64_t n;

    a->set |= row->key == NAME ? 0 : 1ull << row->key;
    switch (row->key) {
    case NAME:
        a->name = value;
        return 0;
    case START:
        if (td_time_parse(value, now, client_zone_s(now), &a->start_ms, &why) < 0)
            return bad(row, value, err);
        a->zone_s = client_zone_s(a->start_ms);
        return 0;
    case END:
        return td_time_parse(value, now, client_zone_s(now), &a->end_ms, &why) < 0 ? bad(row, value, err) : 0;
    case DURATION:
        return td_duration_parse(value, &a->duration_s, &why) < 0 || a->duration_s == 0 ? bad(row, value, err) : 0;
    case NODES:
        a->nodes = value;
        a->nodes_op = op;
        return 0;
    case COUNT:
        if (!td_parse_u64(value, &n) || n == 0 || n > TD_MAX_NODES)
            return bad(row, value, err);
        a->node_count = (uint32_t)n;
        return 0;
    case USERS:
        a->users = value;
        a->users_op = op;
        return 0;
    case ACCOUNTS:
        a->accounts = value;
        a->accounts_op = op;
        return 0;
    case PARTITION:
        a->partition = value;
        return 0;
    case FEATURES:
        a->features = value;
        return 0;
    case FLAGS:
        a->flags_op = op;
        return set_flags(value, &a->flags, err);
    case COMMENT:
        a->comment = value;
        return 0;
    }
    return 0;
}

static int take(struct td_reservation_ask *a, const char *word, struct td_error *err)
{
    const char *eq = strchr(word, '=');
    size_t n = eq ? (size_t)(eq - word) : strlen(word);
    uint32_t op = eq && n && word[n - 1] == '+' ? TD_LIST_ADD : eq && n && word[n - 1] == '-' ? TD_LIST_REMOVE : TD_LIST_SET;
    const struct row *row = find(word, op == TD_LIST_SET ? n : n - 1);

    if (!eq || !row)
        return td_fail(err, TD_E_INVALID_REQUEST, "Unknown parameter for a reservation: %s", word);
    if (row->refused)
        return td_fail(err, TD_E_NOT_SUPPORTED, "%s is not supported: %s", row->word, row->refused);
    if (op != TD_LIST_SET && !row->list)
        return td_fail(err, TD_E_INVALID_REQUEST, "%s is set as a whole (=): %s", row->word, word);
    return set_key(a, row, op, eq + 1, err);
}

int scontrol_set_reservation(struct scontrol *s, char **words, uint32_t n, bool create)
{
    struct td_set_reservation m = {.create = create};
    struct td_error err = {0};
    struct td_buf out = {0};
    void *body = NULL;
    int r = 0;

    for (uint32_t i = 1; i < n && r == 0; i++)
        r = take(&m.ask, words[i], &err);
    if (r == 0 && m.ask.set >> DURATION & 1 && m.ask.set >> END & 1)
        r = td_fail(&err, TD_E_INVALID_REQUEST, "EndTime and Duration say the same thing: give one");
    if (r == 0 && !m.ask.set)
        r = td_fail(&err, TD_E_INVALID_REQUEST, "No parameters specified");
    if (r < 0) {
        say_plain("%s\nNo reservation %s.", err.text, create ? "created" : "updated");
        return 1;
    }
    r = client_open(&s->client, &err);
    if (r == 0)
        r = client_ask(&s->client, TD_MSG_SET_RESERVATION, &m, TD_MSG_RESERVATION_SET, &body, &err);
    if (r < 0)
        return scontrol_fail(s, create ? "Error creating the reservation: " : "Error updating the reservation: ", &err);
    if (create)
        td_buf_putf(&out, "Reservation created: %s\n", ((const struct td_reservation_set *)body)->name);
    else
        td_buf_puts(&out, "Reservation updated.\n");
    say_out(&out);
    td_buf_release(&out);
    return 0;
}

int scontrol_create(struct scontrol *s, char **words, uint32_t n)
{
    size_t len = strcspn(words[1], "=");

    if (len >= 3 && strncasecmp("reservationname", words[1], len) == 0) /* create reservation ..., create reservationname=x ... */
        return words[1][len] ? scontrol_set_reservation(s, words, n, true) : scontrol_set_reservation(s, words + 1, n - 1, true);
    say_plain("invalid entity:%s for keyword:create (reservation)", words[1]);
    return 1;
}

int scontrol_delete_reservation(struct scontrol *s, const char *name)
{
    struct td_delete_reservation m = {.name = name};
    struct td_error err = {0};
    void *body = NULL;
    int r = client_open(&s->client, &err);

    if (r == 0)
        r = client_ask(&s->client, TD_MSG_DELETE_RESERVATION, &m, TD_MSG_DONE, &body, &err);
    return r < 0 ? scontrol_fail(s, "slurm_delete_reservation error: ", &err) : 0;
}
