// From an address to its recipient key, without allocating for ASCII addresses. While there are several key
// epochs, the index says under which of them the contact point is known.

import ConsentDomain
import ConsentIndex

/// Normalises and hashes addresses of one controller and kind.
struct AddressKeyer {
    private let core: ServerCore
    private let controller: ControllerID
    private let kind: ContactKind
    private let region: PhoneRegion?

    init(_ core: ServerCore, controller: Controller, kind: ContactKind) {
        self.core = core
        self.controller = controller.id
        self.kind = kind
        region = PhoneRegion(code: controller.region)
    }

    /// For a question whose channel and controller were found valid.
    @inline(__always)
    init(_ connection: Connection, _ question: CheckHandler.Question) {
        core = connection.core
        controller = ControllerID(rawValue: question.controller)
        kind = Channel(rawValue: question.channel)?.contactKind ?? .opaque
        region = connection.catalogue.phoneRegion(of: question.controller)
    }

    /// Bytes of working memory for an address: its normal form, and what hashing wants in front and behind.
    private static let roomByteCount = 8 + ContactAddress.scratchByteCount + 8

    /// The key of one address.
    @inline(__always)
    func key(of utf8: UnsafeRawBufferPointer) -> Result<RecipientKey, AddressError> {
        withUnsafeTemporaryAllocation(byteCount: Self.roomByteCount, alignment: 16) { room in
            do throws(AddressError) {
                let scratch = UnsafeMutableRawBufferPointer(rebasing: room[8..<room.count - 8])
                let count = try ContactAddress.normalise(utf8, kind: kind, region: region, into: scratch)
                guard let normalised = scratch.baseAddress else { throw .empty }
                let home = core.keyring.home(
                    controller: controller, kind: kind, inRoom: normalised, count: count,
                    isKnown: { core.index.contains($0) })
                return .success(home.key)
            } catch {
                return .failure(error)
            }
        }
    }

    /// The key of one address.
    func key(of text: String) -> Result<RecipientKey, AddressError> {
        var text = text
        return text.withUTF8 { key(of: UnsafeRawBufferPointer($0)) }
    }

    /// Addresses that are hashed at once.
    private static let laneCount = 4

    /// The keys of many addresses, in order; one that has no key is named to `refuse`.
    /// - Parameters:
    ///   - offsets: count + 1 ascending u32, checked by the view.
    ///   - keys: room for `count` keys.
    func keys(
        offsets: RawSpan, addresses: RawSpan, count: Int, into keys: UnsafeMutablePointer<RecipientKey>,
        refuse: (Int) -> Void
    ) {
        let lanes = core.keyring.hashesFour ? Self.laneCount : 1
        withUnsafeTemporaryAllocation(byteCount: Self.laneCount * Self.roomByteCount, alignment: 16) {
            rooms in
            withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer.self, capacity: Self.laneCount) {
                starts in
                withUnsafeTemporaryAllocation(of: UInt32.self, capacity: Self.laneCount) { counts in
                    var waiting = Lanes(rooms: rooms, starts: starts, counts: counts)
                    addresses.withUnsafeBytes { bytes in
                        var start = 0
                        for position in 0..<count {
                            let end = Int(offsets.load(UInt32.self, at: 4 * (position + 1)))
                            let address = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
                            start = end
                            if waiting.take(address, at: position, self) {
                                if waiting.count == lanes { waiting.hash(self, into: keys) }
                            } else {
                                keys[position] = RecipientKey(low: 0, high: 0)
                                refuse(position)
                            }
                        }
                    }
                    waiting.hash(self, into: keys)
                }
            }
        }
    }

    /// Addresses that were normalised and wait to be hashed.
    private struct Lanes {
        let rooms: UnsafeMutableRawBufferPointer
        let starts: UnsafeMutableBufferPointer<UnsafeMutableRawPointer>
        let counts: UnsafeMutableBufferPointer<UInt32>
        var positions: [4 of Int] = [0, 0, 0, 0]
        var count = 0

        init(
            rooms: UnsafeMutableRawBufferPointer, starts: UnsafeMutableBufferPointer<UnsafeMutableRawPointer>,
            counts: UnsafeMutableBufferPointer<UInt32>
        ) {
            self.rooms = rooms
            self.starts = starts
            self.counts = counts
        }

        /// Normalises an address into the next lane; false where it can't be.
        @inline(__always)
        mutating func take(_ address: UnsafeRawBufferPointer, at position: Int, _ keyer: AddressKeyer) -> Bool
        {
            let first = count * AddressKeyer.roomByteCount + 8
            let scratch = UnsafeMutableRawBufferPointer(
                rebasing: rooms[first..<first + ContactAddress.scratchByteCount])
            guard let start = scratch.baseAddress,
                let byteCount = try? ContactAddress.normalise(
                    address, kind: keyer.kind, region: keyer.region, into: scratch)
            else { return false }
            starts[count] = start
            counts[count] = UInt32(byteCount)
            positions[count] = position
            count += 1
            return true
        }

        /// Writes the keys of all that wait.
        @inline(__always)
        mutating func hash(_ keyer: AddressKeyer, into keys: UnsafeMutablePointer<RecipientKey>) {
            if count == AddressKeyer.laneCount, let starts = starts.baseAddress,
                let counts = counts.baseAddress
            {
                withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2 * AddressKeyer.laneCount) {
                    hashes in
                    guard let words = hashes.baseAddress else { return }
                    keyer.core.keyring.homesOfFour(
                        controller: keyer.controller, kind: keyer.kind, inRoom: starts, counts: counts,
                        hashes: words)
                    for lane in 0..<AddressKeyer.laneCount {
                        keys[positions[lane]] = RecipientKey(low: words[2 * lane], high: words[2 * lane + 1])
                    }
                }
            } else {
                for lane in 0..<count {
                    keys[positions[lane]] =
                        keyer.core.keyring.home(
                            controller: keyer.controller, kind: keyer.kind, inRoom: starts[lane],
                            count: Int(counts[lane]), isKnown: { keyer.core.index.contains($0) }
                        ).key
                }
            }
            count = 0
        }
    }
}
