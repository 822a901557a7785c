# The table and the JSON document of a benchmark, from its rows, the peers' settings, the sweep and the runs.
#
# -v json= the document's file; -v markdown= a file for the table as README.md shows it; the rest of the variables are
# facts of the machine and the run. Exit status 1 when a row is below its floor, or when one of its runs failed.
# Invariant: a figure is a median over the rounds, and a ratio is one of two neighbouring runs.

FILENAME ~ /rows\.tsv$/ { order[++row_count] = $1; for (n = 2; n <= 7; n++) row[$1, n] = $n; next }
FILENAME ~ /settings\.tsv$/ { setting_names[++setting_count] = $1; settings[$1] = $2; next }
FILENAME ~ /sweep\.tsv$/ { sweep[++sweep_count] = $0; next }
{
    ran[$1] = 1
    if ($3 > round_count[$1]) round_count[$1] = $3
    for (n = 4; n <= 8; n++) run[$1, $2, $3, n] = $n
    if ($9 != "ok") wrong[$1] = $2 ": " $9
}

# Leaves low, middle and high of a list of numbers; empty ones do not count.
function summary(values, count,    sorted, kept, n, m, value) {
    kept = 0
    for (n = 1; n <= count; n++) {
        if (values[n] == "") continue
        value = values[n] + 0
        for (m = kept++; m > 0 && sorted[m] > value; m--) sorted[m + 1] = sorted[m]
        sorted[m + 1] = value
    }
    low = kept ? sorted[1] : ""
    high = kept ? sorted[kept] : ""
    middle = !kept ? "" : kept % 2 ? sorted[(kept + 1) / 2] : (sorted[kept / 2] + sorted[kept / 2 + 1]) / 2
}

function median(id, side, column,    values, n) {
    for (n = 1; n <= round_count[id]; n++) values[n] = run[id, side, n, column]
    summary(values, round_count[id])
    return middle
}

function ratios(id, kind, column,    values, n, ours, peer) {
    for (n = 1; n <= round_count[id]; n++) {
        ours = run[id, "ours", n, column]
        peer = run[id, "peer", n, column]
        values[n] = ours + 0 == 0 || peer + 0 == 0 ? "" : kind == "faster" ? peer / ours : ours / peer
    }
    summary(values, round_count[id])
}

# What became of a row: its figure against goal and floor.
function verdict(id, kind, floor, goal, figure, busy,    up) {
    if (id in wrong) return (wrong[id] ~ /invalid$/ ? "not counted: " : "FAILED: ") wrong[id]
    if (kind == "info") return "-"
    if (figure == "") return "FAILED: no figure"
    if ((row[id, 3] ~ /^(Redis (MGET|GET)|gRPC|PostgreSQL)/) && busy != "" && busy < 0.95)
        return sprintf("not counted: peer %.0f %% busy", busy * 100)
    up = kind == "penalty" || kind == "most" ? -1 : 1
    if (goal != "" && up * figure >= up * goal) return "goal"
    return up * figure >= up * floor ? "floor" : "BELOW FLOOR"
}

function shown(n) {
    if (n == "") return "-"
    if (n >= 1e6) return sprintf("%.2f M", n / 1e6)
    if (n >= 1e4) return sprintf("%.1f k", n / 1e3)
    return n >= 100 ? sprintf("%.0f", n) : sprintf("%.2f", n)
}
function pair(id, column) { return shown(median(id, "ours", column)) " : " shown(median(id, "peer", column)) }
function number(n) { return n == "" ? "null" : n + 0 }
function text(s) { gsub(/\\/, "\\\\", s); gsub(/"/, "\\\"", s); return "\"" s "\"" }
function joined(list, item) { return list (list == "" ? "" : ",") item }

