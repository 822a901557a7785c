// From an address to its recipient key, without allocating for ASCII addresses.

import ConsentDomain
import ConsentIndex

/// Normalises and hashes addresses of one controller and kind.
struct AddressKeyer {
    let keyring: RecipientKeyring
    let controller: ControllerID
    let kind: ContactKind
    let region: PhoneRegion?

    init(keyring: RecipientKeyring, controller: Controller, kind: ContactKind) {
        self.keyring = keyring
        self.controller = controller.id
        self.kind = kind
        region = PhoneRegion(code: controller.region)
    }

    /// For a question whose channel and controller were found valid.
    init(_ connection: Connection, _ question: CheckHandler.Question) {
        keyring = connection.core.keyring
        controller = ControllerID(rawValue: question.controller)
        kind = Channel(rawValue: question.channel)?.contactKind ?? .opaque
        region = connection.catalogue.catalogue.controllers[controller].flatMap {
            PhoneRegion(code: $0.region)
        }
    }

    /// The key of one address.
    @inline(__always)
    func key(of utf8: UnsafeRawBufferPointer) -> Result<RecipientKey, AddressError> {
        withUnsafeTemporaryAllocation(byteCount: ContactAddress.scratchByteCount, alignment: 16) { scratch in
            do throws(AddressError) {
                let count = try ContactAddress.normalise(utf8, kind: kind, region: region, into: scratch)
                return .success(
                    keyring.recipientKey(
                        controller: controller, kind: kind,
                        normalised: UnsafeRawBufferPointer(rebasing: scratch[..<count])))
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
}
