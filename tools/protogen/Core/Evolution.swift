// Whether a schema is an evolution of a released one: what was on the wire stays what it was.
//
// Why: a released program keeps talking to newer ones for ever; a change that would make it misread bytes is
// found here, before it is merged.
// Invariant: a schema is always an evolution of itself.

/// One change that would break a released program.
package struct Breakage: Hashable, Sendable, CustomStringConvertible {
    /// The rule that was broken; short and stable, for tests and scripts.
    package enum Rule: String, Hashable, Sendable, CaseIterable {
        case messageRemoved = "message-removed"
        case layoutChanged = "layout-changed"
        case sizeChanged = "size-changed"
        case offsetMoved = "offset-moved"
        case fieldRemoved = "field-removed"
        case fieldRetyped = "field-retyped"
        case fieldAdded = "field-added-to-fixed-layout"
        case numberReused = "number-reused"
        case reservedUsed = "reserved-used"
        case reservationDropped = "reservation-dropped"
        case enumRemoved = "enum-removed"
        case enumWidthChanged = "enum-width-changed"
        case caseRemoved = "case-removed"
        case columnsChanged = "columns-changed"
        case limitRemoved = "limit-removed"
        case limitLowered = "limit-lowered"
        case methodRemoved = "method-removed"
        case methodChanged = "method-changed"
    }

    /// The rule.
    package var rule: Rule
    /// `path:line` of the schema, or of the released one where the thing is gone.
    package var place: String
    /// What changed.
    package var message: String
    /// What to do instead.
    package var remedy: String

    package var description: String {
        "\(place): error: [\(rule.rawValue)] \(message)\n    remedy: \(remedy)"
    }
}

