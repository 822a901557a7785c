// Goal: the client numbers its calls, keeps its limit, and knows after a goaway which calls are safe to
// repeat. Method: a table of phase × kind; scripts; numbers around the end of their range.

import Testing
import WireProtocol

@Suite struct ClientConnectionStateTests {
    typealias State = ClientConnectionState

    static func open(inFlightMax: Int = 3) -> State {
        var state = State()
        state.accept(Agreement(version: 0, features: 0, bodyBytesMax: 4096, inFlightMax: inFlightMax))
        return state
    }

    static func state(_ phase: State.Phase) -> State {
        var state = phase == .awaitingWelcome ? State() : open()
        if phase == .leaving { state.receivedGoaway(Wire.Goaway(lastStream: .max)) }
        if phase == .closed { state.close() }
        return state
    }

    @Test func everyKindInEveryPhase() {
        for phase in [State.Phase.awaitingWelcome, .open, .leaving, .closed] {
            for kind in FrameKind.allCases {
                var state = Self.state(phase)
                #expect(state.phase == phase)
                let expected: State.Action =
                    switch (phase, kind) {
                    case (.closed, _): .ignore
                    case (_, .goaway): .goaway
                    case (.awaitingWelcome, .welcome): .welcome
                    case (.awaitingWelcome, _): .fail(.unexpectedFrame(kind))
                    case (_, .response): .response
                    case (_, .item): .item
                    case (_, .end): .end
                    case (_, .ping): .pong(value: 4)
                    case (_, .pong): .pongReceived(value: 4)
                    default: .fail(.unexpectedFrame(kind))
                    }
                #expect(
                    state.received(FrameHeader(kind: kind, stream: 1, value: 4)) == expected,
                    "\(phase) \(kind)")
                if case .fail = expected {
                    #expect(state.phase == .closed)
                } else {
                    #expect(state.phase == phase)
                }
            }
        }
    }

    @Test func callsAreNumberedAndLimited() {
        var waiting = State()
        #expect(waiting.beginCall { _ in false } == nil)
        var state = Self.open()
        #expect((1...3).map { _ in state.beginCall { _ in false } } == [1, 2, 3])
        #expect(state.beginCall { _ in false } == nil)
        state.endCall()
        #expect(state.inFlight == 2)
        #expect(state.beginCall { $0 == 4 || $0 == 5 } == 6, "numbers in use are left out")
        state.receivedGoaway(Wire.Goaway(lastStream: .max))
        state.endCall()
        #expect(state.beginCall { _ in false } == nil, "none begins after a goaway")
        state.close()
        #expect(state.inFlight == 0)
        state.endCall()
    }

    @Test func aGoawayTellsWhatIsSafeToRepeat() {
        var state = Self.open(inFlightMax: 10)
        for _ in 0..<5 { _ = state.beginCall { _ in false } }
        #expect((1...5).allSatisfy { !state.wasNotExecuted($0) })
        state.receivedGoaway(Wire.Goaway(lastStream: .max))
        #expect((1...5).allSatisfy { !state.wasNotExecuted($0) }, "the first goaway sets no limit")
        state.receivedGoaway(Wire.Goaway(lastStream: 3))
        #expect((1...5).map { state.wasNotExecuted($0) } == [false, false, false, true, true])
        state.receivedGoaway(Wire.Goaway(lastStream: 0))
        #expect((1...5).allSatisfy { state.wasNotExecuted($0) }, "none was taken up")
        #expect(
            [0x8000_0001, FrameHeader.streamMax].allSatisfy { state.wasNotExecuted($0) },
            "whatever its number")
    }

    @Test func numbersStartAgain() {
        for (stream, other, after): (UInt32, UInt32, Bool) in [
            (2, 1, true), (1, 2, false), (5, 5, false), (1, .max - 1, true), (.max - 1, 1, false),
            (0x8000_0000, 1, true), (1, 0x8000_0000, false),
        ] {
            #expect(FrameHeader.isStream(stream, after: other) == after, "\(stream) after \(other)")
        }
        var state = Self.open()
        #expect(state.beginCall { $0 < 1000 } == 1000)
        // Skipping to the end of the range by "in use" would take four thousand million steps; jump instead.
        state.continueNumbering(after: FrameHeader.streamMax - 1)
        #expect(state.beginCall { _ in false } == FrameHeader.streamMax)
        #expect(state.beginCall { $0 == 1 } == 2)
    }
}
