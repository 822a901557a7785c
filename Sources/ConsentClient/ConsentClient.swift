// The client of a consentd server: one object, one connection, any number of callers.
//
// ```swift
// let client = try await ConsentClient.connect(to: "127.0.0.1:7447")
// let question = CheckQuestion(controller: salon, channel: .sms, purpose: promotions)
// if await client.check(question, .address("+33 6 12 34 56 78")).isAllowed { send() }
// await client.close()
// ```
//
// Invariant: a check never throws and never reads as allowed unless the server said so in time. Everything
// else throws `ConsentClientError` and nothing else.

import ConsentDomain
import ConsentProof
import NIOCore
import NIOPosix
import WireProtocol

/// What a server said of itself when it welcomed the client.
public struct ServerInfo: Hashable, Sendable {
    /// Name and version.
    public var name: String
    /// Deployment, 16 bytes.
    public var deployment: [UInt8]
    /// Incarnation of the register, 16 bytes. Sequences and keys mean nothing in another one.
    public var incarnation: [UInt8]
    /// The register's sequence at the welcome.
    public var sequence: UInt64
    /// Epoch under which new recipient keys are made.
    public var keyEpoch: UInt16
    /// Longest body in bytes, both ways.
    public var bodyBytesMax: Int
    /// Most calls in flight.
    public var inFlightMax: Int
}

/// A client of one consentd server.
///
/// Any number of tasks may call it at the same time: their calls share one connection, single checks that are
/// made together travel together, and a lost connection is made again in the background. Calls that were in
/// flight are sent again where that is safe, within their deadline.
public final class ConsentClient: Sendable {
    let core: ClientCore

    private init(core: ClientCore) { self.core = core }

    deinit {
        let core = core
        core.loop.execute { core.close(core.loop.makePromise()) }
    }

    // MARK: Life

    /// Connects to a server and waits for its welcome.
    ///
    /// - Parameters:
    ///   - address: where the server listens.
    ///   - configuration: how the client behaves.
    /// - Throws: `.unreachable`, `.handshake`, or `.invalidRequest` for a deployment that has not 16 bytes.
    public static func connect(
        to address: ServerAddress, configuration: Configuration = Configuration()
    ) async throws(ConsentClientError) -> ConsentClient {
        guard configuration.deployment.isEmpty || configuration.deployment.count == 16 else {
            throw .invalidRequest("a deployment has 16 bytes, not \(configuration.deployment.count)")
        }
        let group = configuration.eventLoopGroup ?? NIOSingletons.posixEventLoopGroup
        let core = ClientCore(address: address, configuration: configuration, loop: group.next())
        let promise = core.loop.makePromise(of: Void.self)
        let waker = CallerWaker()
        Task.detached(priority: Task.currentPriority) { [weak core] in await waker.run { core } }
        core.loop.execute {
            core.waker = waker
            core.firstConnection = promise
            core.connect()
        }
        do {
            try await promise.futureResult.get()
        } catch let error as ConsentClientError {
            throw error
        } catch {
            throw .unreachable(address: "\(address)", why: "\(error)")
        }
        return ConsentClient(core: core)
    }

    /// Connects to `HOST:PORT`.
    ///
    /// - Throws: as the other `connect`; `.invalidRequest` for a text that is not `HOST:PORT`.
    public static func connect(
        to address: String, configuration: Configuration = Configuration()
    ) async throws(ConsentClientError) -> ConsentClient {
        guard let address = ServerAddress(address) else {
            throw .invalidRequest("a server is named HOST:PORT, for example 127.0.0.1:7447")
        }
        return try await connect(to: address, configuration: configuration)
    }

    /// Ends the client: no new calls, those in flight are finished, streams end with `.closed`.
    public func close() async {
        let core = core
        let promise = core.loop.makePromise(of: Void.self)
        core.loop.execute { core.close(promise) }
        try? await promise.futureResult.get()
    }

    /// What the server said when it welcomed the client last.
    public var server: ServerInfo? { core.serverInfo.withLock { $0 } }

