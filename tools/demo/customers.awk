# Writes a CSV of invented salon customers, as `consentctl import` reads it. The same seed and day give the same file.
#
#   awk -v seed=1 -v count=3000 -v today=2026-01-31 -v notice_lyon=HEX -v notice_paris=HEX -v notice_brussels=HEX \
#       -v notice_market=HEX -v notice_english=HEX -v notice_preticked=HEX -f customers.awk
#
# Why awk: every Debian has it, so a fresh machine needs nothing more. Why a random generator of our own: srand and
# rand differ between the awks. Nobody is meant: domains end in .example, and numbers come from ranges that no
# subscriber has (07 00 in France; in Britain and America those kept for fiction).
#
# About one row in 250 is wrong on purpose, a different fault each, so that the import has something to list.
# Invariant: every customer's address and number is used by that customer alone.

BEGIN {
    state = seed * 7919 + 1
    for (i = 0; i < 10; i++) random(2)
    day_today = day_of(today)

    french_first = split("Élodie Camille Chloé Manon Léa Inès Sarah Jade Zoé Noémie Aurélie Céline Hélène Maëlle Anaïs " \
        "Lucas Théo Hugo Mathéo Loïc Rémi Gaël Benoît Jérôme Cédric Adrien Nathan Yanis Mehdi Karim", FIRST, " ")
    french_last = split("Marchand Lefèvre Moreau Garnier Fournier Girard Mercier Dupuis Lambert Bonnet François " \
        "Legrand Gauthier Perrin Clément Morin Nicolas Mathieu Roussel Bertrand Besson Côté Prévost Benali Diallo",
        LAST, " ")
    foreign_first = split("Emma Olivia Grace Harry Oliver Lena Jonas Greta Marta Giulia Luca Sofia Pablo Ingrid Sven " \
        "Aisha Chen Yuki Fatima Noor", FOREIGN_FIRST, " ")
    foreign_last = split("Bennett Clarke Murphy Hughes Schneider Weber Köhler Rossi Conti García Núñez Lindqvist " \
        "Åberg Haddad Wang Tanaka Özdemir Kowalski Novák Janssens", FOREIGN_LAST, " ")
    domains = split("courriel.example boite.example postier.example mail.example inbox.example " \
        "bücher.example santé.example coiffure.example", DOMAIN, " ")
    salons = split("salon-lyon salon-paris salon-bruxelles", SALON, " ")
    NOTICE["salon-lyon"] = notice_lyon
    NOTICE["salon-paris"] = notice_paris
    NOTICE["salon-bruxelles"] = notice_brussels
    split("marketplace widget widget widget salon salon", SOURCE, " ")

    print "event,controller,channels,purposes,email,phone,reference,occurred_at,source,act,notice"
    named_customers()
    bad_every = count < 12 ? 1 : int(count / 12)
    for (customer = 1; customer <= count; customer++) {
        write_customer(customer)
        if (customer % bad_every == 0 && bad < 12) bad_row(++bad)
    }
}

# A whole number in 0 ..< limit (Lehmer's generator: products stay below 2^53, which every awk computes exactly).
function random(limit) {
    state = (state * 16807) % 2147483647
    return int(state / 2147483647 * limit)
}

function chance(percent) { return random(100) < percent }

# Days since 1970-01-01 of YYYY-MM-DD, and back (years counted from March, so that leap days come last).
function day_of(text,   part, y, m, d) {
    split(text, part, "-")
    y = part[1] + 0; m = part[2] + 0; d = part[3] + 0
    if (m <= 2) { y--; m += 12 }
    return 365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * (m - 3) + 2) / 5) + d - 1 - 719468
}

function date_of(day,   z, era, of_era, year, of_year, m) {
    z = day + 719468
    era = int(z / 146097)
    of_era = z - era * 146097
    year = int((of_era - int(of_era / 1460) + int(of_era / 36524) - int(of_era / 146096)) / 365)
    of_year = of_era - (365 * year + int(year / 4) - int(year / 100))
    m = int((5 * of_year + 2) / 153)
    year += era * 400 + (m >= 10)
    return sprintf("%04d-%02d-%02d", year, m < 10 ? m + 3 : m - 9, of_year - int((153 * m + 2) / 5) + 1)
}

# A time of business `ago` days before today, RFC 3339, Paris's winter offset.
function time_at(ago) {
    return date_of(day_today - ago) sprintf("T%02d:%02d:%02d+01:00", 9 + random(10), random(60), random(60))
}

# Letters without accents, lower-case: the local part of an address.
function plain(text) {
    gsub(/É|È|Ê|é|è|ê|ë/, "e", text); gsub(/ï|î|í/, "i", text)
    gsub(/ô|ö|Ö|ó/, "o", text); gsub(/ç/, "c", text); gsub(/á|å|Å|à|â/, "a", text); gsub(/ú|ü|ù/, "u", text)
    gsub(/ñ/, "n", text)
    return tolower(text)
}

# A French number as people write them. It begins with 07 00, which no subscriber's does.
function french_phone(n,   four, style) {
    four = sprintf("%04d", (n * 7919 + 13) % 9900)
    style = random(4)
    if (style == 0) return "07 00 00 " substr(four, 1, 2) " " substr(four, 3, 2)
    if (style == 1) return "07.00.00." substr(four, 1, 2) "." substr(four, 3, 2)
    if (style == 2) return "+33 (0)7 00 00 " substr(four, 1, 2) " " substr(four, 3, 2)
    return "+3370000" four
}

function foreign_phone(n) {
    if (n % 100 == 0 && american < 100) return sprintf("+1 202 555 01%02d", american++)
    if (british < 1000) return sprintf("+44 7700 900%03d", british++)
    return ""
}

