#!/usr/bin/env bash
# The demo: the life of a consent, from a salon's form to its proof, with the real programs on real sockets and files.
#
# Every step prints what it is for, the command as one would type it, and what the command said. A command whose
# exit code is not the expected one ends the demo with status 1; Ctrl-C ends it with 130. Either way the server
# that the demo started is stopped, by its process id. Nothing outside .build/demo is written.
#
# SEED=n varies the customers, CUSTOMERS=n their number.
set -uo pipefail
cd "$(dirname "$0")/../.."

bin=$PWD/.build/release
here=tools/demo
folder=.build/demo
state=$folder/state
seed=${SEED:-1}
customers=${CUSTOMERS:-3000}
steps=14
step=0
spoke_last=yes
aside=
started=$SECONDS

# ------------------------------------------------------------------------------------------ how it speaks

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi

title() {
    step=$((step + 1))
    printf '\n%s[%d/%d] %s%s\n' "$bold" "$step" "$steps" "$1" "$plain"
    spoke_last=yes
}

# say TEXT… : one paragraph, set off from what a command printed.
say() {
    [ -z "$spoke_last" ] && echo
    printf '%s\n' "$*" | fold -s -w 98 | sed 's/ *$//; s/^/  /'
    spoke_last=yes
}

fail() {
    printf '\nThe demo stopped at step %d: %s\n' "$step" "$1" >&2
    if [ -s "$folder/server.log" ]; then
        echo "The server's last lines:" >&2
        tail -n 5 "$folder/server.log" >&2
    fi
    exit 1
}

# Prints a command the way one would type it: quotes where they are needed, and no path to the program.
shown() {
    local word text=
    for word in "$@"; do
        case "$word" in
            *[!A-Za-z0-9_@%+=:,./-]* | '') text+=" '${word//\'/\'\\\'\'}'" ;;
            *) text+=" $word" ;;
        esac
    done
    printf '    %s$%s%s%s\n' "$dim" "$text" "${aside:+    # $aside}" "$plain"
    spoke_last=
}

# run EXPECTED PROGRAM ARGUMENT… : shows the command, runs it, indents its output, insists on its exit code.
run() {
    local expected=$1 code
    shift
    shown "$@"
    call "$@" >"$folder/output" 2>&1
    code=$?
    fold -s -w 104 "$folder/output" | sed 's/^/      /; s/ *$//'
    [ "$code" -eq "$expected" ] || fail "the command above ended with exit code $code, not $expected."
}

# call PROGRAM ARGUMENT… : adds what every call to the server needs.
call() {
    local program=$1
    shift
    case "$program $1" in
        "consentctl verify") "$bin/$program" "$@" ;;
        consentctl* | "consent-load "*) "$bin/$program" "$@" --server "$server" --token-file "$state/admin.token" ;;
        *) "$program" "$@" ;;
    esac
}

# quietly PROGRAM ARGUMENT… : the same, and only an error is shown.
quietly() {
    call "$@" >"$folder/output" 2>&1 && return
    shown "$@"
    sed 's/^/      /' "$folder/output"
    fail "the command above failed."
}

# ------------------------------------------------------------------------------------------ the server

. tools/scripts/lib.sh
trap stop_leftover_server EXIT
exec 3>&2 # for the trap: it may run while a command's output goes to a file
trap 'printf "\nInterrupted; stopping the server.\n" >&3; exit 130' INT
trap 'exit 143' TERM

# serve ARGUMENT… : starts the server on a free port.
serve() {
    shown consentd serve --state-dir "$state" --listen 127.0.0.1:0 "$@"
    start_server "$bin/consentd" serve --state-dir "$state" --listen 127.0.0.1:0 "$@" ||
        fail "the server did not start."
    printf '      listening on %s\n' "$server"
}

[ -x "$bin/consentd" ] || { echo "The programs are not built yet: run make demo, or make build." >&2; exit 1; }
rm -rf "$folder"
mkdir -p "$folder"

printf '%sconsentd: the life of a consent in %d steps%s\n' "$bold" "$steps" "$plain"
say "A marketplace and three salons keep their customers' consents to marketing in one register." \
    "Every customer is invented from seed $seed; lines after a \$ can be typed (--server and --token-file left out)."

# ------------------------------------------------------------------------------------------------ steps

