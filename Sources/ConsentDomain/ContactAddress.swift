// An address that was normalised: what is hashed into a recipient key, and never logged.
//
// Invariant: normalised bytes depend on the address and, for national phone numbers, on the region alone;
// nothing that prints a value of this type shows the address.

/// A normalised address. Prints as `<redacted>`.
public struct ContactAddress: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// What kind of contact point it is.
    public let kind: ContactKind
    /// UTF-8 of the normalised address, 1…254 bytes.
    public let normalised: [UInt8]

    /// Bytes of a normalised address at most.
    public static let byteCountMax = 254
    /// Bytes that a scratch buffer for `normalise` has at least.
    public static let scratchByteCount = 512

    /// Normalises a text.
    /// - Parameter region: region whose national phone numbers are understood; nil: none.
    public init(kind: ContactKind, text: String, region: PhoneRegion?) throws(AddressError) {
        var text = text
        self = try Self.reading(&text, kind: kind, region: region)
    }

    /// Normalises UTF-8 bytes.
    public init(kind: ContactKind, utf8: UnsafeRawBufferPointer, region: PhoneRegion?) throws(AddressError) {
        self.kind = kind
        // In a scratch buffer first, so that what is kept is no larger than the address.
        let result = withUnsafeTemporaryAllocation(byteCount: Self.scratchByteCount, alignment: 8) {
            scratch in
            Result<[UInt8], AddressError> { () throws(AddressError) in
                let count = try Self.normalise(utf8, kind: kind, region: region, into: scratch)
                return [UInt8](scratch[..<count])
            }
        }
        normalised = try result.get()
    }

    private static func reading(
        _ text: inout String, kind: ContactKind, region: PhoneRegion?
    ) throws(AddressError) -> ContactAddress {
        let result = text.withUTF8 { buffer in
            Result<ContactAddress, AddressError> { () throws(AddressError) in
                try ContactAddress(kind: kind, utf8: UnsafeRawBufferPointer(buffer), region: region)
            }
        }
        return try result.get()
    }

    /// Normalises UTF-8 bytes into a scratch buffer; ASCII takes a path without allocation.
    /// - Parameters:
    ///   - utf8: the address as it was given.
    ///   - region: region whose national phone numbers are understood; nil: none.
    ///   - scratch: at least `scratchByteCount` bytes, not overlapping `utf8`.
    /// - Returns: count of bytes written, 1…254.
    @inlinable
    public static func normalise(
        _ utf8: UnsafeRawBufferPointer, kind: ContactKind, region: PhoneRegion?,
        into scratch: UnsafeMutableRawBufferPointer
    ) throws(AddressError) -> Int {
        switch kind {
        case .email: try EmailAddress.normalise(utf8, into: scratch)
        case .phone: try PhoneNumber.normalise(utf8, region: region, into: scratch)
        case .opaque: try OpaqueAddress.normalise(utf8, into: scratch)
        }
    }

    /// `<redacted>`.
    public var description: String { "<redacted>" }
    /// `<redacted>`.
    public var debugDescription: String { "<redacted>" }
    /// Shows nothing.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Push tokens, postal addresses and other texts that are compared as they are, after canonical composition.
public enum OpaqueAddress {
    /// Normalises into a scratch buffer.
    /// - Returns: count of bytes written, 1…254.
    public static func normalise(
        _ utf8: UnsafeRawBufferPointer, into scratch: UnsafeMutableRawBufferPointer
    ) throws(AddressError) -> Int {
        precondition(scratch.count >= ContactAddress.scratchByteCount)
        guard !utf8.isEmpty else { throw .empty }
        // Composition may shorten a text, to a third at the most.
        guard utf8.count <= 3 * ContactAddress.byteCountMax else { throw .tooLong }
        if utf8.allSatisfy({ $0 < 0x80 }) {
            guard utf8.count <= ContactAddress.byteCountMax else { throw .tooLong }
            scratch.copyMemory(from: utf8)
            return utf8.count
        }
        guard let text = String(validating: utf8, as: UTF8.self) else { throw .notUTF8 }
        let composed = Array(Normalisation.composed(text).utf8)
        guard composed.count <= ContactAddress.byteCountMax else { throw .tooLong }
        scratch.copyBytes(from: composed)
        return composed.count
    }
}
