// Goal: in every phase every kind of frame has the one action that PROTOCOL.md states, and calls, credits and
// the drain keep their rules. Method: a table of phase × kind; scripts of events with the action of each; a
// seeded random run against a naive model of the open calls.

import TestRandomness
import Testing
import WireProtocol

@Suite struct ServerConnectionStateTests {
    typealias State = ServerConnectionState

    static let agreement = Agreement(version: 0, features: 0, bodyBytesMax: 4096, inFlightMax: 3)

    static func state(_ phase: State.Phase) -> State {
        var state = State()
        if phase == .awaitingPreface { return state }
        let preface = Handshake.preface
        _ = state.receivedPreface(preface.span.bytes)
        if phase == .awaitingHello { return state }
        _ = state.received(FrameHeader(kind: .hello))
        if phase == .negotiating { return state }
        state.accept(agreement)
        switch phase {
        case .draining: _ = state.beginDrain(pingValue: 77)
        case .leaving:
            _ = state.beginDrain(pingValue: 77)
            _ = state.finishDrain()
        case .closed: state.close()
        default: break
        }
        return state
    }

    @Test func everyKindInEveryPhase() {
        let phases: [State.Phase] = [
            .awaitingPreface, .awaitingHello, .negotiating, .open, .draining, .leaving, .closed,
        ]
        for phase in phases {
            for kind in FrameKind.allCases {
                var state = Self.state(phase)
                #expect(state.phase == phase)
                let header = FrameHeader(kind: kind, stream: 5, value: 9)
                let expected: State.Action
                let next: State.Phase
                switch (phase, kind) {
                case (.closed, _): (expected, next) = (.ignore, .closed)
                case (.awaitingHello, .hello): (expected, next) = (.hello, .negotiating)
                case (.awaitingPreface, _), (.awaitingHello, _), (.negotiating, _):
                    (expected, next) = (.fail(.unexpectedFrame(kind)), .closed)
                case (_, .request): (expected, next) = (.request, phase)
                case (_, .cancel), (_, .credit), (_, .pong): (expected, next) = (.ignore, phase)
                case (_, .ping): (expected, next) = (.pong(value: 9), phase)
                case (_, .goaway): (expected, next) = (.clientLeaves(thenClose: true), .leaving)
                default: (expected, next) = (.fail(.unexpectedFrame(kind)), .closed)
                }
                #expect(state.received(header) == expected, "\(kind) while \(phase)")
                #expect(state.phase == next, "\(kind) while \(phase)")
            }
        }
    }

    @Test func prefacesInAnyCut() {
        for count in 0..<8 {
            var state = State()
            #expect(state.receivedPreface(Array(Handshake.preface[..<count]).span.bytes) == .readMore)
            #expect(state.phase == .awaitingPreface)
        }
        var state = State()
        #expect(state.receivedPreface((Handshake.preface + [1, 2]).span.bytes) == .drop(byteCount: 8))
        #expect(state.phase == .awaitingHello)
        for offset in 0..<8 {
            var wrong = Handshake.preface
            wrong[offset] ^= 0x20
            for count in 0...8 {
                var state = State()
                let action = state.receivedPreface(Array(wrong[..<count]).span.bytes)
                #expect(action == (count > offset ? .fail(.badPreface) : .readMore))
                #expect(state.phase == (count > offset ? .closed : .awaitingPreface))
            }
        }
    }

    @Test func admissionInEveryPhase() {
        for (phase, expected): (State.Phase, State.Admission) in [
            (.awaitingPreface, .reject(.unavailable)), (.awaitingHello, .reject(.unavailable)),
            (.negotiating, .reject(.unavailable)), (.open, .takeUp), (.draining, .takeUp),
            (.leaving, .reject(.unavailable)), (.closed, .reject(.unavailable)),
        ] {
            var state = Self.state(phase)
            #expect(state.checkSynchronousCall(9) == expected, "\(phase)")
            #expect(state.beginCall(9) == expected, "\(phase)")
            #expect(state.openCallCount == (expected == .takeUp ? 1 : 0))
            #expect(state.lastStream == (expected == .takeUp ? 9 : 0))
        }
    }

    @Test func streamsAreNotReusedWhileOpen() {
        var state = Self.state(.open)
        #expect(state.checkSynchronousCall(4) == .takeUp)
        #expect(state.checkSynchronousCall(4) == .takeUp, "a call answered at once leaves nothing open")
        #expect(state.beginCall(4) == .takeUp)
        #expect(state.checkSynchronousCall(4) == .fail(.badStream(4)))
        #expect(state.beginCall(4) == .fail(.badStream(4)))
        #expect(state.endCall(4) == false)
        #expect(state.beginCall(4) == .takeUp)
        for stream in [0, UInt32.max] {
            #expect(state.checkSynchronousCall(stream) == .fail(.badStream(stream)))
            #expect(state.beginCall(stream) == .fail(.badStream(stream)))
        }
        #expect(state.lastStream == 4)
    }

