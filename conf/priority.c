/* priority.c - how priorities are computed, and what accounting enforces: keys into settings */
#include <string.h>
#include <strings.h>

#include "conf/cluster.h"
#include "conf/options.h"

static uint32_t num(const struct conf_values *v, enum conf_key key)
{
    return (uint32_t)v->v[key].num;
}

static int bad(const struct conf_value *v, const char *key, const char *word, const char *why, struct td_error *err)
{
    return td_fail(err, TD_E_CONF, "%s line %u: %s: '%s' %s", v->file ? v->file : "default", v->line, key, word, why);
}

/* 1.5 -> 1500000 */
static const char *millionths(const char *s, uint64_t *ret)
{
    uint64_t whole = 0, part = 0, scale = 1000000;
    const char *from = s;

    for (; *s >= '0' && *s <= '9' && whole < 10000000000; s++)
        whole = whole * 10 + (uint64_t)(*s - '0');
    if (*s == '.')
        for (s++; *s >= '0' && *s <= '9'; s++)
            if (scale > 1)
                part = part * 10 + (uint64_t)(*s - '0'), scale /= 10;
    *ret = whole * 1000000 + part * scale;
    return s == from ? NULL : s;
}

/* "CPU=1.0,Mem=0.25G,GRES/gpu=2": of mem the weight is of a MiB, unless a unit says of what. */
int weights_parse(struct reading *rd, const struct conf_value *v, const char *key, struct td_tres_weight_list *ret,
                  struct td_error *err)
{
    struct td_tres_weight *list = td_arena_alloc(rd->arena, (TD_MAX_TRES + 1) * sizeof(*list));
    uint32_t n = 0;

    if (td_str_empty(v->text) || td_str_casecmp(v->text, "(null)") == 0)
        return 0;
    for (char *s = td_arena_strdup(rd->arena, v->text), *comma; s && *s; s = comma) {
        static const char units[] = "MGTP";
        comma = strchr(s, ',');
        if (comma)
            *comma++ = 0;
        char *is = strrchr(s, '=');
        if (!is || is == s)
            return bad(v, key, s, "is not KIND=WEIGHT", err);
        *is = 0;
        bool is_negative = is[1] == '-';
        const char *unit = millionths(is + 1 + is_negative, &list[n].weight);
        for (char *p = s; *p; p++)
            *p = *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p;
        const char *at = unit && *unit ? strchr(units, *unit & ~0x20) : NULL;
        if (!unit || (*unit && (!at || unit[1] || strcmp(s, "mem") != 0)))
            return bad(v, key, is + 1, "is no weight", err);
        if (at)
            list[n].weight >>= 10 * (uint32_t)(at - units);
        if (is_negative && unit) {
            reading_note(rd, "%s line %u: %s: a weight below 0 is taken as 0: %s=%s", v->file ? v->file : "slurm.conf", v->line, key, s, is + 1);
            continue;
        }
        if (n == TD_MAX_TRES)
            return bad(v, key, s, "is one kind too many (TRES)", err);
        list[n++].name = s;
    }
    *ret = (struct td_tres_weight_list){list, n};
    return 0;
}

#define HEEDED (TD_PRIORITY_ACCRUE_ALWAYS | TD_PRIORITY_FAIR_TREE | TD_PRIORITY_SMALL_RELATIVE_TO_TIME)

static int flags(struct reading *rd, const struct conf_value *v, uint32_t *ret, struct td_error *err)
{
    *ret = 0;
    for (char *s = td_arena_strdup(rd->arena, v->text && td_str_casecmp(v->text, "(null)") ? v->text : ""), *comma; s && *s;
         s = comma) {
        uint32_t bit = 0;
        comma = strchr(s, ',');
        if (comma)
            *comma++ = 0;
#define PRIORITY_FLAG(name, b, word) bit |= strcasecmp(s, word) == 0 ? (uint32_t)(b) : 0u;
#include "tbl/states.def"
#undef PRIORITY_FLAG
        if (!bit)
            return bad(v, "PriorityFlags", s, "is not known", err);
        if (!(bit & HEEDED))
            reading_note_idle(rd, v->file ? v->file : "slurm.conf", v->line, s,
                              "this flag of the priority formula is not in this version");
        *ret |= bit;
    }
    return 0;
}

