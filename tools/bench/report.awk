# The table and the JSON document of a benchmark, from its rows, the peers' settings, the sweep and the runs.
#
# -v json= the document's file; the rest of the variables are facts of the machine and the run. Exit status 1 when a
# row is below its floor, or when one of its runs failed. Invariant: a figure is a median over the rounds, and a ratio is
# one of two neighbouring runs.

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

function ratios(id, kind,    values, n, ours, peer) {
    for (n = 1; n <= round_count[id]; n++) {
        ours = run[id, "ours", n, 4]
        peer = run[id, "peer", n, 4]
        values[n] = ours + 0 == 0 || peer + 0 == 0 ? "" : kind == "faster" ? peer / ours : ours / peer
    }
    summary(values, round_count[id])
}

# What became of a row: its figure against goal and floor.
function verdict(id, kind, floor, goal, figure, busy,    up) {
    if (id in wrong) return "FAILED: " wrong[id]
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
    return n >= 1e6 ? sprintf("%.2f M", n / 1e6) : n >= 1e4 ? sprintf("%.1f k", n / 1e3) : n >= 100 ? sprintf("%.0f", n) : sprintf("%.2f", n)
}
function pair(a, b) { return (a == "" ? "-" : shown(a)) " : " (b == "" ? "-" : shown(b)) }
function number(n) { return n == "" ? "null" : n + 0 }
function text(s) { gsub(/\\/, "\\\\", s); gsub(/"/, "\\\"", s); return "\"" s "\"" }

END {
    split(stolen, steal, " ")
    stolen_share = steal[4] > steal[2] ? (steal[3] - steal[1]) / (steal[4] - steal[2]) : 0
    printf "\n%s, commit %s; %s\n", machine, commit, calibration
    printf "stolen by the host %.1f %% of the time; %s contact points with %s profiles; %d rounds of %s; %d s in all\n\n",
        stolen_share * 100, recipients == "" ? "no" : recipients, profiles == "" ? "no" : profiles, rounds, duration, seconds
    line = "%-4s %-38s %-33s %9s %9s  %-21s %6s %6s  %s\n"
    printf line, "id", "work", "peer", "ours", "peer's", "ratio min-median-max", "floor", "goal", "verdict"
    for (n = 1; n <= row_count; n++) {
        id = order[n]
        if (!(id in ran)) continue
        kind = row[id, 5]
        ours = median(id, "ours", 4)
        peer = median(id, "peer", 4)
        busy = median(id, "peer", 8)
        ratios(id, kind)
        has_ratio = low != "" && kind != "most" && kind != "least" && row[id, 4] != "bytes"
        ratio_text = has_ratio ? sprintf("%.2f - %.2f - %.2f", low, middle, high) : "-"
        ratio_json = has_ratio ? sprintf("{\"min\": %.4f, \"median\": %.4f, \"max\": %.4f}", low, middle, high) : "null"
        verdict_text = verdict(id, kind, row[id, 6], row[id, 7], kind == "most" || kind == "least" ? ours : middle, busy)
        if (verdict_text ~ /^(FAILED|BELOW)/) failures++
        printf line, id, row[id, 2], row[id, 3] == "" ? "-" : row[id, 3], shown(ours), shown(peer), ratio_text, row[id, 6], row[id, 7],
            verdict_text
        costs = costs sprintf("%-4s %17s %17s %17s %15s\n", id, pair(median(id, "ours", 6), median(id, "peer", 6)),
            pair(median(id, "ours", 5), median(id, "peer", 5)), pair(median(id, "ours", 7), median(id, "peer", 7)),
            pair(median(id, "ours", 8), busy))
        documents = documents (documents == "" ? "" : ",") sprintf("\n    {\"id\": %s, \"work\": %s, \"unit\": %s, \"ours\": %s, \"peer\": %s, \"peerName\": %s,",
            text(id), text(row[id, 2]), text(row[id, 4]), number(ours), number(peer), row[id, 3] == "" ? "null" : text(row[id, 3]))
        documents = documents sprintf(" \"busy\": %s, \"peerBusy\": %s, \"ratio\": %s, \"floor\": %s, \"goal\": %s,",
            number(median(id, "ours", 8)), number(busy), ratio_json, number(row[id, 6]), number(row[id, 7]))
        documents = documents sprintf(" \"cpuSecondsPerMillion\": {\"server\": %s, \"client\": %s, \"peerServer\": %s, \"peerClient\": %s},",
            number(median(id, "ours", 6)), number(median(id, "ours", 5)), number(median(id, "peer", 6)), number(median(id, "peer", 5)))
        documents = documents sprintf(" \"wireBytesPerCheck\": {\"ours\": %s, \"peer\": %s}, \"verdict\": %s}",
            number(median(id, "ours", 7)), number(median(id, "peer", 7)), text(verdict_text))
    }
    printf "\nOurs : peer's, medians\n%-4s %17s %17s %17s %15s\n%s", "id", "server CPU s/M", "client CPU s/M", "wire bytes each", "server busy", costs
    if (sweep_count) {
        printf "\nChecks a second by size of a batch, 50 requests in flight; the fastest is marked\n"
        printf "%7s %12s %12s %12s %12s\n", "batch", "consentd", "Redis MGET", "gRPC", "gRPC packed"
        for (n = 1; n <= sweep_count; n++) {
            split(sweep[n], cell, "\t")
            best = 2
            for (m = 3; m <= 5; m++) if (cell[m] + 0 > cell[best] + 0) best = m
            printf "%7d", cell[1]
            for (m = 2; m <= 5; m++) printf " %12s", (m == best ? "*" : "") shown(cell[m])
            printf "\n"
            points = points (points == "" ? "" : ", ") sprintf("{\"batch\": %d, \"ours\": %s, \"redis\": %s, \"grpc\": %s, \"grpcPacked\": %s}",
                cell[1], number(cell[2]), number(cell[3]), number(cell[4]), number(cell[5]))
        }
    }
    printf "\nSettings of the peers\n"
    for (n = 1; n <= setting_count; n++) {
        printf "  %s: %s\n", setting_names[n], settings[setting_names[n]]
        words = words (words == "" ? "" : ", ") text(setting_names[n]) ": " text(settings[setting_names[n]])
    }
    printf "{\n  \"machine\": %s,\n  \"commit\": %s,\n  \"recipients\": %s,\n  \"profiles\": %s,\n", text(machine), text(commit),
        number(recipients), number(profiles) > json
    printf "  \"seconds\": %d,\n  \"calibration\": %s,\n  \"stolenShare\": %.4f,\n", seconds, calibration, stolen_share > json
    printf "  \"settings\": {%s},\n  \"rows\": [%s\n  ],\n  \"sweep\": [%s]\n}\n", words, documents, points > json
    printf "\nA row whose peer kept its core busy for less than 95 %% does not count. Report: %s\n", json
    exit failures > 0
}
