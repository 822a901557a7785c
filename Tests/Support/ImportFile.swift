// A file of import rows about one salon, as large as a test wants it.

import ConsentClient
import Foundation

/// Writes rows that `consentctl import` takes.
public struct ImportFile: Sendable {
    /// The header line.
    public static let header =
        "event,controller,channels,purposes,email,phone,reference,occurred_at,source,act,notice\n"

    private let notice: String

    /// Rows of grants under the salon's notice.
    public init(_ salon: Salon) { notice = salon.notice.hex }

    /// Rows by number: every twentieth a refusal, the others grants; each of a person of its own.
    public func rows(_ numbers: Range<Int>) -> String {
        var text = ""
        for number in numbers {
            let isRefusal = number % 20 == 19
            text += isRefusal ? "refuse,salon-lyon,all,all," : "grant,salon-lyon,email,promotions|newsletter,"
            text += "person\(number)@example.fr,,C-\(number),"
            text += "2026-0\(1 + number % 6)-1\(number % 10)T10:\(10 + number % 50):00+01:00,salon,"
            text += isRefusal ? ",\n" : "ticked-box,\(notice)\n"
        }
        return text
    }

    /// Writes a file of so many rows.
    public func write(_ count: Int, to path: String) throws {
        try Data((Self.header + rows(0..<count)).utf8).write(to: URL(fileURLWithPath: path))
    }
}