static int reset_period(struct reading *rd, const struct conf_value *v, uint32_t *ret, struct td_error *err)
{
    static const char *const words[] = {"NONE", "NOW", "DAILY", "WEEKLY", "MONTHLY", "QUARTERLY", "YEARLY"};
    const char *word = td_str_empty(v->text) || strcmp(v->text, "0") == 0 ? "NONE" : v->text;

    for (uint32_t i = 0; i < TD_ARRAY_LEN(words); i++)
        if (strcasecmp(words[i], word) == 0) {
            *ret = i;
            if (i == 1)
                reading_note(rd, "PriorityUsageResetPeriod=NOW has no effect: sacctmgr modify account root set rawusage=0 "
                                 "forgets all usage");
            return 0;
        }
    return bad(v, "PriorityUsageResetPeriod", word, "is none of NONE, NOW, DAILY, WEEKLY, MONTHLY, QUARTERLY, YEARLY", err);
}

static uint32_t enforced(const struct conf_value *v)
{
    uint32_t bits = 0;

    if (option_has_word(v, "all"))
        return TD_ENFORCE_ASSOCIATIONS | TD_ENFORCE_LIMITS | TD_ENFORCE_QOS | TD_ENFORCE_SAFE;
#define ENFORCE(name, bit, word) bits |= option_has_word(v, word) ? TD_ENFORCE_##name : 0u;
#include "tbl/states.def"
#undef ENFORCE
    return bits;
}

int priority_settings(struct reading *rd, const struct conf_values *v, struct td_settings *s, struct td_error *err)
{
    struct td_priority_conf *p = &s->priority;
    int r;

    s->enforce = enforced(&v->v[KEY_SLURM_AccountingStorageEnforce]);
    if (!option_has_word(&v->v[KEY_SLURM_PriorityType], "priority/multifactor"))
        return 0;
    *p = (struct td_priority_conf){
        .multifactor = true,
        .half_life_s = num(v, KEY_SLURM_PriorityDecayHalfLife),
        .period_s = num(v, KEY_SLURM_PriorityCalcPeriod),
        .favor_small = num(v, KEY_SLURM_PriorityFavorSmall) != 0,
        .max_age_s = num(v, KEY_SLURM_PriorityMaxAge),
        .weight_age = num(v, KEY_SLURM_PriorityWeightAge),
        .weight_assoc = num(v, KEY_SLURM_PriorityWeightAssoc),
        .weight_fair = num(v, KEY_SLURM_PriorityWeightFairShare),
        .weight_size = num(v, KEY_SLURM_PriorityWeightJobSize),
        .weight_partition = num(v, KEY_SLURM_PriorityWeightPartition),
        .weight_qos = num(v, KEY_SLURM_PriorityWeightQOS),
    };
    if (p->half_life_s == TD_INFINITE)
        p->half_life_s = 0;
    r = flags(rd, &v->v[KEY_SLURM_PriorityFlags], &p->flags, err);
    if (r == 0)
        r = reset_period(rd, &v->v[KEY_SLURM_PriorityUsageResetPeriod], &p->usage_reset, err);
    if (r == 0)
        r = weights_parse(rd, &v->v[KEY_SLURM_PriorityWeightTRES], "PriorityWeightTRES", &p->weight_tres, err);
    if (r == 0 && p->half_life_s == 0 && p->usage_reset == 0)
        reading_note(rd, "PriorityDecayHalfLife is 0 and PriorityUsageResetPeriod NONE: what was used counts for ever");
    return r;
}
