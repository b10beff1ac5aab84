#!/bin/bash
# Every program has a man page made from its option rows, and a completion; tender's words too.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
options() { grep -oE -- '--[a-z][a-z-]+' | sort -u; }
tender completion > completion.sh
ok "the completion is bash" bash -n completion.sh
completed() { bash -c '. ./completion.sh; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tender_complete "$1"; printf "%s\n" "${COMPREPLY[@]}"' - "$@" 2>/dev/null | sed 's/=$//'; }
count_pages=0
for program in "$TENDER_BIN"/tender-broker "$TENDER_BIN"/tender-worker "$TENDER_BIN"/tender-shepherd \
    "$TENDER_BIN"/sbatch "$TENDER_BIN"/squeue "$TENDER_BIN"/sinfo "$TENDER_BIN"/scancel "$TENDER_BIN"/scontrol; do
    name=${program##*/}
    tender manual "$name" > page
    is "$?" 0 "tender manual $name"
    like "$(head -n 1 page)" '^\.TH [A-Z-]+ [18] ' "is a page"
    tr -d '\\' < page | options > of_page
    "$name" --help | grep -v '^Refused' | options > of_help
    is "$(comm -23 of_help of_page)" "" "with every option of its --help"
    case $name in tender-*)
        is "$(completed "$name" -- | sort -u)" "$(cat of_help)" "and the completion has them"
    esac
    count_pages=$((count_pages + 1))
done
for word in $(tender help | sed -n 's/^  \([a-z-]*\) .*/\1/p'); do
    like "$(tender manual "$word")" "^\.TH TENDER-$(printf %s "$word" | tr a-z A-Z) 1 " "tender manual $word"
    like "$(tender manual tender | tr -d '\\')" "^\.B tender $word" "stands in tender(1)"
    like "$(completed tender "${word:0:2}")" "^$word$" "and is completed"
done
like "$(completed tender manual tender-b)" '^tender-broker$' "the pages are completed"
tender manual tender.conf | tr -d '\\' >page
like "$(head -n 1 page)" '^\.TH TENDER\.CONF 5 ' "tender.conf has a page"
known=$(sed -n 's/^OPT(TENDER, \([A-Za-z]*\),.*/\1/p' "$TENDER_SOURCE/conf/options.def" | sort)
is "$(sed -n 's/^\.B \([A-Za-z]*\)=.*/\1/p' page | sort)" "$known" "with every key that it may have"
tender manual nosuch 2>err
is "$?" 1 "a page that is not there is refused"
like "$(cat err)" "no command 'nosuch'" "by name"
tender manual 2>err
like "$(cat err)" 'of which command\? One of: sbatch .*tender-shepherd$' "without a name, all there are"
tender version extra 2>err
is "$?" 1 "a word too many is refused"
if command -v man >/dev/null && man --version 2>/dev/null | grep -q '^man '; then
    for page in tender tender-broker tender.conf sbatch; do
        tender manual "$page" > page.1
        is "$(LC_ALL=C.UTF-8 man --warnings -l page.1 2>&1 >/dev/null | head -n 3)" "" "man(1) reads $page"
    done
fi
done_testing
