/* license.c - lists of licences: matlab:2,ansys */
#include <string.h>

#include "types.h"

int td_license_next(const char **at, struct td_license *ret, struct td_error *err)
{
    const char *s = *at ? *at : "";
    size_t len = strcspn(s, ","), name = strcspn(s, ":,"), digits = len > name ? len - name - 1 : 0;
    char count[24] = "1";

    if (!*s)
        return 0;
    if (memchr(s, '|', len))
        return td_fail(err, TD_E_INVALID_LICENSE, "%s: %s: one or another (|) cannot be asked for, name what is needed",
                       td_error_words(TD_E_INVALID_LICENSE), s);
    if (memchr(s, '@', len))
        return td_fail(err, TD_E_INVALID_LICENSE, "%s: %s: licences of a server (@) are not known here",
                       td_error_words(TD_E_INVALID_LICENSE), s);
    if (name == 0 || name > TD_MAX_NAME_BYTES || (len > name && (digits == 0 || digits >= sizeof(count))))
        return td_fail(err, TD_E_INVALID_LICENSE, "%s: %s (name:count,name)", td_error_words(TD_E_INVALID_LICENSE), s);
    memcpy(ret->name, s, name);
    ret->name[name] = '\0';
    if (digits) {
        memcpy(count, s + name + 1, digits);
        count[digits] = '\0';
    }
    if (!td_parse_u64(count, &ret->count) || ret->count == 0 || ret->count >= UINT32_MAX)
        return td_fail(err, TD_E_INVALID_LICENSE, "%s: %s: '%s' is no number of licences", td_error_words(TD_E_INVALID_LICENSE), s,
                       count);
    *at = s + len + (s[len] == ',');
    return 1;
}