/// Compares a schema with a released one.
package struct Evolution {
    let released: Schema
    let current: Schema
    private var breakages: [Breakage] = []

    /// All changes of `current` that break programs generated from `released`.
    package static func breakages(from released: Schema, to current: Schema) -> [Breakage] {
        var evolution = Evolution(released: released, current: current)
        evolution.compareLimits()
        evolution.compareEnums()
        evolution.compareMessages()
        evolution.compareMethods()
        return evolution.breakages
    }

    private init(released: Schema, current: Schema) {
        self.released = released
        self.current = current
    }

    private mutating func add(_ rule: Breakage.Rule, at position: Position, _ message: String, remedy: String)
    {
        let place = "\(current.file.path):\(position.line)"
        breakages.append(Breakage(rule: rule, place: place, message: message, remedy: remedy))
    }

    private mutating func addGone(
        _ rule: Breakage.Rule, at position: Position, _ message: String, remedy: String
    ) {
        let place = "\(released.file.path):\(position.line)"
        breakages.append(Breakage(rule: rule, place: place, message: message, remedy: remedy))
    }

    // MARK: Limits and enums

    private mutating func compareLimits() {
        for old in released.limits {
            guard let new = current.limits.first(where: { $0.name == old.name }) else {
                addGone(
                    .limitRemoved, at: old.position, "limit \(old.name) is gone",
                    remedy: "put it back, at least as high")
                continue
            }
            if new.value < old.value {
                add(
                    .limitLowered, at: new.position,
                    "limit \(old.name) fell from \(old.value) to \(new.value)",
                    remedy: "keep it at \(old.value) or higher: released peers may use all of it")
            }
        }
    }

    private mutating func compareEnums() {
        for old in released.enums {
            guard let new = current.enumeration(old.name) else {
                guard !current.reservedMessages.contains(old.name) else { continue }
                addGone(
                    .enumRemoved, at: old.position, "enum \(old.name) is gone",
                    remedy: "put it back, or write `reserved message \"\(old.name)\"`")
                continue
            }
            if new.width != old.width {
                add(
                    .enumWidthChanged, at: new.position,
                    "enum \(old.name) was \(old.width.rawValue) and is \(new.width.rawValue)",
                    remedy: "keep \(old.width.rawValue); a wider one needs a new name")
            }
            for entry in old.cases { compare(entry, in: old, with: new) }
            compareReserved(old.reserved, new.reserved, "enum \(old.name)", new.position)
            for entry in new.cases { refuseReserved(entry.value, entry.name, old.reserved, entry.position) }
        }
    }

    private mutating func compare(_ old: Enumeration.Case, in item: Enumeration, with new: Enumeration) {
        if let same = new.cases.first(where: { $0.value == old.value }) {
            if same.name != old.name {
                add(
                    .numberReused, at: same.position,
                    "\(item.name): number \(old.value) was `\(old.name)` and is `\(same.name)`",
                    remedy: "keep `\(old.name) = \(old.value)` or reserve it, and take a new number")
            }
        } else if let moved = new.cases.first(where: { $0.name == old.name }) {
            add(
                .caseRemoved, at: moved.position,
                "\(item.name).\(old.name) was \(old.value) and is \(moved.value)",
                remedy: "give it back the number \(old.value)")
        } else if !new.reserved.numbers.contains(old.value) {
            addGone(
                .caseRemoved, at: old.position, "\(item.name).\(old.name) is gone",
                remedy: "put it back, or write `reserved \(old.value), \"\(old.name)\"` in the enum")
        }
    }

    // MARK: Messages

    private mutating func compareMessages() {
        for name in released.reservedMessages.sorted() {
            let message = current.message(name)?.position ?? current.enumeration(name)?.position
            if let message {
                add(
                    .reservedUsed, at: message, "`\(name)` was reserved and is used",
                    remedy: "take a name that was never used")
            } else if !current.reservedMessages.contains(name) {
                addGone(
                    .reservationDropped, at: Position(line: 1, column: 1),
                    "message name `\(name)` is no longer reserved",
                    remedy: "write `reserved message \"\(name)\"`")
            }
        }
        for old in released.messages {
            guard let new = current.message(old.name) else {
                guard !current.reservedMessages.contains(old.name) else { continue }
                addGone(
                    .messageRemoved, at: old.position, "\(old.kind.word) \(old.name) is gone",
                    remedy: "put it back, or write `reserved message \"\(old.name)\"`")
                continue
            }
            guard new.kind == old.kind else {
                add(
                    .layoutChanged, at: new.position,
                    "\(old.name) was declared as \(old.kind.word) and is now \(new.kind.word)",
                    remedy: "keep it a \(old.kind.word); another layout needs a new name")
                continue
            }
            if old.kind == .table { compareTables(old, new) } else { compareFixed(old, new) }
        }
    }

    private mutating func compareTables(_ old: Message, _ new: Message) {
        for field in old.fields {
            guard let same = new.fields.first(where: { $0.number == field.number }) else {
                guard !new.reserved.numbers.contains(field.number) else { continue }
                let remedy =
                    "put it back, or write `reserved \(field.number), \"\(field.name)\"` in the table"
                if let moved = new.field(field.name) {
                    add(
                        .fieldRemoved, at: moved.position,
                        "\(old.name).\(field.name) was id \(field.number) and is \(moved.number)",
                        remedy: "give it back the id \(field.number)")
                } else {
                    addGone(
                        .fieldRemoved, at: field.position, "\(old.name).\(field.name) is gone", remedy: remedy
                    )
                }
                continue
            }
            if same.name != field.name {
                add(
                    .numberReused, at: same.position,
                    "\(old.name): id \(field.number) was `\(field.name)` and is `\(same.name)`",
                    remedy: "keep `\(field.name)` or reserve \(field.number), and take a new id")
            }
            compareType(old, field, same)
        }
        compareReserved(old.reserved, new.reserved, "table \(old.name)", new.position)
        for field in new.fields { refuseReserved(field.number, field.name, old.reserved, field.position) }
    }

    private mutating func compareType(_ message: Message, _ old: Field, _ new: Field) {
        if old.type != new.type || old.isOptional != new.isOptional {
            let before = (old.isOptional ? "optional " : "") + old.type.written
            let after = (new.isOptional ? "optional " : "") + new.type.written
            add(
                .fieldRetyped, at: new.position, "\(message.name).\(old.name) was \(before) and is \(after)",
                remedy: "keep \(before); another type needs a new field")
        }
        guard let limit = new.limit, limit != old.limit else { return }
        let before = old.limit.flatMap { released.limit($0) } ?? .max
        if let after = current.limit(limit), after < before {
            add(
                .limitLowered, at: new.position, "\(message.name).\(old.name) is now at most \(after)",
                remedy: "keep what released peers may send: no `max`, or one as high as before")
        }
    }

    private mutating func compareFixed(_ old: Message, _ new: Message) {
        if old.size != new.size {
            add(
                .sizeChanged, at: new.position, "\(old.name) had \(old.size) bytes and has \(new.size)",
                remedy: "a fixed layout is frozen: declare a new message")
        }
        for field in old.valueFields {
            guard let same = new.field(field.name) else {
                addGone(
                    .fieldRemoved, at: field.position, "\(old.name).\(field.name) is gone",
                    remedy: "a fixed layout is frozen: put it back, or declare a new message")
                continue
            }
            if same.number != field.number {
                add(
                    .offsetMoved, at: same.position,
                    "\(old.name).\(field.name) was at offset \(field.number) and is at \(same.number)",
                    remedy: "move it back: a fixed layout is frozen")
            }
            compareType(old, field, same)
        }
        for field in new.valueFields where old.field(field.name) == nil {
            add(
                .fieldAdded, at: field.position, "\(old.name).\(field.name) is new in a frozen layout",
                remedy: "released decoders require zeros there: declare a new message")
        }
        let before = old.columns.map(signature)
        let after = new.columns.map(signature)
        if before != after {
            let index = zip(before, after).prefix { $0 == $1 }.count
            let position = index < new.columns.count ? new.columns[index].position : new.position
            let was = index < before.count ? before[index] : "no column"
            let now = index < after.count ? after[index] : "no column"
            add(
                .columnsChanged, at: position,
                "\(old.name): column \(index + 1) was `\(was)` and is `\(now)`",
                remedy: "columns are frozen with their order, types and conditions: declare a new message")
        }
    }

    private func signature(_ column: Column) -> String {
        "\(column.name): \(column.written)" + (column.condition.map { " when \($0.written)" } ?? "")
    }

    // MARK: Methods

    private mutating func compareMethods() {
        for old in released.methods {
            guard let new = current.methods.first(where: { $0.number == old.number }) else {
                guard !current.reservedMethods.numbers.contains(old.number) else { continue }
                addGone(
                    .methodRemoved, at: old.position, "method \(old.name) (\(old.number)) is gone",
                    remedy: "put it back, or write `reserved method \(old.number), \"\(old.name)\"`")
                continue
            }
            if new.name != old.name {
                add(
                    .numberReused, at: new.position,
                    "method number \(old.number) was `\(old.name)` and is `\(new.name)`",
                    remedy: "keep `\(old.name)` or reserve \(old.number), and take a new number")
                continue
            }
            compare(old, new)
        }
        let place = current.methods.first?.position ?? Position(line: 1, column: 1)
        compareReserved(
            released.reservedMethods, current.reservedMethods, "methods", place, "reserved method")
        for method in current.methods {
            refuseReserved(method.number, method.name, released.reservedMethods, method.position)
        }
    }

    private mutating func compare(_ old: Method, _ new: Method) {
        let facts: [(String, String, String)] = [
            ("request", old.request, new.request), ("response", old.response, new.response),
            ("streaming", String(old.isStreaming), String(new.isStreaming)),
            ("idempotence", String(old.isIdempotent), String(new.isIdempotent)),
            ("scope", old.scope.rawValue, new.scope.rawValue),
        ]
        for (what, before, after) in facts where before != after {
            add(
                .methodChanged, at: new.position, "\(old.name): \(what) was \(before) and is \(after)",
                remedy: "keep it; declare a new method with a new number")
        }
        if new.bodyBytesMax < old.bodyBytesMax {
            add(
                .limitLowered, at: new.position,
                "\(old.name): largest body fell from \(old.bodyBytesMax) to \(new.bodyBytesMax)",
                remedy: "keep it at \(old.bodyBytesMax) or higher: released peers may use all of it")
        }
    }

    // MARK: Reserved

    private mutating func compareReserved(
        _ old: Reserved, _ new: Reserved, _ what: String, _ position: Position, _ word: String = "reserved"
    ) {
        for number in old.numbers.subtracting(new.numbers).sorted() {
            add(
                .reservationDropped, at: position, "\(what): \(number) is no longer reserved",
                remedy: "write `\(word) \(number)`")
        }
        for name in old.names.subtracting(new.names).sorted() {
            add(
                .reservationDropped, at: position, "\(what): \"\(name)\" is no longer reserved",
                remedy: "write `\(word) \"\(name)\"`")
        }
    }

    private mutating func refuseReserved(_ number: Int, _ name: String, _ old: Reserved, _ position: Position)
    {
        guard old.numbers.contains(number) || old.names.contains(name) else { return }
        add(
            .reservedUsed, at: position, "`\(name)` = \(number) uses what was reserved",
            remedy: "take a number and a name that were never used")
    }
}