title "Start the server with a new register"
say "Checks will be answered from memory; every write is on disk before it is acknowledged."
serve --init --test-register

title "Fill the catalogue: who asks, what for, and the words that people are shown"
say "A consent belongs to one controller. A purpose is either service (needs no consent) or marketing."
quietly consentctl controller put --id 1 --code rendezvous --name "Rendezvous SAS" --kind marketplace --region FR
quietly consentctl controller put --id 2 --code salon-lyon --name "Salon Lyon" --kind salon --region FR \
    --country FR --jurisdiction FR --contact "Salon Lyon, bonjour@salon-lyon.example, +33 7 00 00 99 00" \
    --storage-location "Lyon, France" --withdrawal-method "the link in each e-mail, or STOP"
quietly consentctl controller put --id 3 --code salon-paris --name "Salon Paris" --kind salon --region FR
quietly consentctl controller put --id 4 --code salon-bruxelles --name "Salon Bruxelles" --kind salon
quietly consentctl purpose put --id 11 --code reminders --title "Appointment reminders" --class service
quietly consentctl purpose put --id 12 --code promotions --title "Promotions" --class marketing
quietly consentctl purpose put --id 13 --code newsletter --title "Newsletter" --class marketing
run 0 consentctl controller list
run 0 consentctl purpose list

# put_notice NAME LOCALE CONTROLLER TEXT [OPTION…] : leaves the notice's id in `notice_id`.
put_notice() {
    local name=$1 locale=$2 controller=$3 text=$4
    shift 4
    printf '%s' "$text" >"$folder/notice-$name.txt"
    call consentctl notice put --locale "$locale" --channels email,sms --purposes promotions,newsletter \
        --controllers "$controller" --text "$folder/notice-$name.txt" --withdrawal-explained --data-use-explained \
        --terms-separate --valid-from 2020-01-01T00:00:00Z "$@" >"$folder/output" 2>&1 ||
        fail "the notice $name was not accepted: $(cat "$folder/output")"
    notice_id=$(grep -oE '[0-9a-f]{64}' "$folder/output" | head -n 1)
    [ -n "$notice_id" ] || fail "no notice id in: $(cat "$folder/output")"
}

french_notice() {
    printf '%s' "J'accepte de recevoir par e-mail et par SMS les offres et la lettre d'information de $1. " \
        "Mes coordonnées ne servent qu'à ces envois et ne sont pas transmises. " \
        "Je peux retirer mon accord à tout moment, par le lien présent dans chaque e-mail ou en répondant STOP."
}
english_notice="I agree to receive offers and the newsletter of Rendezvous by e-mail and by text message. \
My details are used for nothing else and are not passed on. \
I can withdraw at any time, by the link in each e-mail or by replying STOP."

put_notice lyon fr-FR salon-lyon "$(french_notice "Salon Lyon")" --box unticked \
    --policy-url https://salon-lyon.example/privacy
notice_lyon=$notice_id
put_notice paris fr-FR salon-paris "$(french_notice "Salon Paris")" --box unticked; notice_paris=$notice_id
put_notice brussels fr-BE salon-bruxelles "$(french_notice "Salon Bruxelles")" --box unticked; notice_brussels=$notice_id
put_notice market fr-FR rendezvous "$(french_notice "Rendezvous")" --box unticked; notice_market=$notice_id
put_notice english en-GB rendezvous "$english_notice" --box unticked; notice_english=$notice_id
put_notice preticked fr-FR salon-lyon "$(french_notice "Salon Lyon") (ancien formulaire)" --box preticked
notice_preticked=$notice_id
say "Six notices are on file too, each under the SHA-256 of its exact text. One stood beside a pre-ticked box;" \
    "nothing given under that one will count."

title "Import $customers customers, and a few rows that are wrong"
say "French and international customers from the marketplace, the booking widget and the salons; withdrawals," \
    "objections and bounces among them. Good rows are kept, wrong ones are listed with line, column and reason."
awk -v seed="$seed" -v count="$customers" -v today="$(date -u +%Y-%m-%d)" \
    -v notice_lyon="$notice_lyon" -v notice_paris="$notice_paris" -v notice_brussels="$notice_brussels" \
    -v notice_market="$notice_market" -v notice_english="$notice_english" -v notice_preticked="$notice_preticked" \
    -f "$here/customers.awk" >"$folder/customers.csv" || fail "the customers could not be invented."
