// A client that sends frames as it is told, right or wrong, and shows every frame that comes back.
//
// For tests of what the client library never does: it keeps no rule of the protocol by itself.

import ConsentClient
import WireProtocol

/// One connection, after its handshake.
package final class FrameClient {
    package let socket: RawSocket
    /// Frames by stream that `answer(of:)` passed over.
    private var passed: [Received] = []

    /// A frame from the server.
    package struct Received {
        package let header: FrameHeader
        package let body: [UInt8]

        package init(header: FrameHeader, body: [UInt8]) {
            self.header = header
            self.body = body
        }

        package var status: Status { header.status }
        package var isNotExecuted: Bool { header.flags.contains(.notExecuted) }

        package func decoded<Message: WireMessage>(_: Message.Type = Message.self) throws -> Message {
            try Message(decoding: body.span.bytes)
        }
    }

    /// Why a test's client could not go on.
    package enum Failure: Error {
        case noWelcome(Wire.Goaway?)
        case noAnswer(stream: UInt32)
    }

    /// Connects and shakes hands.
    package init(
        _ address: String, credential: [UInt8] = [], inFlightMax: Int = 0, bodyBytesMax: Int = 0,
        features: UInt64 = 0, clientName: String = "frames"
    ) throws {
        socket = try RawSocket(address)
        var writer = FrameWriter(minimumCapacity: 512)
        writer.appendPrefaceAndHello(
            Wire.Hello(
                versionMin: Wire.protocolVersion, versionMax: Wire.protocolVersion,
                featuresOptional: features, bodyBytesMax: UInt32(bodyBytesMax),
                inFlightMax: UInt32(inFlightMax), clientName: clientName, credential: credential))
        socket.send(writer.withBytes { Array($0) })
        guard let first = receive() else { throw Failure.noWelcome(nil) }
        guard first.header.kind == .welcome else { throw Failure.noWelcome(try first.decoded()) }
    }

    /// The next frame; nil at the end of the connection or after ten silent seconds.
    package func receive() -> Received? {
        guard let bytes = socket.receive(FrameHeader.byteCount),
            let header = try? FrameHeader.decode(bytes.span.bytes, bodyBytesMax: Wire.Limits.bodyBytesMax),
            let body = header.bodyLength == 0 ? [] : socket.receive(Int(header.bodyLength)),
            (try? header.verifyBody(body.span.bytes)) != nil
        else { return nil }
        return Received(header: header, body: body)
    }

    /// The next frame of a stream; those of others are kept for later.
    package func answer(of stream: UInt32) throws -> Received {
        if let place = passed.firstIndex(where: { $0.header.stream == stream }) {
            return passed.remove(at: place)
        }
        while let frame = receive() {
            if frame.header.stream == stream { return frame }
            passed.append(frame)
        }
        throw Failure.noAnswer(stream: stream)
    }

    /// Sends bytes as they are.
    package func send(_ bytes: [UInt8]) { socket.send(bytes) }

    /// Sends one request.
    package func call(
        _ method: Wire.Method, _ stream: UInt32, _ message: some WireMessage, deadline: UInt32 = 0
    ) {
        send(Self.request(method, stream, message, deadline: deadline))
    }

    /// Sends one request and returns the frame that answers it.
    package func ask(
        _ method: Wire.Method, _ stream: UInt32, _ message: some WireMessage, deadline: UInt32 = 0
    ) throws -> Received {
        call(method, stream, message, deadline: deadline)
        return try answer(of: stream)
    }

    /// Bytes of a request frame.
    package static func request(
        _ method: Wire.Method, _ stream: UInt32, _ message: some WireMessage, deadline: UInt32 = 0,
        compressed: Bool = false
    ) -> [UInt8] {
        var writer = FrameWriter(minimumCapacity: 512)
        let frame = writer.beginFrame(.request, code: method.rawValue, stream: stream, value: deadline)
        message.encode(into: &writer)
        writer.endFrame(frame, compressIfUseful: compressed)
        return writer.withBytes { Array($0) }
    }

    /// Bytes of a frame without a body.
    package static func frame(_ kind: FrameKind, stream: UInt32 = 0, value: UInt32 = 0) -> [UInt8] {
        var writer = FrameWriter(minimumCapacity: 64)
        writer.appendFrame(kind, stream: stream, value: value)
        return writer.withBytes { Array($0) }
    }

    /// Bytes of a Check by a key that is not on file.
    package static func check(
        _ stream: UInt32, controller: UInt32 = 7, purpose: UInt8 = 3, minSequence: UInt64 = 0
    ) -> [UInt8] {
        var writer = FrameWriter(minimumCapacity: 128)
        let frame = writer.beginFrame(.request, code: Wire.Method.check.rawValue, stream: stream)
        _ = Wire.CheckRequest(
            minSequence: minSequence, controller: controller, channel: Wire.Channel(rawValue: 1),
            purpose: purpose,
            class: Wire.PurposeClass(rawValue: 0)
        ).beginEncoding(into: &writer)
        writer.endFrame(frame)
        return writer.withBytes { Array($0) }
    }
}

extension Wire.Bytes16 {
    /// The bytes of an event id.
    package init(of id: EventID) { self.init(word0: id.low, word1: id.high) }
}

extension Wire.Bytes32 {
    /// The bytes of a digest.
    package init(of digest: Digest32) { self = Wire.Bytes32(digest.bytes) ?? Wire.Bytes32() }
}
