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
    static let roomByteCount = 8 + ContactAddress.scratchByteCount + 8

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

    /// The keys of many addresses, in order; one that has no key is named to `refuse`.
    /// - Parameters:
    ///   - offsets: count + 1 ascending u32, checked by the view.
    ///   - lanes: working memory.
    ///   - keys: room for `count` keys.
    func keys(
        offsets: RawSpan, addresses: RawSpan, count: Int, lanes: AddressLanes,
        into keys: UnsafeMutablePointer<RecipientKey>, refuse: (Int) -> Void
    ) {
        let group = core.keyring.hashesFour ? AddressLanes.laneCount : 1
        addresses.withUnsafeBytes { bytes in
            var start = 0
            for position in 0..<count {
                let end = Int(offsets.load(UInt32.self, at: 4 * (position + 1)))
                let address = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
                start = end
                if normalise(address, at: position, into: lanes) {
                    if lanes.count == group { hash(lanes, into: keys) }
                } else {
                    keys[position] = RecipientKey(low: 0, high: 0)
                    refuse(position)
                }
            }
        }
        hash(lanes, into: keys)
    }

    /// Normalises an address into the next lane; false where it can't be.
    @inline(__always)
    private func normalise(
        _ address: UnsafeRawBufferPointer, at position: Int, into lanes: AddressLanes
    ) -> Bool {
        let lane = lanes.count
        let scratch = UnsafeMutableRawBufferPointer(
            start: lanes.starts[lane], count: ContactAddress.scratchByteCount)
        guard let count = try? ContactAddress.normalise(address, kind: kind, region: region, into: scratch)
        else { return false }
        lanes.counts[lane] = UInt32(count)
        lanes.positions[lane] = position
        lanes.count = lane + 1
        return true
    }

    /// Writes the keys of all that wait.
    @inline(__always)
    private func hash(_ lanes: AddressLanes, into keys: UnsafeMutablePointer<RecipientKey>) {
        if lanes.count == AddressLanes.laneCount {
            core.keyring.homesOfFour(
                controller: controller, kind: kind, inRoom: lanes.starts, counts: lanes.counts,
                hashes: lanes.hashes)
            for lane in 0..<AddressLanes.laneCount {
                keys[lanes.positions[lane]] = RecipientKey(
                    low: lanes.hashes[2 * lane], high: lanes.hashes[2 * lane + 1])
            }
        } else {
            for lane in 0..<lanes.count {
                let home = core.keyring.home(
                    controller: controller, kind: kind, inRoom: lanes.starts[lane],
                    count: Int(lanes.counts[lane]), isKnown: { core.index.contains($0) })
                keys[lanes.positions[lane]] = home.key
            }
        }
        lanes.count = 0
    }
}

/// Addresses that were normalised and wait to be hashed together. Only its event loop touches it.
///
/// Invariant: between two batches `count` is 0.
final class AddressLanes {
    /// Addresses that are hashed at once.
    static let laneCount = 4

    /// Where each lane's address stands, with room around it.
    let starts = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: laneCount)
    let counts = UnsafeMutablePointer<UInt32>.allocate(capacity: laneCount)
    /// Places in the batch.
    let positions = UnsafeMutablePointer<Int>.allocate(capacity: laneCount)
    /// Low and high words of the keys.
    let hashes = UnsafeMutablePointer<UInt64>.allocate(capacity: 2 * laneCount)
    @exclusivity(unchecked) var count = 0
    private let rooms = UnsafeMutableRawPointer.allocate(
        byteCount: laneCount * AddressKeyer.roomByteCount, alignment: 16)

    init() {
        rooms.initializeMemory(
            as: UInt8.self, repeating: 0, count: Self.laneCount * AddressKeyer.roomByteCount)
        for lane in 0..<Self.laneCount {
            (starts + lane).initialize(to: rooms + (lane * AddressKeyer.roomByteCount + 8))
        }
        counts.initialize(repeating: 0, count: Self.laneCount)
        positions.initialize(repeating: 0, count: Self.laneCount)
        hashes.initialize(repeating: 0, count: 2 * Self.laneCount)
    }

    deinit {
        rooms.deallocate()
        starts.deallocate()
        counts.deallocate()
        positions.deallocate()
        hashes.deallocate()
    }
}
