// The life of the connection: made, greeted, lost, made again.
//
// Invariant: at most one connection is being made or open; while none is, exactly one of these holds: an
// attempt is scheduled, the register was refused, or the client is closed.

import NIOCore
import NIOPosix
import WireProtocol

extension ClientCore {
    // MARK: Opening

    /// Makes a connection. The first one is tried once, so that its caller hears at once what is wrong.
    func connect() {
        switch link {
        case .idle, .pausing: link = .connecting
        case .connecting, .open, .closed: return
        }
        var generator = SystemRandomNumberGenerator()
        let hello = Handshake.hello(
            featuresOptional: configuration.compresses ? Feature.known : 0,
            inFlightMax: min(max(configuration.inFlightMax, 1), Wire.Limits.inFlightMax),
            deployment: Wire.Bytes16(configuration.deployment) ?? Wire.Bytes16(),
            clientName: configuration.clientName, credential: configuration.credential, using: &generator)
        let bootstrap = ClientBootstrap(group: loop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 1 << 16))
            .connectTimeout(TimeAmount(configuration.connectTimeout))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls = self.configuration.tls {
                        let handler = try tls.handler(host: self.address.host)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        Connection(core: self, channel: channel, hello: hello))
                }
            }
        bootstrap.connect(host: address.host, port: address.port).whenComplete { result in
            switch result {
            case .success(let channel): self.awaitWelcome(channel)
            case .failure(let error as NIOConnectionError)
            where error.connectionErrors.first?.error is ConsentClientError:
                // The client's own files are of no use.
                let own = error.connectionErrors.first?.error as? ConsentClientError
                self.attemptFailed(own ?? .closed)
            case .failure(let error):
                self.attemptFailed(.unreachable(address: "\(self.address)", why: Self.sentence(error)))
            }
        }
    }

    private func awaitWelcome(_ channel: any NIOCore.Channel) {
        loop.scheduleTask(in: TimeAmount(configuration.connectTimeout)) {
            guard let connection = try? channel.pipeline.syncOperations.handler(type: Connection.self),
                connection.state.phase == .awaitingWelcome
            else { return }
            connection.down(
                .unreachable(
                    address: "\(self.address)", why: "no welcome within \(self.configuration.connectTimeout)")
            )
        }
    }

    private static func sentence(_ error: any Error) -> String {
        guard let failure = error as? NIOConnectionError else { return "\(error)" }
        if (failure.dnsAError ?? failure.dnsAAAAError) != nil, failure.connectionErrors.isEmpty {
            return "the name cannot be resolved"
        }
        guard let first = failure.connectionErrors.first?.error else { return "no address" }
        if let system = first as? IOError {
            return system.errnoCode == ECONNREFUSED ? "connection refused" : "\(system)"
        }
        return "\(first)"
    }

    // MARK: Handshake

    func welcome(_ header: FrameHeader, _ body: RawSpan, _ connection: Connection) {
        guard case .connecting = link else { return connection.down(.closed) }
        let welcome: Wire.Welcome
        let agreement: Agreement
        do {
            try header.verifyBody(body)
            welcome = try Wire.Welcome(decoding: body)
            agreement = try Handshake.accept(welcome, hello: connection.hello)
        } catch {
            return connection.down(.handshake(HandshakeFailure(reason: nil, message: "\(error)")))
        }
        let known = serverInfo.withLock { $0 }
        let highest = highestSequence.load(ordering: .relaxed)
        let incarnation = welcome.incarnation.bytes
        if let known, !configuration.acceptsAnyRegister,
            known.incarnation != incarnation || welcome.sequence < highest
        {
            let change = RegisterChange(
                knownIncarnation: known.incarnation, incarnation: incarnation, knownSequence: highest,
                sequence: welcome.sequence)
            refusedRegister = change
            return connection.down(.registerChanged(change))
        }
        if known?.incarnation != incarnation { highestSequence.store(0, ordering: .relaxed) }
        noteSequence(welcome.sequence)
        let info = ServerInfo(
            name: welcome.serverName, deployment: welcome.deployment.bytes, incarnation: incarnation,
            sequence: welcome.sequence, keyEpoch: welcome.keyEpoch, bodyBytesMax: agreement.bodyBytesMax,
            inFlightMax: agreement.inFlightMax)
        serverInfo.withLock { $0 = info }
        connection.accepted(agreement)
        table = CallTable(callsMax: agreement.inFlightMax)
        backoff.reset()
        link = .open(connection)
        firstConnection?.succeed()
        firstConnection = nil
        scheduleExpiry(NIODeadline.now() + TimeAmount(configuration.keepAlive))
    }

    func goaway(_ header: FrameHeader, _ body: RawSpan, _ connection: Connection) {
        guard (try? header.verifyBody(body)) != nil, let goaway = try? Wire.Goaway(decoding: body) else {
            return connection.down(.connectionLost(why: "a goaway that cannot be read"))
        }
        if connection.state.phase == .awaitingWelcome {
            let failure = HandshakeFailure(reason: goaway.reason.rawValue, message: goaway.message)
            return connection.down(.handshake(failure))
        }
        connection.state.receivedGoaway(goaway)
        if goaway.reason != .drain { return connection.down(.connectionLost(why: goaway.message)) }
    }

    // MARK: Losing

    /// The connection is gone. Calls that it held are sent again where the rules allow.
    func connectionDown(_ connection: Connection, _ error: ConsentClientError) {
        guard case .open(let current) = link, current === connection else { return attemptFailed(error) }
        link = .pausing
        writer.removeAll()
        streamNumbers.removeAll()
        unanswered = 0
        for (stream, call) in table.removeAll() {
            let wasNotExecuted = connection.state.wasNotExecuted(stream)
            failed(call, wasNotExecuted ? Self.notTakenUp : error)
        }
        loop.execute { self.finishTurn() }
        scheduleReconnect()
    }

    private static let notTakenUp = ConsentClientError.rejected(
        Rejection(
            status: .unavailable, message: "the server drained before it took this up", notExecuted: true))

    /// An attempt to connect failed, its handshake included.
    private func attemptFailed(_ error: ConsentClientError) {
        guard case .connecting = link else { return }
        if let firstConnection {
            self.firstConnection = nil
            closed()
            return firstConnection.fail(error)
        }
        switch error {
        case .registerChanged, .handshake, .untrusted:
            endCalls { _, _ in error }
            finishTurn()
        default: break
        }
        if refusedRegister != nil { link = .idle } else { scheduleReconnect() }
    }

    private func scheduleReconnect() {
        link = .pausing
        guard closing.isEmpty else { return finishTurn() }
        var generator = SystemRandomNumberGenerator()
        loop.scheduleTask(in: TimeAmount(backoff.next(using: &generator))) {
            if case .pausing = self.link { self.connect() }
        }
    }

    /// The caller has forgotten what it knew of the old register: the new one is taken as it is.
    func acceptRegister() {
        refusedRegister = nil
        serverInfo.withLock { $0 = nil }
        highestSequence.store(0, ordering: .relaxed)
        if case .idle = link { connect() }
    }

    // MARK: Closing

    /// No new calls; those in flight are finished, streams end now.
    func close(_ promise: EventLoopPromise<Void>) {
        if case .closed = link { return promise.succeed() }
        closing.append(promise)
        var streams: Set<UInt64> = Set(waitingStreams.map(\.id))
        streams.formUnion(streamNumbers.keys)
        endCalls { _, id in streams.contains(id) ? .closed : nil }
        finishTurn()
    }

    /// Wakes callers up, and ends a connection that has nothing more to do.
    func finishTurn() {
        wakeups.resumeAll(waker)
        switch link {
        case .open(let connection) where connection.state.phase == .leaving && !hasCallsInFlight:
            connection.down(.connectionLost(why: "the server drains"))
        case .open(let connection) where !closing.isEmpty && !hasCallsInFlight && !hasWaiting:
            closed()
            connection.down(.closed)
        case .idle, .pausing, .connecting:
            guard !closing.isEmpty else { return }
            endCalls { _, _ in .closed }
            wakeups.resumeAll(waker)
            closed()
        default: break
        }
    }

    private var hasWaiting: Bool { !(waitingChecks.isEmpty && waitingCalls.isEmpty && parked.isEmpty) }

    private var hasCallsInFlight: Bool {
        var found = false
        table.forEach { _, call in
            if case .abandoned = call { return }
            found = true
        }
        return found
    }

    private func closed() {
        link = .closed
        timer?.task.cancel()
        timer = nil
        for promise in closing { promise.succeed() }
        closing = []
        waker?.end()
        waker = nil
    }
}
