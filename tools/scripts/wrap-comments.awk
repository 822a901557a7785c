# Breaks comment lines of Swift files that are longer than `columns` (110), which swift format leaves alone.
#
# The words that do not fit move to the front of the next line when that goes on with the same paragraph, else to a
# line of their own. Tables, lists' starts, code fences and drawings are never joined with a moved word; drawings
# and fenced code are not broken either. Run it with LC_ALL=C: characters are counted from UTF-8 bytes.

BEGIN { if (!columns) columns = 110 }

{ line[NR] = $0 }

END {
    for (i = 1; i <= NR; i++) {
        text = line[i]
        if (prefix_of(text) != "" && body_of(text) ~ /^```/) fenced = !fenced
        if (prefix_of(text) == "") fenced = 0
        while (carry != "" || (!fenced && breakable(text) && width(text) > columns)) {
            if (carry != "") {
                if (prefix_of(text) == carry_prefix && continues(body_of(text)) && !fenced)
                    text = carry_prefix carry " " body_of(text)
                else { emit(carry_prefix carry); carry = ""; continue }
                carry = ""
                continue
            }
            split_line(text)
            if (carry == "") break
            print head
            i++
            text = i <= NR ? line[i] : ""
            if (i <= NR && prefix_of(text) != "" && body_of(text) ~ /^```/ ) { emit(carry_prefix carry); carry = ""; fenced = 1 }
        }
        if (i <= NR) print text
    }
}

# A moved rest that stands alone may itself be too long.
function emit(text) {
    while (width(text) > columns) {
        split_line(text)
        if (carry == "") break
        print head
        text = carry_prefix carry
    }
    carry = ""
    print text
}

# Indentation and slashes of a comment line, with the spaces after them; "" when the line is no comment.
function prefix_of(text) { return match(text, /^ *\/\/\/? ?/) && text !~ /^ *\/\/\/\// ? substr(text, 1, RLENGTH) : "" }

function body_of(text) { return substr(text, length(prefix_of(text)) + 1) }

function breakable(text) { return prefix_of(text) != "" && body_of(text) !~ /^(    |\||```)/ && body_of(text) !~ /   / }

# Does a line go on with the paragraph before it?
function continues(body) { return body != "" && body !~ /^( |-|\*|\||#|```|[0-9]+[.)]|MARK|→)/ }

function width(text) { gsub(/[\200-\277]/, "", text); return length(text) }

# Splits at the last space that leaves `head` within the columns; the rest goes to `carry`.
function split_line(text,   at, hang) {
    carry = ""
    carry_prefix = prefix_of(text)
    match(body_of(text), /^ *(- )?/)
    hang = substr("            ", 1, RLENGTH)
    for (at = length(text); at > length(carry_prefix) + 1; at--) {
        if (substr(text, at, 1) != " " || width(substr(text, 1, at - 1)) > columns) continue
        head = substr(text, 1, at - 1)
        carry = hang substr(text, at + 1)
        return
    }
}
