# The report: the table on standard output, .build/bench/report.json, and the table for a page in report.md. Sourced by
# run.sh at its end.

machine=$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)
for name in "${!settings[@]}"; do printf '%s\t%s\n' "$name" "${settings[$name]}"; done | sort >"$folder/settings.tsv"
printf '%s\n' "${rows[@]}" | tr '|' '\t' >"$folder/rows.tsv"

awk -F '\t' -v json="$folder/report.json" -v markdown="$folder/report.md" \
    -v machine="${machine:-$(uname -m)}, $(nproc) cores" \
    -v commit="$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" \
    -v calibration="$(cat "$folder/calibration.json")" \
    -v stolen="$(paste -d ' ' "$folder/stolen.before" "$folder/stolen.after")" \
    -v recipients="$(json_number recipients 2>/dev/null <"$folder/population.json")" \
    -v profiles="$(json_number profiles 2>/dev/null <"$folder/population.json")" \
    -v seconds="$SECONDS" -v rounds="$rounds" -v duration="$duration" \
    -f "$here/report.awk" "$folder/rows.tsv" "$folder/settings.tsv" "$folder/sweep.tsv" "$runs"
