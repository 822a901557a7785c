// How Redis and memcached are asked, and where their answers end.
//
// A key is 16 bytes, made from the population's seed and the recipient's number; consentd's own keys look
// just like it. Under it stands one byte: the character '0' with a bit set for each purpose that is allowed.
//
//   redis, get          GET key · MGET key …        $1 7 · *n $1 7 $-1 …
//   redis, smismember   SMISMEMBER allowed:P key …  *n :1 :0 …          a set of allowed keys a purpose
//   memcached, get      get KEY …                   VALUE KEY 0 1 7 … END
//
// memcached's keys are base64url, for they may hold no space. Invariant: the answer to a request about known
// keys is known byte for byte, so that the usual way to judge one is a comparison of memory.

import WireProtocol

/// A server on which the same load is put, to compare.
package enum PeerKind: String, CaseIterable, Sendable {
    /// Redis, by RESP2.
    case redis
    /// memcached, by its text protocol.
    case memcached
}

/// What a peer is asked with.
package enum PeerCommand: String, CaseIterable, Sendable {
    /// A value by its key: GET and MGET, or memcached's get.
    case get
    /// Redis: which of some keys are in the set of those that are allowed.
    case smismember
}

/// Requests and answers of a peer as bytes.
package struct PeerFormat: Hashable, Sendable {
    /// Which server.
    package let kind: PeerKind
    /// Asked with what.
    package let command: PeerCommand

    /// Bytes of a key.
    static let keyBytes = 16
    /// Key of the population's mark.
    static let markKey = "load-population"

    /// - Parameters:
    ///   - kind: which server.
    ///   - command: asked with what.
    package init(kind: PeerKind, command: PeerCommand) throws(LoadError) {
        guard kind == .redis || command == .get else {
            throw .usage("--peer-command \(command.rawValue) is for --peer redis")
        }
        self.kind = kind
        self.command = command
    }

    /// Name of the row in a report.
    package func name(batch: Int) -> String {
        switch (kind, command) {
        case (.redis, .smismember): "redis SMISMEMBER"
        case (.redis, .get): batch == 1 ? "redis GET" : "redis MGET"
        case (.memcached, _): "memcached get"
        }
    }

    // MARK: Questions

    /// Appends a question about keys.
    func appendQuestion(about keys: [[UInt8]], purpose: UInt8, to bytes: inout [UInt8]) {
        switch (kind, command) {
        case (.redis, .get):
            PeerFormat.redis([Array((keys.count == 1 ? "GET" : "MGET").utf8)] + keys, to: &bytes)
        case (.redis, .smismember):
            PeerFormat.redis(
                [Array("SMISMEMBER".utf8), PeerFormat.setName(purpose)] + keys, to: &bytes)
        case (.memcached, _):
            bytes += "get".utf8
            for key in keys {
                bytes.append(UInt8(ascii: " "))
                bytes += Base64.name(key)
            }
            bytes += "\r\n".utf8
        }
    }

    /// Appends the right answer to it.
    ///
    /// - Parameter values: the byte under each key; nil: there is none.
    func appendAnswer(
        about keys: [[UInt8]], values: [UInt8?], purpose: UInt8, to bytes: inout [UInt8]
    ) {
        if kind == .redis && (command == .smismember || keys.count > 1) { bytes += "*\(keys.count)\r\n".utf8 }
        for (key, value) in zip(keys, values) {
            switch (kind, command) {
            case (.redis, .get):
                bytes += value == nil ? "$-1\r\n".utf8 : "$1\r\n".utf8
                if let value { bytes += [value, 13, 10] }
            case (.redis, .smismember):
                let isMember = value.map { PeerFormat.allows($0, purpose) } ?? false
                bytes += (isMember ? ":1\r\n" : ":0\r\n").utf8
            case (.memcached, _):
                guard let value else { continue }
                bytes += "VALUE ".utf8 + Base64.name(key) + " 0 1\r\n".utf8 + [value, 13, 10]
            }
        }
        if kind == .memcached { bytes += "END\r\n".utf8 }
    }

    // MARK: Writing

    /// Appends what records keys and the bytes under them, and the answer that means that it was done.
    func appendWrite(
        _ keys: [[UInt8]], values: [UInt8], to bytes: inout [UInt8], answer: inout [UInt8]
    ) {
        switch (kind, command) {
        case (.redis, .get):
            let pairs = zip(keys, values).flatMap { [$0, [$1]] }
            PeerFormat.redis([Array("MSET".utf8)] + pairs, to: &bytes)
            answer += "+OK\r\n".utf8
        case (.redis, .smismember):
            for purpose in PeerFormat.purposes {
                let members = zip(keys, values).filter { PeerFormat.allows($1, purpose) }.map(\.0)
                guard !members.isEmpty else { continue }
                PeerFormat.redis([Array("SADD".utf8), PeerFormat.setName(purpose)] + members, to: &bytes)
                answer += ":\(members.count)\r\n".utf8
            }
        case (.memcached, _):
            for (key, value) in zip(keys, values) {
                bytes += "set ".utf8 + Base64.name(key) + " 0 0 1\r\n".utf8 + [value, 13, 10]
                answer += "STORED\r\n".utf8
            }
        }
    }

    /// What writes the mark.
    func markRequest(_ mark: String) -> [UInt8] {
        var bytes: [UInt8] = []
        switch kind {
        case .redis:
            PeerFormat.redis(["SET", markName, mark].map { Array($0.utf8) }, to: &bytes)
        case .memcached:
            bytes += "set \(markName) 0 0 \(mark.utf8.count)\r\n\(mark)\r\n".utf8
        }
        return bytes
    }

    /// What reads the mark.
    var markQuestion: [UInt8] {
        var bytes: [UInt8] = []
        switch kind {
        case .redis: PeerFormat.redis(["GET", markName].map { Array($0.utf8) }, to: &bytes)
        case .memcached: bytes += "get \(markName)\r\n".utf8
        }
        return bytes
    }

    /// Values and sets are two loads of one Redis, each with a mark.
    private var markName: String { command == .get ? PeerFormat.markKey : PeerFormat.markKey + "-sets" }

    // MARK: Answers

    /// Where an answer ends; nil: it is not all there.
    ///
    /// - Parameters:
    ///   - bytes: they start with the answer.
    ///   - parts: Redis: answers that make it up. memcached: 0 for an answer that closes with END, otherwise
    ///     its lines.
    /// - Throws: the peer's own words where it answers with an error.
    func end(of bytes: RawSpan, parts: Int) throws(DialogueFailure) -> Int? {
        var left = max(parts, 1)
        var place = 0
        while left > 0 {
            guard let line = PeerFormat.line(of: bytes, from: place) else { return nil }
            place = line.upperBound + 2
            guard !line.isEmpty else { throw DialogueFailure("the peer sent an empty line") }
            switch (kind, bytes.load(UInt8.self, at: line.lowerBound)) {
            case (.redis, UInt8(ascii: "$")):
                let length = try PeerFormat.number(bytes, line.dropFirst())
                if length >= 0 { place += length + 2 }
            case (.redis, UInt8(ascii: "*")): left += max(try PeerFormat.number(bytes, line.dropFirst()), 0)
            case (.redis, UInt8(ascii: ":")), (.redis, UInt8(ascii: "+")): break
            case (.memcached, UInt8(ascii: "V")):
                let lastSpace = line.last { bytes.load(UInt8.self, at: $0) == 32 } ?? line.lowerBound
                place += try PeerFormat.number(bytes, lastSpace + 1..<line.upperBound) + 2
                left += 1
            case (.memcached, UInt8(ascii: "E")) where PeerFormat.text(bytes, line) == "END": break
            case (.memcached, UInt8(ascii: "S")) where PeerFormat.text(bytes, line) == "STORED": break
            default: throw DialogueFailure("the peer answered: \(PeerFormat.text(bytes, line))")
            }
            guard place <= bytes.byteCount else { return nil }
            left -= 1
        }
        return place
    }

    /// The texts in an answer, in order; nil for what is not there. For answers that are looked at closely.
    func values(in answer: RawSpan) -> [[UInt8]?] {
        var values: [[UInt8]?] = []
        var place = 0
        while let line = PeerFormat.line(of: answer, from: place), !line.isEmpty {
            place = line.upperBound + 2
            switch answer.load(UInt8.self, at: line.lowerBound) {
            case UInt8(ascii: ":"):
                values.append(PeerFormat.bytes(answer, line.dropFirst()))
            case UInt8(ascii: "$") where PeerFormat.text(answer, line) == "$-1": values.append(nil)
            case UInt8(ascii: "$"), UInt8(ascii: "V"):
                guard let value = PeerFormat.line(of: answer, from: place) else { return values }
                values.append(PeerFormat.bytes(answer, value))
                place = value.upperBound + 2
            default: break
            }
        }
        return values
    }

    // MARK: Parts

    /// Purposes with a bit, and with a set.
    static let purposes = PopulationPurpose.marketing.map(\.id) + [PopulationPurpose.service.id]

    /// The byte under a key.
    static func value(allowing purposes: [UInt8]) -> UInt8 {
        UInt8(ascii: "0") + purposes.reduce(0) { $0 | 1 << ($1 - 1) }
    }

    private static func allows(_ value: UInt8, _ purpose: UInt8) -> Bool {
        (value - UInt8(ascii: "0")) & 1 << (purpose - 1) != 0
    }

    private static func setName(_ purpose: UInt8) -> [UInt8] { Array("allowed:\(purpose)".utf8) }

    private static func redis(_ words: [[UInt8]], to bytes: inout [UInt8]) {
        bytes += "*\(words.count)\r\n".utf8
        for word in words {
            bytes += "$\(word.count)\r\n".utf8
            bytes += word
            bytes += [13, 10]
        }
    }

    private static func line(of bytes: RawSpan, from start: Int) -> Range<Int>? {
        var place = start
        while place + 1 < bytes.byteCount {
            if bytes.load(UInt8.self, at: place) == 13 && bytes.load(UInt8.self, at: place + 1) == 10 {
                return start..<place
            }
            place += 1
        }
        return nil
    }

    private static func bytes(_ bytes: RawSpan, _ range: Range<Int>) -> [UInt8] {
        range.map { bytes.load(UInt8.self, at: $0) }
    }

    private static func text(_ bytes: RawSpan, _ range: Range<Int>) -> String {
        String(decoding: PeerFormat.bytes(bytes, range), as: UTF8.self)
    }

    /// A length or count; -1 is Redis's "nothing".
    private static func number(_ bytes: RawSpan, _ range: Range<Int>) throws(DialogueFailure) -> Int {
        guard let number = Int(text(bytes, range)), (-1...1 << 29).contains(number) else {
            throw DialogueFailure("the peer sent a length that is none")
        }
        return number
    }
}

extension Population {
    /// The key of a recipient, or of a miss, in a peer.
    func peerKey(of number: Int, space: AddressSpace) -> [UInt8] {
        let tag: UInt64 = space == .seeded ? 0x7065_6572 : 0x6d69_7373
        let words = [
            Mix64.hash(seed, tag, UInt64(number)), Mix64.hash(~seed, tag, UInt64(number)),
        ]
        return words.flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } }
    }

    /// The byte that a peer holds for a recipient: what the day before which all happened allows.
    func peerValue(of recipient: Int) -> UInt8 {
        PeerFormat.value(
            allowing: PeerFormat.purposes.filter {
                ExpectedReason.isAllow(expectedReason(of: recipient, purpose: $0, today: anchorDay))
            })
    }
}
