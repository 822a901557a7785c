// Keys: recipient keys of a client's own addresses, so that it may check without sending them.

import ConsentDomain
import ConsentWire
import WireProtocol

enum KeysHandler {
    static func keys(_ connection: Connection, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try Wire.KeysRequestView(body)
        let count = Int(request.count)
        guard count <= Wire.Limits.batchItemsMax else {
            throw .overLimit(name: "count", value: count, limit: Wire.Limits.batchItemsMax)
        }
        guard let kind = ContactKind(request.kind) else {
            throw .overLimit(
                name: "kind", value: Int(request.kind.rawValue), limit: ContactKind.allCases.count)
        }
        let controller = ControllerID(rawValue: request.controller)
        guard let entry = connection.controller(controller, of: header) else { return }
        guard !connection.access.isMetered || connection.admitChecks(count, header) else { return }
        let scratch = connection.scratch
        scratch.errors.removeAll(keepingCapacity: true)
        let keyer = AddressKeyer(connection.core, controller: entry, kind: kind)
        scratch.keyAddresses(offsets: request.offsets, addresses: request.addresses, count: count, keyer)

        let frame = connection.output.beginFrame(.response, stream: header.stream)
        let columns = Wire.KeysResponse(
            count: UInt32(count), errorCount: UInt32(scratch.errors.count),
            epoch: connection.core.keyring.epoch
        ).beginEncoding(into: &connection.output)
        scratch.writeKeys(count, at: columns.keys, of: &connection.output)
        for (position, error) in scratch.errors.enumerated() {
            let offset = columns.errors.lowerBound + position * Wire.ItemError.byteCount
            connection.output.store(error.index, at: offset)
            connection.output.store(error.code.rawValue, at: offset + 4)
        }
        if connection.takeBackIfTooLong(frame) {
            return connection.reject(header.stream, .resourceExhausted, connection.tooLongMessage)
        }
        connection.output.endFrame(frame)
    }
}
