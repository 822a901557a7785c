// Goal: the load tester tells the truth about a server that stalls, about itself when it is too slow, and
// about its own ceiling.
//
// Method: real sockets. A server that answers at once but for one injected stall; a null server. What is
// asserted are counts of latencies on either side of a limit far below the stall, and verdicts.

import ConsentClient
import LoadGenerator
import NIOCore
import NIOPosix
import Synchronization
import Testing
import WireProtocol

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite(.serialized) struct SelfTests {
    /// One connection, one request at a time, 2,000 requests due a second, and a server that sleeps for
    /// 100 ms once: about 200 requests come due meanwhile. One of them was on its way; the others were not
    /// sent, so that their service is quick, and yet they waited.
    @Test func aStallShowsInIntendedLatencyOnly() async throws {
        let plan = EngineTests.plan {
            $0.connections = 1
            $0.inFlight = 1
            $0.rate = 2_000
            $0.arrivals = .fixed
            $0.durationNanoseconds = 1_000_000_000
            $0.drainNanoseconds = 2_000_000_000
        }
        let result = try await EngineTests.run(.stallsOnce, plan)
        let limit: UInt64 = 20_000_000
        let waited = result.statistics.intended.count(fromNanoseconds: limit)
        let served = result.statistics.service.count(fromNanoseconds: limit)
        #expect(result.statistics.requests == 2_000 && result.statistics.errorCount == 0)
        #expect(served >= 1, "the request that met the stall")
        #expect(waited >= served + 100, "\(waited) waited, \(served) were served slowly")
        #expect(result.statistics.blocked >= 100, "they waited for the slot, which is the server's doing")
    }

    /// Twenty million requests a second are more than one thread sends, whatever the machine.
    @Test func aSaturatedGeneratorIsCalledInvalid() async throws {
        let plan = EngineTests.plan {
            $0.connections = 4
            $0.inFlight = 65_535
            $0.rate = 20_000_000
            $0.warmUpNanoseconds = 0
            $0.durationNanoseconds = 500_000_000
        }
        var options = CheckOptions(server: ServerOptions(address: ServerAddress(host: "127.0.0.1", port: 1)))
        options.plan = plan
        options.recipients = 1_000
        options.poolItems = 2_048
        let report = try await NullRun.run(options)
        #expect(report.result.statistics.requests > 0)
        #expect(!report.invalidReasons.isEmpty && report.exitCode != .done, "\(report.text)")
        #expect(report.text.contains("INVALID: the generator was"), "\(report.text)")
    }

    @Test(arguments: [1, 100], QuestionKeys.allCases)
    func aNullServerShowsTheCeiling(_ batch: Int, _ keys: QuestionKeys) async throws {
        var options = CheckOptions(server: ServerOptions(address: ServerAddress(host: "127.0.0.1", port: 1)))
        options.plan = EngineTests.plan()
        options.shape.itemsPerQuestion = batch
        options.shape.keys = keys
        options.shape.verifies = true
        options.recipients = 1_000
        options.poolItems = 2_048
        let report = try await NullRun.run(options)
        let statistics = report.result.statistics
        #expect(statistics.requests > 100 && statistics.units == statistics.requests * batch)
        #expect(statistics.wrong == 0 && statistics.errorCount == 0 && report.exitCode == .done)
        #expect(report.text.contains("CEILING:") && report.text.contains("null server"))
        #expect((report.result.serverCPUSeconds ?? 0) > 0 && report.result.clientCPUSeconds > 0)
    }

    /// A loop that is asked for one turn after the other looks at its other sockets in each of them. With
    /// tasks instead of turns the second pipe would be heard of after the last turn.
    @Test func turnsLeaveRoomForAnswers() async throws {
        final class Course {
            var spinning: LoopTurns?
            var other: LoopTurns?
            var turns = 0
            var heardAt: Int?
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let over = loop.makePromise(of: Int?.self)
        loop.execute {
            let course = Course()
            LoopTurns.open(on: loop) {
                course.turns += 1
                if course.turns == 5 { course.other?.ask() }
                if course.turns == 5_000 { over.succeed(course.heardAt) } else { course.spinning?.ask() }
            } ready: {
                course.spinning = $0
            }
            LoopTurns.open(on: loop) {
                course.heardAt = course.turns
            } ready: {
                course.other = $0
                course.spinning?.ask()
            }
        }
        let heardAt = try await over.futureResult.get()
        try await group.shutdownGracefully()
        #expect((5...8).contains(heardAt ?? 0), "heard of after turn \(heardAt ?? -1)")
    }

    @Test func aServerThatAnswersSlowlyDoesNotMakeTheGeneratorInvalid() async throws {
        let plan = EngineTests.plan {
            $0.connections = 1
            $0.inFlight = 1
            $0.rate = 20_000
            $0.warmUpNanoseconds = 0
        }
        let result = try await EngineTests.run(.isSlow, plan)
        #expect(result.statistics.blocked > 100, "requests waited for the server")
        let blocked = Double(result.statistics.blockedNanoseconds)
        #expect(blocked > 0 && Double(result.statistics.blockedBusyNanoseconds) < blocked * 0.9)
    }
}
