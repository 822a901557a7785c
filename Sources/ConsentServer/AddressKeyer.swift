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

    /// The key of one address.
    @inline(__always)
    func key(of utf8: UnsafeRawBufferPointer) -> Result<RecipientKey, AddressError> {
        withUnsafeTemporaryAllocation(byteCount: Self.roomByteCount, alignment: 16) { room in
            key(of: utf8, in: room)
        }
    }

    /// Bytes of working memory for an address: its normal form, and what hashing wants in front and behind.
    static let roomByteCount = 8 + ContactAddress.scratchByteCount + 8

    /// The same in working memory of `roomByteCount` bytes.
    @inline(__always)
    func key(
        of utf8: UnsafeRawBufferPointer, in room: UnsafeMutableRawBufferPointer
    ) -> Result<RecipientKey, AddressError> {
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

    /// The key of one address.
    func key(of text: String) -> Result<RecipientKey, AddressError> {
        var text = text
        return text.withUTF8 { key(of: UnsafeRawBufferPointer($0)) }
    }
}