    /// Takes the register behind the address as it is, after a `.registerChanged`. Call it when every
    /// sequence and key from before has been forgotten.
    public func acceptRegister() async {
        let core = core
        let promise = core.loop.makePromise(of: Void.self)
        core.loop.execute {
            core.acceptRegister()
            promise.succeed()
        }
        try? await promise.futureResult.get()
    }

    /// Where tasks run that share the client's own thread: `Task(executorPreference: client.taskExecutor)`,
    /// or `withTaskExecutorPreference(client.taskExecutor) { … }` with all child tasks.
    ///
    /// A check asked there takes no hop between threads: its caller is woken by the thread that read the
    /// answer, and what it asks next leaves in the same turn. In return, whatever such a task does between
    /// two calls holds up every call of this client: let it ask and decide there, and compute, wait and block
    /// elsewhere.
    public var taskExecutor: any TaskExecutor { core }

    // MARK: Calls

    /// Makes a unary call and returns the body of its response.
    func call(
        _ method: Wire.Method, _ body: [UInt8], timeout: Duration?
    ) async throws(ConsentClientError) -> [UInt8] {
        let info = method.info
        let id = core.makeID()
        let deadline = Deadline(after: timeout ?? core.configuration.timeout ?? Self.deadline(of: info))
        let core = core
        let result: CallResult = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let call = WaitingCall(
                    id: id, method: method.rawValue, isIdempotent: info?.isIdempotent ?? false, body: body,
                    deadline: deadline, continuation: continuation)
                core.submit { submissions in
                    submissions.calls.append(call)
                    if Task.isCancelled { submissions.cancellations.append(id) }
                }
            }
        } onCancel: {
            core.cancel(id)
        }
        return try result.get()
    }

    /// Makes a unary call with a message, and decodes the answer.
    func call<Request: WireMessage, Response: WireMessage>(
        _ method: Wire.Method, _ request: Request, as response: Response.Type, timeout: Duration?
    ) async throws(ConsentClientError) -> Response {
        try Self.decode(await call(method, Self.encode(request), timeout: timeout))
    }

    /// Opens a stream.
    func stream<Request: WireMessage>(_ method: Wire.Method, _ request: Request, timeout: Duration?)
        -> OpenStream
    {
        let items = ItemQueue()
        let id = core.makeID()
        let deadline = Deadline(after: timeout ?? Self.deadline(of: method.info))
        let body = Self.encode(request)
        core.submit {
            $0.streams.append(
                WaitingStream(id: id, method: method.rawValue, body: body, deadline: deadline, items: items))
        }
        return OpenStream(core: core, id: id, items: items)
    }

    private static func deadline(of info: Wire.MethodInfo?) -> Duration? {
        guard let info, info.defaultDeadlineMicroseconds > 0 else { return nil }
        return .microseconds(Int64(info.defaultDeadlineMicroseconds))
    }

    static func encode<Message: WireMessage>(_ message: Message) -> [UInt8] {
        var writer = FrameWriter(minimumCapacity: 256)
        message.encode(into: &writer)
        return writer.withBytes { Array($0) }
    }

    static func decode<Message: WireMessage>(_ body: [UInt8]) throws(ConsentClientError) -> Message {
        do throws(WireError) {
            return try Message(decoding: body.span.bytes)
        } catch {
            throw .malformedAnswer("\(error)")
        }
    }
}

/// One streaming call that is open; letting go of it cancels the call.
final class OpenStream: Sendable {
    private let core: ClientCore
    private let id: UInt64
    private let items: ItemQueue

    init(core: ClientCore, id: UInt64, items: ItemQueue) {
        self.core = core
        self.id = id
        self.items = items
    }

    deinit { core.cancel(id) }

    /// The next item's body; nil after the last.
    func next() async throws(ConsentClientError) -> [UInt8]? {
        let core = core
        let id = id
        let result: Result<[UInt8]?, ConsentClientError> = await withTaskCancellationHandler {
            do throws(ConsentClientError) {
                return .success(try await items.next())
            } catch {
                return .failure(error)
            }
        } onCancel: {
            core.cancel(id)
        }
        let item = try result.get()
        let credit = items.takeCredit()
        if credit > 0 { core.submit { $0.credits.append((id, credit)) } }
        return item
    }
}
