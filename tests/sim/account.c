/* account.c - accounts, users and their associations that come, move and go while their jobs run; every fourteenth run
 *
 * Its own dice: the other runs stay what they were. What the core asks of itself after every step (td_core_check) holds the
 * tree; replicas and restarts hold the usage. */
#include "world.h"

#include <stdio.h>

bool sim_accounts(const struct sim *s)
{
    return s->seed % 14 == 9;
}

struct td_priority_conf sim_priority(const struct sim *s)
{
    if (!sim_accounts(s))
        return (struct td_priority_conf){0};
    return (struct td_priority_conf){.multifactor = true,
                                     .half_life_s = s->seed & 1 ? 600 : 0,
                                     .period_s = 20,
                                     .max_age_s = 600,
                                     .weight_age = 1000,
                                     .weight_fair = 10000,
                                     .weight_size = 100,
                                     .usage_reset = s->seed % 3 ? 0 : 2};
}

void sim_account_of(struct sim *s, struct td_job_spec *spec)
{
    static const char *const users[] = {"u0", "u1", "u2", "u3"}, *const accounts[] = {"a0", "a1", "a2", "a3"};
    struct td_rng dice = {s->seed * 2654435761u + 977 + s->requests.n};

    if (!sim_accounts(s))
        return;
    spec->user_name = users[td_rng_below(&dice, 4)];
    if (td_rng_below(&dice, 4) == 0)
        spec->account = accounts[td_rng_below(&dice, 4)];
}

void sim_account_act(struct sim *s)
{
    struct td_rng dice = {s->seed * 2654435761u + 979 + s->requests.n};
    char account[8], parent[8], user[8];
    const char *const a[] = {account}, *const p[] = {parent}, *const u[] = {user};
    struct td_acct_op ops[2] = {{0}};
    struct td_change_accounts m = {.ops = {ops, 1 + td_rng_below(&dice, 2)}, .check = td_rng_below(&dice, 10) == 0};

    if (!sim_accounts(s) || td_rng_below(&dice, 2))
        return;
    snprintf(account, sizeof(account), "a%u", td_rng_below(&dice, 6));
    snprintf(parent, sizeof(parent), "a%u", td_rng_below(&dice, 6));
    snprintf(user, sizeof(user), "u%u", td_rng_below(&dice, 4));
    for (uint32_t i = 0; i < m.ops.n; i++) {
        struct td_acct_op *op = &ops[i];
        uint32_t what = td_rng_below(&dice, 12);
        bool is_user = what % 2;
        op->op = what < 6 ? TD_ACCT_ADD : what < 10 ? TD_ACCT_MODIFY : TD_ACCT_REMOVE;
        op->what = is_user ? TD_ACCT_USER : TD_ACCT_ACCOUNT;
        op->names = (struct td_strs){is_user ? u : a, 1};
        if (is_user)
            op->accounts = (struct td_strs){i ? p : a, td_rng_below(&dice, 4) || op->op == TD_ACCT_ADD};
        else if (td_rng_below(&dice, 2))
            op->parent = parent;
        if (op->op == TD_ACCT_MODIFY) {
            op->set_assoc = 1ull << TD_KEY_assoc_conf_shares;
            op->assoc.shares = 1 + td_rng_below(&dice, 5);
            op->reset_usage = td_rng_below(&dice, 5) == 0;
        }
    }
    sim_request_add(s, TD_MSG_CHANGE_ACCOUNTS, &m);
}