# One row: a line of the table, a line of its costs, its part of the document.
function report(id,    kind, ours, peer, busy, ratio, ratio_json, figure, said, name, part, cost, cost_json) {
    kind = row[id, 5]
    name = row[id, 3]
    ours = median(id, "ours", 4)
    peer = median(id, "peer", 4)
    busy = median(id, "peer", 8)
    ratios(id, kind, 4)
    figure = kind == "most" || kind == "least" ? ours : middle
    ratio = "-"
    ratio_json = "null"
    if (low != "" && kind !~ /^(most|least)$/ && row[id, 4] != "bytes") {
        ratio = sprintf("%.2f - %.2f - %.2f", low, middle, high)
        ratio_json = sprintf("{\"min\": %.4f, \"median\": %.4f, \"max\": %.4f}", low, middle, high)
    }
    said = verdict(id, kind, row[id, 6], row[id, 7], figure, busy)
    if (said ~ /^(FAILED|BELOW)/) failures++
    printf "%-4s %-38s %-33s %9s %9s  %-21s %6s %6s  %s\n", id, row[id, 2], name == "" ? "-" : name, shown(ours),
        shown(peer), ratio, row[id, 6], row[id, 7], said
    if (markdown != "") print "| " id " | " row[id, 2] " | " shown(ours) " | " (name == "" ? "" : name ", " shown(peer)) \
        " | " ratio " | " row[id, 6] " | " row[id, 7] " | " said " |" > markdown
    ratios(id, "", 6)
    cost = low == "" ? "-" : sprintf("%.2f - %.2f - %.2f", low, middle, high)
    cost_json = low == "" ? "null" : sprintf("{\"min\": %.4f, \"median\": %.4f, \"max\": %.4f}", low, middle, high)
    costs = costs sprintf("%-4s %17s  %-21s %17s %17s %15s\n", id, pair(id, 6), cost, pair(id, 5), pair(id, 7),
        pair(id, 8))
    part = "\n    {\"id\": " text(id) ", \"work\": " text(row[id, 2]) ", \"unit\": " text(row[id, 4])
    part = part ", \"ours\": " number(ours) ", \"peer\": " number(peer)
    part = part ", \"peerName\": " (name == "" ? "null" : text(name))
    part = part ", \"busy\": " number(median(id, "ours", 8)) ", \"peerBusy\": " number(busy) ", \"ratio\": " ratio_json
    part = part ", \"floor\": " number(row[id, 6]) ", \"goal\": " number(row[id, 7])
    part = part ", \"cpuSecondsPerMillion\": {\"server\": " number(median(id, "ours", 6))
    part = part ", \"client\": " number(median(id, "ours", 5)) ", \"peerServer\": " number(median(id, "peer", 6))
    part = part ", \"peerClient\": " number(median(id, "peer", 5))
    part = part ", \"serverRatio\": " cost_json "}"
    part = part ", \"wireBytesPerCheck\": {\"ours\": " number(median(id, "ours", 7))
    part = part ", \"peer\": " number(median(id, "peer", 7)) "}"
    documents = joined(documents, part ", \"verdict\": " text(said) "}")
}

# One size of the sweep.
function sweep_line(line,    cell, best, n) {
    split(line, cell, "\t")
    best = 2
    for (n = 3; n <= 5; n++) if (cell[n] + 0 > cell[best] + 0) best = n
    printf "%7d", cell[1]
    for (n = 2; n <= 5; n++) printf " %12s", (n == best ? "*" : "") shown(cell[n])
    printf "\n"
    points = joined(points, "\n    {\"batch\": " cell[1] ", \"ours\": " number(cell[2]) ", \"redis\": " number(cell[3]) \
        ", \"grpc\": " number(cell[4]) ", \"grpcPacked\": " number(cell[5]) "}")
}

END {
    split(stolen, steal, " ")
    share = steal[4] > steal[2] ? (steal[3] - steal[1]) / (steal[4] - steal[2]) : 0
    printf "\n%s, commit %s; %s\n", machine, commit, calibration
    printf "%.1f %% of the time stolen by the host; %s contact points with %s profiles; %d rounds of %s; ", share * 100,
        recipients == "" ? "no" : recipients, profiles == "" ? "no" : profiles, rounds, duration
    printf "%d s in all\n\n", seconds
    printf "%-4s %-38s %-33s %9s %9s  %-21s %6s %6s  %s\n", "id", "work", "peer", "ours", "peer's",
        "ratio min-median-max", "floor", "goal", "verdict"
    if (markdown != "") {
        print "| row | work | consentd | peer | ratio: least, median, largest | floor | goal | verdict |" > markdown
        print "| --- | --- | --- | --- | --- | --- | --- | --- |" > markdown
    }
    for (n = 1; n <= row_count; n++) if (order[n] in ran) report(order[n])
    printf "\nOurs : peer's, medians\n%-4s %17s  %-21s %17s %17s %15s\n%s", "id", "server CPU s/M", "ratio",
        "client CPU s/M", "wire bytes each", "server busy", costs
    if (sweep_count) {
        printf "\nChecks a second by size of a batch, 50 requests in flight; the fastest is marked\n"
        printf "%7s %12s %12s %12s %12s\n", "batch", "consentd", "Redis MGET", "gRPC", "gRPC packed"
        for (n = 1; n <= sweep_count; n++) sweep_line(sweep[n])
    }
    printf "\nSettings of the peers\n"
    for (n = 1; n <= setting_count; n++) {
        printf "  %s: %s\n", setting_names[n], settings[setting_names[n]]
        words = joined(words, " " text(setting_names[n]) ": " text(settings[setting_names[n]]))
    }
    printf "{\n  \"machine\": %s,\n  \"commit\": %s,\n", text(machine), text(commit) > json
    printf "  \"recipients\": %s,\n  \"profiles\": %s,\n", number(recipients), number(profiles) > json
    printf "  \"seconds\": %d,\n  \"calibration\": %s,\n", seconds, calibration > json
    printf "  \"stolenShare\": %.4f,\n  \"settings\": {%s},\n", share, words > json
    printf "  \"rows\": [%s\n  ],\n  \"sweep\": [%s]\n}\n", documents, points > json
    printf "\nA row whose peer kept its core busy for less than 95 %% does not count. Report: %s\n", json
    exit failures > 0
}
