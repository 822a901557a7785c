// The catalogue as the event loops see it.
//
// The writer thread posts a new snapshot; each connection keeps a reference and asks one atomic, once a read
// burst, whether a newer one was posted. A change is posted before it is acknowledged, so no answer given
// after the acknowledgement of a change relies on the catalogue before it.

import ConsentDomain
import Synchronization

/// An immutable catalogue with what checks need of it at hand.
final class CatalogueSnapshot: Sendable {
    let version: UInt64
    let catalogue: Catalogue
    /// What decides about whole requests.
    let checkGuard: CheckGuard
    /// Slot constants by the controller's place in `checkGuard`.
    private let constants: [SlotKey]
    /// Regions whose national phone numbers are understood, by the same places.
    private let phoneRegions: [PhoneRegion?]

    init(version: UInt64, catalogue: Catalogue, keyring: RecipientKeyring) {
        self.version = version
        self.catalogue = catalogue
        checkGuard = CheckGuard(catalogue)
        var constants = [SlotKey](repeating: SlotKey(low: 0, high: 0), count: checkGuard.placeCount)
        var phoneRegions = [PhoneRegion?](repeating: nil, count: checkGuard.placeCount)
        for (id, controller) in catalogue.controllers {
            guard let place = checkGuard.place(of: id.rawValue) else { continue }
            constants[place] = keyring.slotConstant(id)
            phoneRegions[place] = PhoneRegion(code: controller.region)
        }
        self.constants = constants
        self.phoneRegions = phoneRegions
    }

    /// The slot constant of a controller; nil for an unknown one.
    @inline(__always)
    func slotConstant(of controller: UInt32) -> SlotKey? {
        checkGuard.place(of: controller).map { constants[$0] }
    }

    /// The region of a controller; nil for an unknown one, or where none is understood.
    @inline(__always)
    func phoneRegion(of controller: UInt32) -> PhoneRegion? {
        checkGuard.place(of: controller).flatMap { phoneRegions[$0] }
    }
}

/// Where the newest snapshot hangs.
final class CatalogueBoard: Sendable {
    private let newest: Mutex<CatalogueSnapshot>
    private let version: Atomic<UInt64>

    init(_ snapshot: CatalogueSnapshot) {
        newest = Mutex(snapshot)
        version = Atomic(snapshot.version)
    }

    /// Writer thread only.
    func post(_ snapshot: CatalogueSnapshot) {
        newest.withLock { $0 = snapshot }
        version.store(snapshot.version, ordering: .releasing)
    }

    /// Whether a newer one was posted.
    @inline(__always)
    func isNewer(than snapshot: CatalogueSnapshot) -> Bool {
        version.load(ordering: .acquiring) != snapshot.version
    }

    /// The newest snapshot.
    var current: CatalogueSnapshot { newest.withLock { $0 } }
}
