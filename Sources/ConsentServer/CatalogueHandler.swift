// The catalogue's methods: changes go through the register, reads come from the snapshot at hand.

import ConsentDomain
import ConsentWire
import WireProtocol

enum CatalogueHandler {
    static func putController(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan)
        throws(WireError)
    {
        let request = try Wire.PutControllerRequest(decoding: body)
        do throws(CatalogueMappingError) {
            let controller = try Controller(request.controller)
            let holder = connection.core.board.current.catalogue.controllers[controller.id]
            guard mayChange([controller.code, holder?.code ?? controller.code], connection, header) else {
                return
            }
            WriteHandler.enqueue(connection, header, .putController(controller))
        } catch {
            refuse(connection, header, "\(error)")
        }
    }

    static func putPurpose(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError)
    {
        let request = try Wire.PutPurposeRequest(decoding: body)
        do throws(CatalogueMappingError) {
            WriteHandler.enqueue(connection, header, .putPurpose(try Purpose(request.purpose)))
        } catch {
            refuse(connection, header, "\(error)")
        }
    }

    static func putNotice(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError)
    {
        let request = try Wire.PutNoticeRequest(decoding: body)
        do throws(CatalogueMappingError) {
            let notice = try Notice(request.notice)
            for controller in notice.controllers {
                guard connection.mayActFor(controller.rawValue, header) else { return }
            }
            WriteHandler.enqueue(connection, header, .putNotice(notice))
        } catch {
            refuse(connection, header, "\(error)")
        }
    }

    static func invalidateNotice(
        _ connection: Connection, _ header: FrameHeader, _ body: RawSpan
    ) throws(WireError) {
        let request = try Wire.InvalidateNoticeRequest(decoding: body)
        guard request.reason.utf8.count <= Wire.Limits.textBytesMax else {
            throw .overLimit(
                name: "reason", value: request.reason.utf8.count, limit: Wire.Limits.textBytesMax)
        }
        let notice = connection.core.board.current.catalogue.notices[Digest32(request.notice)]
        for controller in notice?.controllers ?? [] {
            guard connection.mayActFor(controller.rawValue, header) else { return }
        }
        WriteHandler.enqueue(
            connection, header,
            .invalidateNotice(
                Digest32(request.notice), reason: request.reason,
                effective: max(.epoch, Timestamp(wire: request.effective) ?? .epoch)))
    }

    static func catalogue(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError)
    {
        let request = try Wire.CatalogueRequest(decoding: body)
        let catalogue = connection.catalogue.catalogue
        var response = Wire.CatalogueResponse()
        response.sequence = catalogue.sequence
        if let id = request.notice {
            guard let notice = catalogue.notices[Digest32(id)] else {
                return connection.reject(
                    header.stream, .notFound, "no notice has id \(id): see consentctl notice list")
            }
            response.notices = [Wire.Notice(notice, id: Digest32(id), withText: request.texts)]
        } else {
            response.controllers = catalogue.controllers.values.sorted { $0.id < $1.id }.map(
                Wire.Controller.init)
            response.purposes = catalogue.purposes.values.sorted { $0.id < $1.id }.map(Wire.Purpose.init)
            for id in catalogue.noticeOrdinals {
                guard let notice = catalogue.notices[id] else { continue }
                response.notices.append(Wire.Notice(notice, id: id, withText: request.texts))
            }
        }
        let frame = connection.output.beginFrame(.response, stream: header.stream)
        response.encode(into: &connection.output)
        if connection.takeBackIfTooLong(frame) {
            return connection.reject(
                header.stream, .resourceExhausted,
                "the catalogue is longer than a body may be: ask without texts, or for one notice")
        }
        connection.output.endFrame(frame, compressIfUseful: connection.state.agreement.allowsCompression)
    }

    static func memo(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.MemoRequest(decoding: body)
        let memo = Memo.current(locale: request.locale)
        let frame = connection.output.beginFrame(.response, stream: header.stream)
        Wire.MemoResponse(id: Wire.Bytes32(memo.id), locale: memo.locale, text: memo.text)
            .encode(into: &connection.output)
        connection.output.endFrame(frame)
    }

    /// Whether the caller may act for controllers of these codes, one of which may be new.
    private static func mayChange(
        _ codes: Set<String>, _ connection: Connection, _ header: FrameHeader
    ) -> Bool {
        guard !codes.allSatisfy(connection.access.client.definition.controllers.covers) else { return true }
        connection.deny(
            header, because: "controller",
            "client \(connection.access.clientName) may not change this controller: see its controllers in the "
                + "credentials file")
        return false
    }

    private static func refuse(_ connection: Connection, _ header: FrameHeader, _ message: String) {
        connection.reject(header.stream, .invalidArgument, message, notExecuted: true)
        connection.endCall(header.stream)
    }
}
