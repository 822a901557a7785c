// The schema's names of numbers, and back. A number without a name reads as its digits.

import ConsentDomain
import WireProtocol

/// Names as in Protocol/consent.schema.
package enum Names {
    package static func reason(_ code: UInt8) -> String {
        Wire.Reason(rawValue: code).name ?? "reason_\(code)"
    }
    package static func refusal(_ code: UInt16) -> String {
        Wire.Refusal(rawValue: code).name ?? "refusal_\(code)"
    }
    package static func decision(_ value: Decision) -> String { "\(value)" }
    package static func channel(_ value: Channel) -> String {
        Wire.Channel(rawValue: value.rawValue).name ?? "?"
    }
    package static func kind(_ code: UInt8) -> String {
        Wire.EventKind(rawValue: code).name ?? "kind_\(code)"
    }
    package static func source(_ value: Source) -> String {
        Wire.Source(rawValue: value.rawValue).name ?? "?"
    }
    package static func act(_ value: Act) -> String { Wire.Act(rawValue: value.rawValue).name ?? "?" }
    package static func state(_ value: CellState) -> String {
        Wire.CellState(rawValue: value.rawValue).name ?? "?"
    }
    package static func contactKind(_ value: ContactKind) -> String {
        Wire.ContactKind(rawValue: value.rawValue).name ?? "?"
    }
    package static func box(_ value: BoxDefault) -> String {
        Wire.BoxDefault(rawValue: value.rawValue).name ?? "?"
    }
    package static func controllerKind(_ value: ControllerKind) -> String {
        Wire.ControllerKind(rawValue: value.rawValue).name ?? "?"
    }
    package static func purposeClass(_ value: PurposeClass) -> String {
        Wire.PurposeClass(rawValue: value.rawValue).name ?? "?"
    }
    package static func serving(_ value: ServingState) -> String {
        Wire.ServingState(rawValue: value.rawValue).name ?? "?"
    }

    /// The value with this name; `-` and `_` are the same. Nil when no value has it.
    package static func value<Value: CaseIterable>(_ name: String, _ nameOf: (Value) -> String) -> Value? {
        let wanted = name.replacing("-", with: "_")
        return Value.allCases.first { nameOf($0) == wanted }
    }

    /// All names, dashes for underscores, for a message that lists them.
    package static func all<Value: CaseIterable>(_ nameOf: (Value) -> String) -> String {
        Value.allCases.map { nameOf($0).replacing("_", with: "-") }.joined(separator: ", ")
    }

    /// The attestations by name, in the order of their bits.
    package static let attestations: [(name: String, value: Attestations)] = [
        ("free", .free), ("specific", .specific), ("informed", .informed), ("unambiguous", .unambiguous),
        ("affirmative", .affirmative),
    ]
}
