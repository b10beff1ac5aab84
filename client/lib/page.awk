# page.awk - libtender(3) from tender.h and the example: the header is the manual
function roff(s) { gsub(/\\/, "\\e", s); gsub(/-/, "\\-", s); if (s ~ /^[.']/) s = "\\&" s; return s }
BEGIN {
    print ".TH LIBTENDER 3 \"\" \"Tender " version "\""
    print ".SH NAME\nlibtender \\- submit, query, cancel and watch jobs from a program"
    print ".SH SYNOPSIS\n.B #include <tender.h>\n.PP\n.B cc program.c \\-ltender\n.SH DESCRIPTION"
}
FNR == 1 { file++; part = file == 1 ? "head" : "example"; if (file == 2) print ".fi\n.SH EXAMPLE\n.nf" }
part == "head" {
    line = $0
    last = sub(/ *\*\/$/, "", line)
    if (FNR == 1) sub(/^\/\* tender\.h - libtender: /, "libtender: ", line); else sub(/^ \* ?/, "", line)
    print line == "" ? ".PP" : roff(line)
    if (last) { part = "interface"; print ".SH INTERFACE\n.nf" }
    next
}
part == "interface" {
    if (/^#(ifndef TENDER_H|define TENDER_H$|include|ifdef|endif|define TENDER_API)/ || /^extern "C"/ || /^}$/) next
    line = $0
    gsub(/TENDER_API /, "", line)
    if (line == "" && blank) next
    blank = line == ""
    print roff(line)
    next
}
{ print roff($0) }
END { print ".fi\n.SH \"SEE ALSO\"\n.BR sbatch (1),\n.BR squeue (1),\n.BR tender (1)" }
