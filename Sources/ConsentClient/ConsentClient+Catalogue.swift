// The catalogue: controllers, purposes and notices.

import ConsentDomain
import ConsentWire
import WireProtocol

extension ConsentClient {
    /// Writes a controller: a new one, or changes to one that is there.
    ///
    /// - Throws: any `ConsentClientError`; `.rejected` names what is wrong with it.
    public func putController(
        _ controller: Controller, timeout: Duration? = nil
    ) async throws(ConsentClientError) -> CatalogueChange {
        try await change(
            .putController, Wire.PutControllerRequest(controller: Wire.Controller(controller)), timeout)
    }

    /// Writes a purpose. Its class never changes and its number is never used again.
    ///
    /// - Throws: any `ConsentClientError`; `.rejected` names what is wrong with it.
    public func putPurpose(
        _ purpose: Purpose, timeout: Duration? = nil
    ) async throws(ConsentClientError) -> CatalogueChange {
        try await change(.putPurpose, Wire.PutPurposeRequest(purpose: Wire.Purpose(purpose)), timeout)
    }

    /// Writes a notice; its id, in the result, is the SHA-256 of its canonical form.
    ///
    /// - Throws: any `ConsentClientError`; `.rejected` names what is wrong with it.
    public func putNotice(
        _ notice: Notice, timeout: Duration? = nil
    ) async throws(ConsentClientError) -> CatalogueChange {
        var wire = Wire.Notice(notice, id: .zero, withText: true)
        wire.id = nil
        return try await change(.putNotice, Wire.PutNoticeRequest(notice: wire), timeout)
    }

    /// Invalidates a notice: consents given under it deny from `effective` on.
    ///
    /// - Parameter effective: nil: from the beginning.
    /// - Throws: any `ConsentClientError`.
    public func invalidateNotice(
        _ id: NoticeID, reason: String, effective: Timestamp? = nil, timeout: Duration? = nil
    ) async throws(ConsentClientError) -> CatalogueChange {
        let request = Wire.InvalidateNoticeRequest(
            notice: Wire.Bytes32(id), reason: reason, effective: effective?.microseconds)
        return try await change(.invalidateNotice, request, timeout)
    }

    /// Controllers, purposes and notices.
    ///
    /// - Parameters:
    ///   - texts: whether notices carry their texts.
    ///   - notice: only this notice; nil: all.
    /// - Throws: any `ConsentClientError`; `.malformedAnswer` for an entry that this library cannot
    ///   represent.
    public func catalogue(
        texts: Bool = false, notice: NoticeID? = nil, timeout: Duration? = nil
    ) async throws(ConsentClientError) -> CatalogueListing {
        let request = Wire.CatalogueRequest(texts: texts, notice: notice.map { Wire.Bytes32($0) })
        let response = try await call(.catalogue, request, as: Wire.CatalogueResponse.self, timeout: timeout)
        do throws(CatalogueMappingError) {
            return try CatalogueListing(wire: response)
        } catch {
            throw .malformedAnswer("\(error)")
        }
    }

    private func change<Request: WireMessage>(
        _ method: Wire.Method, _ request: Request, _ timeout: Duration?
    ) async throws(ConsentClientError) -> CatalogueChange {
        let response = try await call(method, request, as: Wire.CatalogueChange.self, timeout: timeout)
        core.noteSequence(response.sequence)
        return CatalogueChange(
            sequence: response.sequence, isUnchanged: response.unchanged,
            notice: response.notice.map { Digest32($0) })
    }
}