run 65 consentctl import "$folder/customers.csv"

elodie=elodie.marchand@courriel.example
elodie_phone='07 00 00 99 01'
karim=karim.benali@boite.example

title "Ask: may this be sent, now? Each answer carries its reason"
say "Élodie ticked the box for promotions by e-mail on Salon Lyon's widget. By e-mail: yes."
run 0 consentctl check --controller salon-lyon --channel email --purpose promotions "$elodie"
say "Did she agree to marketing by SMS? She did not, so: no. A yes to one channel says nothing about another."
run 1 consentctl check --controller salon-lyon --channel sms --purpose promotions "$elodie_phone"
say "An appointment reminder by SMS needs no consent: yes."
run 0 consentctl check --controller salon-lyon --channel sms --purpose reminders "$elodie_phone"
say "But a sender who believes that it sends marketing under that purpose is wrong: no."
run 1 consentctl check --controller salon-lyon --channel sms --purpose reminders --class marketing "$elodie_phone"
say "Another salon, someone never heard of, and Karim, who sent STOP: no, no and no."
run 1 consentctl check --controller salon-paris --channel email --purpose promotions "$elodie"
run 1 consentctl check --controller salon-lyon --channel email --purpose promotions nobody@courriel.example
run 1 consentctl check --controller salon-lyon --channel sms --purpose promotions '+33700009902'

title "See one customer's preferences, as the salon's screen shows them"
run 0 consentctl preferences --controller salon-lyon "$karim"

title "Record a consent as it is given"
say "Élodie comes back and ticks the box for promotions by SMS. From the next check on, the answer is yes."
run 0 consentctl grant --controller salon-lyon --channels sms --purposes promotions --notice "$notice_lyon" \
    --source widget --act ticked-box --phone "$elodie_phone" --reference C-ELODIE
run 0 consentctl check --controller salon-lyon --channel sms --purpose promotions "$elodie_phone"

title "Record one that was given on paper: staff read the conditions each time"
say "Manon signed the salon's paper form. Whoever records it is shown the memo with the five conditions first:"
run 0 consentctl memo --locale fr
say "On a terminal, --staff shows it and asks for each condition; in a script they are attested by name. Without" \
    "that nothing is recorded. With it the consent is kept, and so is who attested, when, and which memo they read."
manon=manon.leroy@courriel.example
grant_on_paper=(consentctl grant --controller salon-lyon --channels email --purposes promotions
    --notice "$notice_lyon" --source salon --act signature --email "$manon" --reference C-MANON --staff "Camille R."
    --locale fr)
run 64 "${grant_on_paper[@]}"
run 0 "${grant_on_paper[@]}" --attest free,specific,informed,unambiguous,affirmative
run 0 consentctl check --controller salon-lyon --channel email --purpose promotions "$manon"

title "Withdraw, and see the answer change at once"
run 0 consentctl check --controller salon-lyon --channel email --purpose promotions "$karim"
before=$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)
run 0 consentctl withdraw --controller salon-lyon --channels email --purposes promotions "$karim"
run 1 consentctl check --controller salon-lyon --channel email --purpose promotions "$karim"
say "What was true when? Just before the withdrawal the answer was yes, and for that moment it still is. Now it is no."
run 0 consentctl check-at --controller salon-lyon --channel email --purpose promotions --at "$before" "$karim"
run 1 consentctl check-at --controller salon-lyon --channel email --purpose promotions \
    --at "$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)" "$karim"
say "Importing the old file again does not bring the consent back: it changes nothing."
call consentctl import "$folder/customers.csv" >"$folder/output" 2>&1
code=$?
[ "$code" -eq 65 ] || fail "the second import ended with exit code $code, not 65: $(tail -n 3 "$folder/output")"
shown consentctl import "$folder/customers.csv"
grep -E '^recorded' "$folder/output" | sed 's/^/      /'
grep -qE '^recorded +0$' "$folder/output" || fail "the second import recorded something."
run 1 consentctl check --controller salon-lyon --channel email --purpose promotions "$karim"

