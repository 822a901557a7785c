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
    /// Slot constants by controller.
    let constants: [ControllerID: SlotKey]

    init(version: UInt64, catalogue: Catalogue, keyring: RecipientKeyring) {
        self.version = version
        self.catalogue = catalogue
        checkGuard = CheckGuard(catalogue)
        constants = catalogue.controllers.mapValues { keyring.slotConstant($0.id) }
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

    /// Replaces `snapshot` when a newer one was posted.
    @inline(__always)
    func refresh(_ snapshot: inout CatalogueSnapshot) {
        if version.load(ordering: .acquiring) != snapshot.version { snapshot = newest.withLock { $0 } }
    }

    /// The newest snapshot.
    var current: CatalogueSnapshot { newest.withLock { $0 } }
}
