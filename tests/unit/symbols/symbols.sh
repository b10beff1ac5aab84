#!/bin/bash
# symbols.sh - the pure libraries call memory, string and abort functions, each other, and nothing else
#
# Usage: symbols.sh NM LIB.a ...                 every undefined symbol of every library is allowed
#        symbols.sh --must-name SYMBOL NM LIB.a  the check finds SYMBOL: it can fail
#
# No clock, no environment, no stdio, no sockets, no threads: time and chance come in as values, so that the live
# broker, a replica, the simulator and a replay all compute the same.
set -u
export LC_ALL=C

allowed='
  td_[a-z0-9_]*
  malloc calloc realloc aligned_alloc madvise free abort
  memcpy memmove memset memcmp memchr memrchr memmem
  strlen strnlen strcmp strncmp strchr strrchr strstr strspn strcspn strpbrk
  qsort bsearch
  __stack_chk_fail __popcountdi2 __udivti3 __umodti3 __divti3 __modti3 _GLOBAL_OFFSET_TABLE_
'

foreign() { # foreign NM LIB: symbol and object of each call that is neither allowed nor answered in the library itself
    local nm=$1 lib=$2 pattern
    pattern=$(printf '%s' "$allowed" | tr -s ' \n' '|' | sed 's/^|//; s/|$//')
    { "$nm" --defined-only "$lib" | awk 'NF == 3 { print "own", $3 }'
      "$nm" -A -u "$lib" | awk '{ object = $1; sub(/^[^:]*:/, "", object); sub(/:$/, "", object); print "call", $NF, object }'
    } | awk '$1 == "own" { own[$2] = 1; next } !($2 in own) { print $2, $3 }' |
        grep -Ev "^($pattern) " | sort -u
}

must_name=''
if [ "${1:-}" = --must-name ]; then
    must_name=$2
    shift 2
fi
nm=$1
shift
failed=0
for lib in "$@"; do
    [ -s "$lib" ] || { echo "symbols: there is no $lib"; exit 1; }
    "$nm" "$lib" >/dev/null 2>&1 || { echo "symbols: $nm cannot read $lib"; exit 1; }
    found=$(foreign "$nm" "$lib")
    if [ -n "$must_name" ]; then
        printf '%s\n' "$found" | grep -q "^$must_name " || { echo "symbols: $lib calls $must_name and was not found out"; failed=1; }
        continue
    fi
    if [ -n "$found" ]; then
        echo "symbols: $(basename "$lib") is to be pure, but calls:"
        printf '%s\n' "$found" | sed 's/^\([^ ]*\) \(.*\)$/  \1 (in \2)/'
        failed=1
    else
        echo "symbols: $(basename "$lib") is pure"
    fi
done
exit "$failed"