title "Prove a consent, offline, with the exact words that were shown"
run 0 consentctl proof --controller salon-lyon --channel email --purpose promotions "$elodie" --out "$folder/elodie.proof"
say "Anyone with the log's public key can verify the file; no server is asked."
run 0 consentctl verify "$folder/elodie.proof" --key "$state/log.pub"
say "The log names nobody. Whoever knows the address can show that the event is about it, and about no other:"
aside="Élodie's on standard input"
run 0 consentctl verify "$folder/elodie.proof" --key "$state/log.pub" --address-stdin <<<"$elodie" |
    grep -E '\$|Proven|address' || exit 1
aside="Karim's on standard input"
run 1 consentctl verify "$folder/elodie.proof" --key "$state/log.pub" --address-stdin <<<"$karim"
aside=
say "In a copy, one letter of the words is changed, SMS to MMS (in hexadecimal). The proof no longer holds."
sed 's/534d53/4d4d53/' "$folder/elodie.proof" >"$folder/tampered.proof"
cmp -s "$folder/elodie.proof" "$folder/tampered.proof" && fail "the copy was not changed."
run 1 consentctl verify "$folder/tampered.proof" --key "$state/log.pub"

title "Keep a receipt: what a sender was told before it sent"
run 1 consentctl check --controller salon-lyon --channel email --purpose promotions --receipt "$folder/told.receipt" \
    "$elodie" "$karim"
say "The server signed the question, as hashes of keys, with its answer. It verifies offline:"
run 0 consentctl verify "$folder/told.receipt" --key "$state/log.pub"

title "Give a person all that is on file, then erase another: the denial stays"
run 0 consentctl export --controller salon-lyon --reference C-ELODIE --out "$folder/elodie.json"
shown head -c 300 "$folder/elodie.json"
head -c 300 "$folder/elodie.json" | fold -w 104 | sed 's/^/      /'
echo
say "It is signed, so it verifies like a proof. The same consents as receipts after Kantara's form:"
run 0 consentctl verify "$folder/elodie.json" --key "$state/log.pub"
run 0 consentctl export --controller salon-lyon --reference C-ELODIE --format kantara --out "$folder/elodie.kantara.json"
say "Manon asks to be forgotten. Her name, form and reference leave every file before the command returns; what" \
    "stays is a keyed hash that says no, so that no list can bring her back."
grep -q C-MANON "$state/register.db" "$state"/register.db-wal || fail "the reference was not on file."
run 0 consentctl erase --controller salon-lyon --reference C-MANON --yes
grep -q C-MANON "$state/register.db" && fail "the reference is still in the database."
[ -s "$state/register.db-wal" ] && grep -q C-MANON "$state/register.db-wal" && fail "the reference is still in the log."
run 1 consentctl check --controller salon-lyon --channel email --purpose promotions "$manon"
say "The log is whole: her neighbour's proof holds under a head that was signed after the erasure."
run 0 consentctl proof --controller salon-lyon --channel email --purpose promotions "$elodie" --out "$folder/elodie-2.proof"
run 0 consentctl verify "$folder/elodie-2.proof" --key "$state/log.pub"

title "Kill the server (SIGKILL) and start it again: nothing is lost"
sequence_before=$(call consentctl stats --json | json_number sequence)
stop_server KILL
serve
sequence_after=$(call consentctl stats --json | json_number sequence)
say "Sequence before: $sequence_before, after: $sequence_after."
[ -n "$sequence_before" ] && [ "$sequence_before" = "$sequence_after" ] || fail "the register lost or gained events."
run 0 consentctl check --controller salon-lyon --channel email --purpose promotions "$elodie"
run 0 consentctl check --controller salon-lyon --channel sms --purpose promotions "$elodie_phone"
run 1 consentctl check --controller salon-lyon --channel email --purpose promotions "$karim"

title "A short load test: every answer is compared with what it must be"
run 0 consent-load seed --recipients 20000 --bulk --seed "$seed"
run 0 consent-load check --recipients 20000 --seed "$seed" --batch 100 --keys digest --connections 2 --in-flight 4 \
    --closed --warm-up 1s --duration 3s --verify

title "Stop: the server drains and ends with exit code 0"
stop_server TERM
[ "$server_code" -eq 0 ] || fail "the server ended with exit code $server_code."
say "Done in $((SECONDS - started)) seconds. The register, the CSV and the proof are in $folder;" \
    "README.md goes on from here."