# One customer: what they agreed to, and for some, what they took back later.
function write_customer(n,   french, first, last, address, phone, salon, source, act, notice, ago, who, roll, later) {
    french = chance(82)
    first = french ? FIRST[1 + random(french_first)] : FOREIGN_FIRST[1 + random(foreign_first)]
    last = french ? LAST[1 + random(french_last)] : FOREIGN_LAST[1 + random(foreign_last)]
    address = plain(first) (chance(50) ? "." : "_") plain(last) n "@" DOMAIN[1 + random(domains)]
    if (chance(5)) address = toupper(substr(address, 1, 1)) substr(address, 2)
    salon = SALON[1 + random(salons)]
    phone = french && salon != "salon-bruxelles" ? french_phone(n) : foreign_phone(n)
    source = SOURCE[1 + random(6)]
    act = source == "marketplace" && chance(30) ? "button" : "ticked-box"
    notice = NOTICE[salon]
    if (source == "marketplace") { salon = "rendezvous"; notice = french ? notice_market : notice_english }
    who = sprintf("C-%05d", n)
    ago = 40 + random(900)

    roll = random(100)
    if (roll < 4) {
        row("refuse", salon, "all", "all", address, "", who, time_at(ago), source, "", "")
        return
    }
    if (roll < 46 || phone == "")
        row("grant", salon, "email", some_purposes(), address, "", who, time_at(ago), source, act, notice)
    else if (roll < 58)
        row("grant", salon, "sms", "promotions", "", phone, who, time_at(ago), source, act, notice)
    else
        row("grant", salon, "email|sms", some_purposes(), address, phone, who, time_at(ago), source, act, notice)

    roll = random(100)
    later = time_at(1 + random(ago - 20))
    if (roll < 6) row("withdraw", salon, "email", "all", address, "", who, later, "one-click", "", "")
    else if (roll < 9 && phone != "") row("withdraw", salon, "sms", "all", "", phone, who, later, "sms-keyword", "", "")
    else if (roll < 11) row("object", salon, "all", "all", address, "", who, later, "preference-page", "", "")
    else if (roll < 12) row("bounce", salon, "email", "all", address, "", who, later, "api", "", "")
    else if (roll < 22) row("grant", salon, "email", "newsletter", address, "", who, later, source, act, notice)
}

function some_purposes(   roll) {
    roll = random(10)
    return roll < 5 ? "promotions" : roll < 8 ? "promotions|newsletter" : "newsletter"
}

# The people whom the demo asks about.
function named_customers() {
    row("grant", "salon-lyon", "email", "promotions", "elodie.marchand@courriel.example", "", "C-ELODIE",
        time_at(120), "widget", "ticked-box", notice_lyon)
    row("contact-seen", "salon-lyon", "sms", "all", "", "07 00 00 99 01", "C-ELODIE", time_at(30), "salon", "", "")
    row("grant", "salon-lyon", "email|sms", "promotions|newsletter", "karim.benali@boite.example", "07 00 00 99 02",
        "C-KARIM", time_at(200), "widget", "ticked-box", notice_lyon)
    row("withdraw", "salon-lyon", "sms", "all", "", "+33 7 00 00 99 02", "C-KARIM", time_at(60), "sms-keyword", "", "")
    row("grant", "rendezvous", "email", "promotions", "grace.bennett@mail.example", "", "C-GRACE", time_at(90),
        "marketplace", "button", notice_english)
}

# Rows that are wrong, a different fault each.
function bad_row(kind,   day, name) {
    day = time_at(100)
    name = sprintf("X-%02d", kind)
    if (kind == 1) wrong("salon-lyon", "email", "promotions", "pas une adresse", "", name, day, notice_lyon)
    if (kind == 2) wrong("salon-lyon", "sms", "promotions", "", "06 12", name, day, notice_lyon)
    if (kind == 3) wrong("salon-nantes", "email", "promotions", "x03@mail.example", "", name, day, notice_lyon)
    if (kind == 4) wrong("salon-lyon", "email", "promos", "x04@mail.example", "", name, day, notice_lyon)
    if (kind == 5) wrong("salon-paris", "email", "promotions", "x05@mail.example", "", name, day, repeat("0", 64))
    if (kind == 6) wrong("salon-lyon", "email", "promotions", "x06@mail.example", "", name, day, notice_preticked)
    if (kind == 7) wrong("salon-lyon", "email", "promotions", "x07@mail.example", "", name, time_at(-400), notice_lyon)
    if (kind == 8) wrong("salon-lyon", "email", "promotions", "x08@mail.example", "", name, "31/02/2025", notice_lyon)
    if (kind == 9) wrong("salon-lyon", "email", "reminders", "x09@mail.example", "", name, day, notice_lyon)
    if (kind == 10) wrong("salon-lyon", "", "promotions", "x10@mail.example", "", name, day, notice_lyon)
    if (kind == 11) wrong("salon-paris", "email", "promotions", "x11@mail.example", "", name, day, "")
    if (kind == 12) print "grant,salon-paris,email,promotions,x12@mail.example"
}

function wrong(controller, channels, purposes, email, phone, reference, occurred, notice) {
    row("grant", controller, channels, purposes, email, phone, reference, occurred, "widget", "ticked-box", notice)
}

function repeat(text, times,   result) {
    while (times-- > 0) result = result text
    return result
}

function row(event, controller, channels, purposes, email, phone, reference, occurred, source, act, notice) {
    print event "," controller "," channels "," purposes "," email "," phone "," reference "," occurred "," \
        source "," act "," notice
}