    @Test func callsInFlightAreLimited() {
        var state = Self.state(.open)
        for stream in UInt32(1)...3 { #expect(state.beginCall(stream) == .takeUp) }
        #expect(state.beginCall(4) == .reject(.resourceExhausted))
        #expect(state.lastStream == 3, "a rejected call was not taken up")
        #expect(state.checkSynchronousCall(5) == .takeUp, "a call answered at once holds no place")
        #expect(state.endCall(2) == false)
        #expect(state.beginCall(4) == .takeUp)
        #expect(state.openCallCount == 3)
    }

    @Test func cancelIsToldOnceAndEndsNothing() {
        var state = Self.state(.open)
        _ = state.beginCall(6)
        let cancel = FrameHeader(kind: .cancel, stream: 6)
        #expect(state.received(cancel) == .cancel(stream: 6))
        #expect(state.isCancelled(6) && state.isOpen(6))
        #expect(state.received(cancel) == .ignore)
        #expect(state.endCall(6) == false)
        #expect(state.received(cancel) == .ignore)
        #expect(!state.isCancelled(6) && !state.isOpen(6))
    }

    @Test func creditsAddUpAndAreTaken() {
        var state = Self.state(.open)
        _ = state.beginCall(8, credit: 2)
        #expect((1...3).map { _ in state.takeCredit(8) } == [true, true, false])
        #expect(state.received(FrameHeader(kind: .credit, stream: 8, value: 1)) == .credit(stream: 8))
        #expect((1...2).map { _ in state.takeCredit(8) } == [true, false])
        for _ in 0..<3 { _ = state.received(FrameHeader(kind: .credit, stream: 8, value: .max - 1)) }
        #expect(state.credit(8) == .max, "credit does not wrap")
        #expect(state.received(FrameHeader(kind: .credit, stream: 9, value: 1)) == .ignore)
        #expect(state.takeCredit(9) == false)
    }

    @Test func drainLosesNoRequest() {
        var state = Self.state(.open)
        _ = state.beginCall(1)
        #expect(state.beginDrain(pingValue: 5) == true)
        #expect(state.beginDrain(pingValue: 6) == false, "a drain begins once")
        // The client had sent this before it read the goaway.
        #expect(state.beginCall(2) == .takeUp)
        #expect(state.received(FrameHeader(kind: .pong, value: 6)) == .ignore)
        #expect(
            state.received(FrameHeader(kind: .pong, value: 5))
                == .finishDrain(lastStream: 2, thenClose: false))
        #expect(state.received(FrameHeader(kind: .pong, value: 5)) == .ignore)
        #expect(state.beginCall(3) == .reject(.unavailable))
        #expect(state.checkSynchronousCall(3) == .reject(.unavailable))
        #expect(state.endCall(1) == false)
        #expect(state.endCall(2) == true, "the last call's end closes")
    }

    @Test func drainWithNothingOpenClosesAtThePong() {
        var state = Self.state(.open)
        _ = state.checkSynchronousCall(12)
        #expect(state.beginDrain(pingValue: 1) == true)
        #expect(state.finishDrain() == .finishDrain(lastStream: 12, thenClose: true))
        #expect(state.finishDrain() == .ignore)
        for phase in [State.Phase.awaitingPreface, .awaitingHello, .negotiating] {
            var early = Self.state(phase)
            #expect(early.beginDrain(pingValue: 1) == false)
            #expect(early.phase == .closed, "\(phase)")
        }
    }

    @Test func aLeavingClientGetsItsAnswers() {
        var state = Self.state(.open)
        _ = state.beginCall(1)
        #expect(state.received(FrameHeader(kind: .goaway)) == .clientLeaves(thenClose: false))
        #expect(state.endCall(1) == true)
        #expect(state.beginDrain(pingValue: 1) == false)
    }

    @Test func equalsANaiveModel() {
        for seed in UInt64(1)...200 {
            var generator = SeededGenerator(seed: seed)
            var state = Self.state(.open)
            var open: [UInt32: UInt32] = [:]
            for _ in 0..<200 {
                let stream = UInt32.random(in: 1...6, using: &generator)
                switch Int.random(in: 0...4, using: &generator) {
                case 0:
                    let admission = state.beginCall(stream, credit: 1)
                    if open[stream] != nil {
                        #expect(admission == .fail(.badStream(stream)), "seed \(seed)")
                    } else if open.count == 3 {
                        #expect(admission == .reject(.resourceExhausted), "seed \(seed)")
                    } else {
                        #expect(admission == .takeUp, "seed \(seed)")
                        open[stream] = 1
                    }
                case 1:
                    #expect(
                        state.checkSynchronousCall(stream)
                            == (open[stream] == nil ? .takeUp : .fail(.badStream(stream))), "seed \(seed)")
                case 2:
                    #expect(state.endCall(stream) == false)
                    open[stream] = nil
                case 3:
                    _ = state.received(FrameHeader(kind: .credit, stream: stream, value: 2))
                    open[stream]? += 2
                default:
                    let has = open[stream].map { $0 > 0 } ?? false
                    #expect(state.takeCredit(stream) == has, "seed \(seed)")
                    if has { open[stream]? -= 1 }
                }
                #expect(state.openCallCount == open.count, "seed \(seed)")
                #expect((1...6).allSatisfy { state.credit($0) == open[$0] ?? 0 }, "seed \(seed)")
            }
        }
    }
}
