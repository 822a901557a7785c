# What one run came to, as a line of `runs.tsv`, from its JSON document.
#
# -v id= side= round= unit= verdict= ; a run with a wrong answer, an error or an invalid schedule says so instead of ok.

{ text = text $0 }

# The first number under a key; empty when there is none.
function number(key,    rest) {
    if (!match(text, "\"" key "\" *: *-?[0-9]")) return ""
    rest = substr(text, RSTART + RLENGTH - 2)
    sub(/^[^-0-9]*/, "", rest)
    match(rest, /^-?[0-9.]+([eE][-+]?[0-9]+)?/)
    return substr(rest, 1, RLENGTH) + 0
}

function each_million(seconds) { return seconds == "" || !count ? "" : sprintf("%.4f", seconds * 1e6 / count) }

END {
    count = number("checks")
    if (!count) count = number("requests")
    seconds = number("durationSeconds")
    server = number("server")
    if (unit == "checks/s") figure = number("checksPerSecond")
    else if (unit == "grants/s") figure = number("writesPerSecond")
    else if (unit == "us p99.9") figure = number("p999")
    else figure = number("figure")
    if (figure == "") { figure = 0; if (verdict == "ok") verdict = "no figure" }
    if (number("wrongAnswers") > 0) verdict = "wrong answers"
    else if (number("errors") > 0) verdict = "errors"
    else if (text ~ /"valid" *: *false/) verdict = "invalid"
    bytes = number("sent") == "" || !count ? "" : sprintf("%.1f", (number("sent") + number("received")) / count)
    busy = server == "" || !seconds ? "" : (server + number("waiting")) / seconds
    if (busy != "") busy = sprintf("%.3f", busy < 1 ? busy : 1) # ticks of the clock may say a little more
    printf "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", id, side, round, figure, each_million(number("client")),
        each_million(server), bytes, busy, verdict
}
