// Health and Stats: how the server is, without asking the register.

import CPlatform
import Foundation
import WireProtocol

enum StatusHandler {
    static func health(_ connection: Connection, _ header: FrameHeader) {
        let core = connection.core
        let frame = connection.output.beginFrame(.response, stream: header.stream)
        Wire.HealthResponse(
            state: core.serving.state, sequence: core.index.publishedSequence, message: core.serving.sentence
        ).encode(into: &connection.output)
        connection.output.endFrame(frame)
    }

    static func stats(_ connection: Connection, _ header: FrameHeader) {
        let core = connection.core
        let index = core.index.statistics
        let register = core.registerFigures.withLock { $0 }
        let metrics = core.metrics
        var stats = Wire.StatsResponse()
        stats.state = core.serving.state
        stats.sequence = core.index.publishedSequence
        stats.incarnation = core.identity.incarnation
        stats.recipients = UInt64(index.recipients)
        stats.events = register.events
        stats.profiles = UInt64(index.profiles)
        stats.indexBytes = UInt64(index.touchedBytes)
        stats.hugePageBytes = UInt64(index.hugePageBytes)
        stats.walBytes = register.walBytes
        stats.uptime = Int64((consent_monotonic_nanoseconds() - core.identity.startedAt) / 1000)
        stats.startTime = Int64(core.identity.startNanoseconds / 1000)
        stats.connections = UInt64(max(0, metrics.connections.load(ordering: .relaxed)))
        stats.checks = metrics.checks.value
        stats.allows = metrics.allows.value
        stats.writes = metrics.writes.value
        stats.refusals = metrics.refusals.value
        stats.commits = metrics.commits.value
        stats.rejectedFrames = metrics.rejectedFrames.total
        stats.derivedSequence = register.derivedSequence
        stats.cpuTime = Int64(consent_process_cpu_nanoseconds() / 1000)
        stats.residentBytes = ProcessFigures.residentBytes
        stats.testRegister = core.identity.isTestRegister
        stats.loops = UInt32(core.identity.loops)
        stats.version = ServerCore.Identity.version
        stats.stageTime = Int64(metrics.stageTime.value / 1000)
        stats.commitTime = Int64(metrics.commitTime.value / 1000)
        stats.publishTime = Int64(metrics.publishTime.value / 1000)
        stats.flushTime = Int64(metrics.flushTime.value / 1000)
        stats.snapshotSequence = register.snapshotSequence
        let frame = connection.output.beginFrame(.response, stream: header.stream)
        stats.encode(into: &connection.output)
        connection.output.endFrame(frame)
    }
}

/// What Stats shows of the register; the writer thread posts it after each commit and flush.
struct RegisterFigures: Sendable {
    var events: UInt64 = 0
    var walBytes: UInt64 = 0
    var derivedSequence: UInt64 = 0
    /// 0: there is no snapshot.
    var snapshotSequence: UInt64 = 0
}
